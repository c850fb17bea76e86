"""A study made from files."""

from dataclasses import replace
from pathlib import Path

import pytest

from medix.studies.preference.database import StudyDatabase
from medix.studies.preference.new_study import NewStudy
from tests.support.studies import line, new_study, write_lines


def test_it_is_made_with_its_facts_and_a_token_for_each_rater(tmp_path: Path) -> None:
    study = new_study(tmp_path, 6, raters=3)
    tokens = study.create(tmp_path / "deep" / "s.db")
    assert len(set(tokens)) == 3
    database = StudyDatabase(tmp_path / "deep" / "s.db")
    facts = database.facts
    assert (facts["samples"], facts["comparisons"], facts["raters"], facts["seed"]) == (6, 6, 3, 1)
    assert facts["cases"] == 6
    assert facts["models"] == [str(path) for path in study.files]
    assert facts["left_out"] == {}
    study.check(database)


def test_samples_that_models_answer_alike_are_counted(tmp_path: Path) -> None:
    study = new_study(tmp_path, 3)
    for path, letter in zip(study.files, "AB", strict=True):
        write_lines(path, [line("s0", "same"), line("s1", letter), line("s2", letter)])
    study.create(tmp_path / "s.db")
    facts = StudyDatabase(tmp_path / "s.db").facts
    assert (facts["samples"], facts["identical"], facts["comparisons"]) == (2, 1, 2)


@pytest.mark.parametrize("change", ["seed", "file", "reasoning"])
def test_another_study_in_the_same_file_is_refused(tmp_path: Path, change: str) -> None:
    study = new_study(tmp_path)
    study.create(tmp_path / "s.db")
    told = {"seed": "seed 1, now 2", "file": "sha256", "reasoning": "with_reasoning True, now False"}[change]
    if change == "file":
        write_lines(study.files[0], [line("s0", "else")])
    other = {
        "seed": replace(study, design=replace(study.design, seed=2)),
        "file": study,
        "reasoning": replace(study, with_reasoning=False),
    }[change]
    with pytest.raises(ValueError, match=f"holds another study: {told}"):
        other.check(StudyDatabase(tmp_path / "s.db"))


def test_missing_images_are_told_or_left_out(tmp_path: Path) -> None:
    study = new_study(tmp_path, 3)
    (tmp_path / "images" / "1.png").unlink()
    with pytest.raises(ValueError, match=r"1 images of 1 samples: shards/x.tar/s1.png is not there; give the folder"):
        study.create(tmp_path / "s.db")
    assert not (tmp_path / "s.db").exists()
    replace(study, skip_missing=True).create(tmp_path / "s.db")
    facts = StudyDatabase(tmp_path / "s.db").facts
    assert (facts["samples"], facts["left_out"]) == (2, {"samples without their images": 1})
    with pytest.raises(ValueError, match="--images is not given: 3 images of 3 samples"):
        replace(study, images=None).create(tmp_path / "t.db")
    with pytest.raises(ValueError, match="no sample is left"):
        replace(study, images=None, skip_missing=True).create(tmp_path / "t.db")


def test_a_limit_needs_the_images_of_what_is_compared_alone(tmp_path: Path) -> None:
    study = new_study(tmp_path, 12, limit=3, overlap=3)
    study.create(tmp_path / "s.db")
    database = StudyDatabase(tmp_path / "s.db")
    asked = {database.item(0, place)["question"] for place in range(3)}
    assert len(asked) == database.facts["samples"] == 3
    for number in range(12):
        if f"Which side, s{number}?" not in asked:
            (tmp_path / "images" / f"{number}.png").unlink()
    study.create(tmp_path / "t.db")
    other = StudyDatabase(tmp_path / "t.db")
    assert [other.item(0, place) for place in range(3)] == [database.item(0, place) for place in range(3)]
    assert [other.image(0, place, 0) for place in range(3)] == [database.image(0, place, 0) for place in range(3)]


def test_samples_without_images_need_no_folder(tmp_path: Path) -> None:
    study = new_study(tmp_path, 2)
    for path, letter in zip(study.files, "AB", strict=True):
        write_lines(path, [line(f"s{n}", letter, images=[], image_ids=[], modality=None) for n in range(2)])
    replace(study, images=None).create(tmp_path / "s.db")
    assert StudyDatabase(tmp_path / "s.db").item(0, 0)["images"] == 0


def test_names_and_files_are_different_ones(tmp_path: Path) -> None:
    study = new_study(tmp_path)
    for names in (["a"], ["a", "a"]):
        with pytest.raises(ValueError, match="give each of the 2 files its own name"):
            replace(study, names=names)
    with pytest.raises(ValueError, match="a file is given twice"):
        NewStudy([study.files[0]] * 2, ["a", "b"], None, study.design)
