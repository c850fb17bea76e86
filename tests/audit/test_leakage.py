"""Which items of a task are in the data."""

import pytest

from medix.audit.leakage import Leak, Leakage, TaskLeakage
from medix.audit.picture_table import PictureTable
from medix.audit.rows import AuditRow
from medix.evaluation.tasks.item import Item
from tests.audit.conftest import row
from tests.data.conftest import picture as encoded
from tests.support.evaluations import choice, item, loaded, picture, task

EIGHT = "Which of the bones on the left is broken"


def leaked(rows: list[AuditRow], *items: Item, pictures: PictureTable | None = None) -> TaskLeakage:
    table = pictures or PictureTable()
    search = Leakage(rows, [loaded(*items)], table)
    table.finish()
    [found] = search.find(table.near())
    return found


def kinds(rows: list[AuditRow], *items: Item) -> list[Leak]:
    return [one.leak for one in leaked(rows, *items).examples]


def test_a_text_item_is_leaked_by_an_equal_question_with_or_without_its_choices() -> None:
    rows = [row(0, question="Which side, then?", modality=None)]
    assert kinds(rows, item("1", "which side then")) == [Leak.QUESTION]
    assert kinds(rows, choice("1", "Which side, then?", 0, "left", "right")) == [Leak.QUESTION]
    assert kinds(rows, item("1", "Which side?")) == []


def test_choices_may_stand_in_another_order_but_must_be_the_same() -> None:
    asked = choice("1", "Which is true?", 0, "The left", "The right", "Both")
    put = "Which is true?\n\nChoices:\nA. both\nB. the left\nC. {}"
    assert kinds([row(0, question=put.format("the right"), modality=None)], asked) == [Leak.QUESTION]
    assert kinds([row(0, question=put.format("neither"), modality=None)], asked) == []


@pytest.mark.parametrize(
    "choices",
    ["\nA) E. coli\nB) S. aureus", "\n(a) E. coli\n(b) S. aureus", "\n\nOptions:\nA: S. aureus\nB: E. coli",
     " (A) E. coli (B) S. aureus", "\nAnswer choices:\na. S. aureus\nb. E. coli\n"],
)  # fmt: skip
def test_choices_are_the_same_however_a_data_set_writes_them(choices: str) -> None:
    rows = [row(0, question=f"Which germ?{choices}", modality=None)]
    assert kinds(rows, choice("1", "Which germ?", 0, "E. coli", "S. aureus")) == [Leak.QUESTION]
    assert kinds(rows, choice("1", "Which germ?", 0, "E. coli", "both")) == []


def test_a_question_without_its_context_is_leaked_if_no_other_item_asks_it() -> None:
    rows = [row(0, question="Is it broken?", modality=None)]
    items = [item(f"{n}", f"Context {n}\n\nQuestion: Is it broken?", asked="Is it broken?") for n in range(2)]
    assert kinds(rows, items[0]) == [Leak.QUESTION]
    assert kinds(rows, *items) == []


def test_an_equal_question_on_another_image_is_a_phrasing() -> None:
    shown = (picture("a", encoded(9)),)
    table = PictureTable()
    rows = [row(0, question=EIGHT, reference="Left", pictures=[table.add(encoded(1))])]
    found = leaked(rows, item("1", EIGHT, "left", images=shown), pictures=table)
    assert [one.leak for one in found.examples] == [Leak.PHRASING]
    assert found.leaked == 0
    assert kinds([row(0, question=EIGHT, reference="left")], item("1", EIGHT, "left", images=shown)) == [Leak.PHRASING]
    table = PictureTable()
    rows = [row(0, question="Which organ?", reference="liver", pictures=[table.add(encoded(1))])]
    assert leaked(rows, item("1", "Which organ?", "left", images=shown), pictures=table).examples == []


def test_an_equal_image_file_is_leaked_whatever_it_shows_and_counts_before_texts() -> None:
    """A flat image is in no near pair, and is the same file nevertheless."""
    table = PictureTable()
    rows = [row(0, question="Which organ?", pictures=[table.add(encoded(9))])]
    shown = (picture("a", encoded(9)),)
    items = item("1", "Which organ?", images=shown), item("2", "Else?", images=shown)
    found = leaked(rows, *items, pictures=table)
    assert [one.leak for one in found.examples] == [Leak.ITEM, Leak.IMAGE]
    assert [one.detail for one in found.examples] == ["same file"] * 2
    assert (found.images, found.all_images, found.leaked) == (1, 1, 2)


def test_thirteen_words_in_a_row_are_found_in_question_and_answer_and_not_across_them() -> None:
    words = [f"w{number}" for number in range(13)]
    text = " ".join(words)
    assert kinds([row(0, question=f"Look: {text}?")], item("1", f"{text} and more")) == [Leak.NGRAM]
    assert kinds([row(0, reference=text)], item("1", "q2", f"so {text}")) == [Leak.NGRAM]
    assert kinds([row(0, question=" ".join(words[:7]), reference=" ".join(words[7:]))], item("1", text)) == []
    assert kinds([row(0, question=" ".join(words[:12]))], item("1", " ".join(words[:12]) + " x")) == []


def test_what_more_than_ten_items_say_is_the_wording_of_the_task() -> None:
    text = " ".join(f"w{number}" for number in range(13))
    rows = [row(0, question=f"{text} a")]
    assert len(kinds(rows, *(item(f"{n}", f"{text} {n}") for n in range(10)))) == 10
    assert kinds(rows, *(item(f"{n}", f"{text} {n}") for n in range(11))) == []


def test_missing_rows_and_images_that_cannot_be_read_are_told() -> None:
    items = [item(f"{n}", f"q{n}", images=(picture("a", data),)) for n, data in enumerate((encoded(9), b"", b"broken"))]
    table = PictureTable()
    search = Leakage([], [loaded(*items, spec=task(expected_rows=5))], table)
    table.finish()
    [found] = search.find(table.near())
    assert found.notes == (
        "3 of 5 rows of the benchmark are here",
        "2 items have an image that cannot be read, and were compared by their texts",
    )


def test_rows_that_only_serve_to_be_compared_with_leak_nothing() -> None:
    assert kinds([row(0, question=EIGHT, is_against=True)], item("1", EIGHT)) == []
