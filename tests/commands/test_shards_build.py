import re
from pathlib import Path

import pytest
from PIL import Image

from medix.data.manifest import Manifest, read_manifests
from medix.data.shards import Shard
from medix.data.sources.phantoms import PhantomSource
from medix.types import Sample
from tests.commands.conftest import SAID, shards


def test_faulty_rows_are_listed_and_nothing_is_written(
    jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(jsonl_rows, "a") as stream:
        stream.write('\n{"id": "x", "image": ["gone.png"], "problem": "q", "solution": "<CT_SCAN>\\nr"}')
    build = ["build", "--jsonl", str(jsonl_rows), "--output", str(tmp_path / "out"), *SAID]
    assert shards(build) == 2
    assert "line 5: image: 'gone.png'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert shards([*build, "--skip-bad"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "1 faulty row" in shown
    assert shown.count("rows of the input left out: 1") == 1  # of the input, not of each of its manifests
    assert {manifest.skipped_rows for manifest in read_manifests([tmp_path / "out"])} == {1}


@pytest.mark.parametrize("missing", ["--licence", "--deidentification"])
def test_data_without_its_statements_is_not_built(
    jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    said = [word for pair in zip(SAID[::2], SAID[1::2], strict=True) if pair[0] != missing for word in pair]
    assert shards(["build", "--jsonl", str(jsonl_rows), "--output", str(tmp_path / "out"), *said]) == 2
    assert f"{missing} is missing" in capsys.readouterr().err


def test_phantoms_are_built_and_labelled(tmp_path: Path) -> None:
    build = ["build", "--phantoms", "40", "--output", str(tmp_path), "--name", "p", "--split", "val"]
    assert shards([*build, "--samples-per-shard", "5"]) == 0
    manifests = read_manifests([tmp_path])
    assert [manifest.samples for manifest in manifests] == [8] * 5
    assert all("generated" in manifest.deidentification for manifest in manifests)
    assert all(len(manifest.shards) == 2 for manifest in manifests)
    sample = Shard(manifests[0], manifests[0].shards[0])[0]
    assert sample.metadata["phantom"] == "true"


def test_building_twice_gives_the_same_digest(tmp_path: Path) -> None:
    for name in ("a", "b"):
        shards(["build", "--phantoms", "10", "--output", str(tmp_path / name), "--name", "p"])
    first, second = (Manifest.read(tmp_path / name / "p-x_ray.yaml") for name in ("a", "b"))
    assert first.digest == second.digest


def test_the_data_set_is_named_for_all_splits_and_the_licence_in_either_spelling(
    jsonl_rows: Path, tmp_path: Path
) -> None:
    words = ["--license", "CC0-1.0", *SAID[2:]]
    for name in ("train", "val"):
        build = ["build", "--jsonl", str(jsonl_rows), "--output", str(tmp_path / name), "--name", name]
        assert shards([*build, "--dataset", "mine", *words]) == 0
    found = [manifest for name in ("train", "val") for manifest in read_manifests([tmp_path / name])]
    assert {(manifest.name, manifest.dataset, manifest.licence) for manifest in found} == {
        ("train", "mine", "CC0-1.0"), ("val", "mine", "CC0-1.0"),
    }  # fmt: skip
    assert shards(["build", "--jsonl", str(jsonl_rows), "--output", str(tmp_path / "x"), "--name", "alone", *SAID]) == 0
    assert {manifest.dataset for manifest in read_manifests([tmp_path / "x"])} == {"alone"}


def test_the_help_states_how_deep_pictures_are_shown_and_where_images_stand(capsys: pytest.CaptureFixture[str]) -> None:
    assert shards(["build", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "<image 2>, … in a question say where its images stand" in shown
    assert "shown from their lowest to their highest value, without single pixels far outside" in shown


def test_converted_pictures_are_counted(jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("F", (4, 4)).save(tmp_path / "f.tif")
    Image.new("RGB", (4, 4)).save(tmp_path / "g.webp")
    with open(jsonl_rows, "a") as stream:
        stream.write('\n{"id": "x", "image": ["f.tif", "g.webp"], "problem": "q", "solution": "<CT_SCAN>\\nr"}')
    assert shards(["build", "--jsonl", str(jsonl_rows), "--output", str(tmp_path / "out"), *SAID]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "2 images were stored as PNG, upright; 1 of them in eight bits" in shown


def test_parts_synonyms_and_what_is_left_out_are_told(
    jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "aliases.yaml").write_text("r0: [first]\n")
    with open(jsonl_rows, "a") as stream:
        stream.write('\n{"id": "x", "image": ["../a.png"], "problem": "q", "solution": "<CT_SCAN>\\nr"}')
    build = ["build", "--from", "jsonl", str(jsonl_rows), "--output", str(tmp_path / "out"), "--skip-bad", *SAID]
    words = ["--aliases", str(tmp_path / "aliases.yaml"), "--partition", "train=0.6,val=0.4", "--seed", "6"]
    assert shards([*build, *words, "--workers", "1"]) == 0
    shown = capsys.readouterr().out
    assert "1 of 1 references with synonyms occur in the data" in shown
    assert "│ outside │ faulty  │    1 │" in shown
    assert f"rows that are left out, and why: {tmp_path / 'out' / 'rows.refused.jsonl'}" in shown
    assert max(map(len, shown.splitlines()[-12:])) <= 80
    manifests = [manifest for part in ("train", "val") for manifest in read_manifests([tmp_path / "out" / part])]
    assert sum(manifest.samples for manifest in manifests) == 4
    assert {manifest.dataset for manifest in manifests} == {"rows"}


def test_a_part_without_a_sample_is_a_finding(
    jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build = ["build", "--from", "jsonl", str(jsonl_rows), "--output", str(tmp_path / "out"), *SAID]
    assert shards([*build, "--partition", "train=0.999999,val=0.000001"]) == 1
    assert "part val has no sample and no manifest; give it a larger share" in capsys.readouterr().err
    assert read_manifests([tmp_path / "out" / "train"])


def test_a_build_that_is_stopped_says_how_it_continues(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = PhantomSource.__getitem__

    def stopped(source: PhantomSource, number: int) -> Sample:
        if number == 25:
            raise KeyboardInterrupt
        return made(source, number)

    build = ["build", "--phantoms", "40", "--output", str(tmp_path), "--name", "p", "--samples-per-shard", "2"]
    with monkeypatch.context() as patched:
        patched.setattr(PhantomSource, "__getitem__", stopped)
        assert shards(build) == 130
    told = capsys.readouterr().err
    match = re.match(r"(\d+) samples are in finished shards; the same command continues after them\n", told)
    assert match is not None
    assert shards(build) == 0
    assert f"continued an interrupted build after {match[1]} samples" in capsys.readouterr().out
