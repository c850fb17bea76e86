"""Samples that every model has answered."""

from pathlib import Path
from typing import Any

import pytest

from medix.studies.preference.model_answers import ModelAnswers
from medix.studies.preference.samples import StudySamples
from tests.support.studies import line, write_lines


def named(name: str, *images: str) -> dict[str, Any]:
    """A line that has names of images and no hashes, as those of other programs."""
    return line(name, images=list(images), image_ids=[])


def paired(folder: Path, *files: list[dict[str, Any]], with_reasoning: bool = True) -> StudySamples:
    models = [ModelAnswers.read(write_lines(folder / f"{number}.jsonl", rows)) for number, rows in enumerate(files)]
    return StudySamples.of(models, with_reasoning=with_reasoning)


def test_samples_are_paired_by_data_set_and_id(tmp_path: Path) -> None:
    other = line("1", "right", dataset="e")
    found = paired(tmp_path, [line("1"), line("2"), other], [other, line("2", "right"), line("3")])
    assert [(one.dataset, one.id) for one in found.samples] == [("d", "2"), ("e", "1")]
    assert [shown.answer for shown in found.samples[0].shown] == ["left", "right"]
    assert found.left_out == {"samples that not every model has answered": 2}


def test_pairs_that_look_alike_are_not_among_those_to_compare(tmp_path: Path) -> None:
    why = line("1", completion="<X_RAY><think>another reason</think><answer>left</answer>")
    files = [line("1")], [why], [line("1")]
    assert paired(tmp_path, *files).samples[0].differing == [(0, 1), (1, 2)]
    assert paired(tmp_path, *files, with_reasoning=False).samples[0].differing == []


def test_what_one_file_knows_holds_for_all(tmp_path: Path) -> None:
    bare = line("1", case="", modality=None, images=[], image_ids=line("1")["image_ids"])
    [sample] = paired(tmp_path, [bare], [line("1", case="p")]).samples
    assert (sample.cluster, sample.modality) == (("d", "case", "p"), "X_RAY")
    assert sample.images[0].name == "shards/x.tar/1.png"


def test_images_without_hashes_are_compared_by_the_names_of_their_files(tmp_path: Path) -> None:
    files = [named("1", "/data/a.png", "b.png")], [named("1", "C:\\pictures\\a.png", "elsewhere/b.png")]
    assert [image.name for image in paired(tmp_path, *files).samples[0].images] == ["/data/a.png", "b.png"]
    bare = line("1", images=[])  # hashes alone
    assert len(paired(tmp_path, [named("1", "any.png")], [bare]).samples) == 1


def test_markers_of_images_become_words(tmp_path: Path) -> None:
    row = line("1", question="<image 2> beside <image>?")
    assert paired(tmp_path, [row], [row]).samples[0].question == "(image 2) beside (image)?"


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([[line("1")]], "two or more models"),
        ([[line("1")], [line("2")]], r"no sample is in all of .*0.jsonl, .*1.jsonl"),
        ([[line("1")], [line("1", question="else?")]], r"1.jsonl: question of 1 samples differ .* 1; give"),
        ([[line("1")], [line("1", image_ids=["0" * 16])]], r"images of 1 samples differ"),
        ([[line("1")], [line("1", images=[], image_ids=[])]], r"images of 1 samples differ"),
        ([[named("1", "a.png")], [named("1", "b.png")]], r"1.jsonl: images of 1 samples differ"),
        ([[line("1")], [named("1", "else.png")]], r"1.jsonl: images of 1 samples differ"),
        ([[named("1", "a.png", "b.png")], [named("1", "b.png", "a.png")]], r"1.jsonl: images of 1 samples differ"),
        # the first agrees with both by its name, and these differ
        ([[named("1", "1.png")], [line("1")], [line("1", image_ids=["0" * 16])]], r"2.jsonl: images of 1 .*1.jsonl"),
    ],
)
def test_files_that_do_not_fit_each_other_are_told(
    tmp_path: Path, files: list[list[dict[str, Any]]], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        paired(tmp_path, *files)
