import pytest

from medix.data.sources.layouts import asked_of_all, image_columns, recognised, told

VQA = "VQA-RAD, SLAKE, PathVQA, MMLU, MedQA"


@pytest.mark.parametrize(
    ("names", "name", "meaning"),
    [
        ("id image source problem solution", "MBZUAI/medix-rl-data",
         "question: problem, answer: solution, id: id, images: image, source: source"),
        ("images problem answer", "EasyR1", "question: problem, answer: answer, images: images"),
        ("image question answer", VQA, "question: question, answer: answer, images: image"),
        ("question answer choices subject", VQA,
         "question: question, answer: answer, choices: choices; no column of images, so that all rows are text only"),
        ("image question answer options", VQA, "question: question, answer: answer, choices: options, images: image"),
        ("question answer bild", VQA,
         "question: question, answer: answer; no column of images, so that all rows are text only"),
        ("qid img_name question answer modality q_lang", VQA,
         "question: question, answer: answer, id: qid, images: img_name, modality: modality"),
        ("id image problem solution aliases case", "MBZUAI/medix-rl-data",
         "question: problem, answer: solution, answer: aliases, id: id, images: image, case: case"),
        ("image question answer case_id study_id", VQA,
         "question: question, answer: answer, images: image, case: case_id"),
    ],
)  # fmt: skip
def test_columns_are_recognised_by_name(names: str, name: str, meaning: str) -> None:
    found = recognised(names.split())
    assert found is not None
    assert (found[0].name, told(found[1])) == (name, meaning)


@pytest.mark.parametrize(
    ("further", "choices"),
    [
        (["A", "B", "C", "D"], ["A", "B", "C", "D"]),
        (["option_b", "option_a"], ["option_a", "option_b"]),
        (["Option A", "Option B", "option_id"], ["Option A", "Option B"]),
        (["opa", "opb", "opc", "opd"], ["opa", "opb", "opc", "opd"]),
        (["choice1", "choice2", "choice3"], ["choice1", "choice2", "choice3"]),
        (["ending0", "ending1"], ["ending0", "ending1"]),
        (["A", "B", "options"], "options"),
        (["A", "C"], []),
        (["B", "C"], []),
        (["0", "1"], []),
        (["op1", "op2"], []),
        (["optionA", "option_B"], []),
    ],
)
def test_columns_of_one_choice_each_are_recognised_by_what_they_have_in_common(
    further: list[str], choices: str | list[str]
) -> None:
    found = recognised(["question", "answer", *further])
    assert found is not None
    assert found[1].columns.choices == choices


def test_choices_of_pmc_vqa_and_beside_a_problem() -> None:
    names = ["Figure_path", "Question", "Answer", *(f"Choice {letter}" for letter in "ABCD")]
    found = recognised(names)
    assert found is not None
    assert found[1].columns.choices == names[3:]
    for answer in ("answer", "solution"):
        problem = recognised(["problem", answer, "A", "B"])
        assert problem is not None
        assert problem[1].columns.choices == ["A", "B"]
    assert recognised(["text", "label"]) is None


def test_images_may_stand_in_numbered_columns() -> None:
    """MMMU has image_1 to image_7; counted as numbers, so that image_10 follows image_9."""
    numbered = [f"image_{number}" for number in range(1, 12)]
    assert image_columns(["question", *sorted(numbered)]) == numbered
    assert image_columns([*numbered, "image"]) == ["image"]
    assert image_columns(["image_2", "image_3"]) == []


def test_of_one_question_all_other_columns_are_recognised_but_those_of_another_question() -> None:
    names = ["id", "case", "img", "source", "modality", "question", "answer", "aliases", "choices", "A", "B", "finding"]
    meaning = "answer: finding, id: id, images: img, case: case, modality: modality, source: source"
    assert told(asked_of_all("finding", names)) == meaning
    assert told(asked_of_all("source", names)) == meaning.replace("finding", "source").removesuffix(", source: source")


@pytest.mark.parametrize("file", ["metadata.csv", "Metadata.JSONL", "metadata.json", "metadata.parquet"])
def test_images_beside_a_table_called_metadata_are_named_by_file_name(file: str) -> None:
    names, files = ["file_name", "question", "answer"], [file, "metadata.csv"]
    found = recognised(names, files)
    assert found is not None
    assert found[1].columns.images == asked_of_all("answer", names, files).columns.images == ["file_name"]
    assert image_columns(["file_names", "question"], files) == ["file_names"]
    assert image_columns([*names, "image"], files) == ["image"]
    assert image_columns(names, [file, "rows.csv"]) == image_columns(names) == []
