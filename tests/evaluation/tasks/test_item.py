"""Items: how a row is asked, what tells rows apart, and images that are missing."""

from dataclasses import replace

import pytest

from medix.data.sources.table_images import TableImage
from medix.data.sources.table_row import TableRow
from medix.data.sources.table_schema import Columns, TableData
from medix.evaluation.tasks.item import Item, Items
from medix.evaluation.tasks.spec import Cluster, Task

ROW = TableRow("t, row 1", "", "Which side?", (), ("left",), (), None, (), "", None, "", "", {})
CHOICES = replace(ROW, choices=("left", "right"), answer_index=0)


def items(cluster: Cluster = "item", prompt: str = "{{ question }}") -> Items:
    columns = Columns(question="q", answer="a", images=["i"], case="c")
    return Items("t", Task("", TableData(columns), "binary", cluster, "", prompt=prompt))


def pictures(*numbers: int) -> tuple[TableImage, ...]:
    return tuple(TableImage(f"{number}.png", bytes([number]), number=number) for number in numbers)


def ask(row: TableRow, **task: str) -> Item:
    return items(**task).item(row)  # type: ignore[arg-type]


def test_context_and_choices_stand_around_the_question_unless_the_prompt_places_them() -> None:
    assert ask(ROW).question == "Which side?"
    assert ask(CHOICES).question == "Which side?\n\nChoices:\nA. left\nB. right"
    assert ask(CHOICES, prompt="{{ choices }}\n{{ question }}").question == "A. left\nB. right\nWhich side?"
    both = replace(CHOICES, context=("One.", "Two."))
    assert ask(both, prompt="{{ context }}\n{{ question }}").question.startswith("One.\n\nTwo.\nWhich side?\n\nChoices")
    assert ask(both).question == "One.\n\nTwo.\n\nWhich side?\n\nChoices:\nA. left\nB. right"
    assert ask(both, prompt="{{ context | length }} {{ question }}").question.startswith("10 Which side?")
    assert ask(replace(ROW, question="{{ 7 * 7 }}")).question == "{{ 7 * 7 }}"  # data is no template


@pytest.mark.parametrize(
    ("question", "numbers", "shown", "fault"),
    [
        ("See <image 1>.", (1,), "See <image 1>.", ""),
        ("No marker", (1, 2), "No marker", ""),
        ("<image 3> beside <image 1>", (1, 3), "<image 2> beside <image 1>", ""),  # the second column is empty
        ("<image 1>, again <image 1>", (1,), "(image 1), again (image 1)", ""),
        ("Only <image 2>", (1, 2), "Only (image 2)", ""),
        ("See <image 1>.", (), "See <image 1>.", "the question shows image 1, and the row has none"),
        ("See <image 1>, <image 2>.", (2,), "", "the question shows image 1, and the row has image 2"),
        ("<image> and <image>", (1,), "", "the question shows 2 images, and the row has 1"),
    ],
)
def test_markers_name_images_that_are_there(question: str, numbers: tuple[int, ...], shown: str, fault: str) -> None:
    found = ask(replace(ROW, question=question, images=pictures(*numbers)))
    assert found.fault == fault
    if shown:
        assert found.question == shown


def test_an_image_that_cannot_be_read_is_a_fault_of_its_item() -> None:
    found = ask(replace(ROW, images=(TableImage("a.png", fault="the image a.png cannot be read"),)), cluster="image")
    assert (found.fault, found.cluster) == ("the image a.png cannot be read", "a.png")


def test_rows_without_an_id_are_told_apart_by_content_and_repetition() -> None:
    made = items()
    first, same, other = (made.item(row) for row in (ROW, ROW, replace(ROW, answers=("right",))))
    assert same.id == f"{first.id}-2"
    assert same.cluster == first.cluster == first.id, "intervals count them once"
    assert other.id not in {first.id, same.id}
    assert items().item(ROW) == first


def test_an_id_that_stands_twice_is_an_error() -> None:
    made = items()
    made.item(replace(ROW, id="7"))
    with pytest.raises(ValueError, match=r"the id '7' stands twice; correct data.columns.id"):
        made.item(replace(ROW, id="7"))


def test_clusters_are_items_images_or_cases_and_images_are_held_once() -> None:
    made, row = items("image"), replace(ROW, images=pictures(1))
    first, second = made.item(row), made.item(replace(row, question="Why?"))
    assert first.cluster == second.cluster
    assert first.images[0].data is second.images[0].data
    assert ask(replace(ROW, case="p1"), cluster="case").cluster == "p1"
    assert ask(replace(ROW, id="x")).cluster == "x"
    with pytest.raises(ValueError, match=r"columns\.case is empty"):
        ask(ROW, cluster="patient")


def test_the_kind_of_a_question_is_derived_where_the_data_does_not_say() -> None:
    kinds = [ask(row).question_type for row in (CHOICES, ROW, replace(ROW, answers=("Yes",)))]
    assert kinds == ["choices", "open", "closed"]
    assert ask(replace(ROW, question_type="PRES")).question_type == "PRES"


def test_a_row_without_anything_to_ask_and_a_template_that_fails_are_errors() -> None:
    with pytest.raises(ValueError, match="row 1: the prompt is empty"):
        ask(replace(ROW, question=""))
    with pytest.raises(ValueError, match="prompt: 'cell' is undefined; it may use question, context and choices"):
        ask(ROW, prompt="{{ cell }}")


def test_the_modality_is_that_of_the_column_or_of_the_tag_in_front_of_the_answer() -> None:
    tagged = replace(ROW, images=pictures(1), tag="CT_SCAN")
    stated = replace(tagged, modality="X_RAY")
    assert [ask(row).modality for row in (tagged, stated, replace(tagged, images=()))] == ["CT_SCAN", "X_RAY", None]
