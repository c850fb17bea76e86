import json
from pathlib import Path

import pytest
from PIL import Image

from medix.__main__ import main as medix
from medix.data.manifest import Manifest, read_manifests
from medix.data.shards import Shard
from tests.data.conftest import picture

SAID = ["--licence", "CC0-1.0", "--deidentification", "nobody is shown"]


def main(words: list[str]) -> int:
    return medix(["shards", *words])


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(picture(4))
    lines = [
        {"id": f"{i}", "image": ["a.png"], "source": "s", "problem": f"q{i}", "solution": f"<{tag}>\nr{i}", "case": "c"}
        for i, tag in enumerate(["CT_SCAN", "MRI_SCAN", "CT_SCAN"])
    ]
    lines.append({"id": "t", "image": [], "source": "s", "problem": "q", "solution": "r"})
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    return tmp_path / "rows.jsonl"


def test_build_verify_and_show_a_data_set(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["build", "--jsonl", str(rows), "--output", str(out), "--name", "mine", *SAID]) == 0
    manifests = read_manifests([out])
    assert [(m.name, m.modality, m.samples) for m in manifests] == [
        ("mine", "CT_SCAN", 2), ("mine", "MRI_SCAN", 1), ("mine", "TEXT_ONLY", 1),
    ]  # fmt: skip
    assert main(["verify", str(out)]) == 0
    assert "3 of 3 shards are good, 4 samples listed" in capsys.readouterr().out
    assert main(["show", str(out), "--samples", "1", "--images", str(tmp_path / "sheets")]) == 0
    printed = capsys.readouterr().out
    assert "question:  q0" in printed
    assert "text only, 0 images" in printed
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == ["ct_scan.png", "mri_scan.png"]


def test_verify_names_a_damaged_shard_and_fails(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    main(["build", "--jsonl", str(rows), "--output", str(out), "--name", "mine", *SAID])
    shard = out / "mine-mri_scan-000000.tar"
    shard.write_bytes(shard.read_bytes()[:-512])
    assert main(["verify", str(out)]) == 1
    captured = capsys.readouterr()
    assert "mine-mri_scan-000000.tar does not match manifest" in captured.err
    assert "2 of 3 shards are good" in captured.out
    assert "Traceback" not in captured.err


def test_verify_reports_an_id_used_twice(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id is used twice only within one data set: ``three`` is another."""
    for name, dataset in (("one", "mine"), ("two", "mine"), ("three", "other")):
        build = ["build", "--jsonl", str(rows), "--output", str(tmp_path / name), "--name", name]
        main([*build, "--dataset", dataset, *SAID])
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["verify", str(tmp_path / "one"), str(tmp_path / "two")]) == 0
    shown = capsys.readouterr().out
    one, two = tmp_path / "one" / "one-text_only.yaml", tmp_path / "two" / "two-text_only.yaml"
    assert f"1 ids of data set 'mine' are both in {one} and in {two}: t" in shown
    one, two = tmp_path / "one" / "one-ct_scan.yaml", tmp_path / "two" / "two-ct_scan.yaml"
    assert f"2 ids of data set 'mine' are both in {one} and in {two}: 0, 2" in shown
    assert main(["verify", str(tmp_path / "one"), str(tmp_path / "three")]) == 0
    assert "are both in" not in capsys.readouterr().out


def test_faulty_rows_are_listed_and_nothing_is_written(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(rows, "a") as stream:
        stream.write('\n{"id": "x", "image": ["gone.png"], "problem": "q", "solution": "<CT_SCAN>\\nr"}')
    build = ["build", "--jsonl", str(rows), "--output", str(tmp_path / "out"), *SAID]
    assert main(build) == 2
    assert "line 5: image: 'gone.png'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*build, "--skip-bad"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "1 faulty rows" in shown
    assert shown.count("rows of the input left out: 1") == 1  # of the input, not of each of its manifests
    assert {manifest.skipped_rows for manifest in read_manifests([tmp_path / "out"])} == {1}


@pytest.mark.parametrize("missing", ["--licence", "--deidentification"])
def test_data_without_its_statements_is_not_built(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str
) -> None:
    said = [word for pair in zip(SAID[::2], SAID[1::2], strict=True) if pair[0] != missing for word in pair]
    assert main(["build", "--jsonl", str(rows), "--output", str(tmp_path / "out"), *said]) == 2
    assert f"{missing} is missing" in capsys.readouterr().err


def test_phantoms_are_built_and_labelled(tmp_path: Path) -> None:
    build = ["build", "--phantoms", "40", "--output", str(tmp_path), "--name", "p", "--split", "val"]
    assert main([*build, "--samples-per-shard", "5"]) == 0
    manifests = read_manifests([tmp_path])
    assert [manifest.samples for manifest in manifests] == [8] * 5
    assert all("generated" in manifest.deidentification for manifest in manifests)
    assert all(len(manifest.shards) == 2 for manifest in manifests)
    sample = Shard(manifests[0], manifests[0].shards[0])[0]
    assert sample.metadata["phantom"] == "true"


def test_building_twice_gives_the_same_digest(tmp_path: Path) -> None:
    for name in ("a", "b"):
        main(["build", "--phantoms", "10", "--output", str(tmp_path / name), "--name", "p"])
    first, second = (Manifest.read(tmp_path / name / "p-x_ray.yaml") for name in ("a", "b"))
    assert first.digest == second.digest


def test_a_mistake_is_one_line_without_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("medix shards verify: ")
    assert main(["build", "--output", str(tmp_path)]) == 2


def test_the_data_set_is_named_for_all_splits_and_the_licence_in_either_spelling(rows: Path, tmp_path: Path) -> None:
    words = ["--license", "CC0-1.0", *SAID[2:]]
    for name in ("train", "val"):
        build = ["build", "--jsonl", str(rows), "--output", str(tmp_path / name), "--name", name]
        assert main([*build, "--dataset", "mine", *words]) == 0
    found = [manifest for name in ("train", "val") for manifest in read_manifests([tmp_path / name])]
    assert {(manifest.name, manifest.dataset, manifest.licence) for manifest in found} == {
        ("train", "mine", "CC0-1.0"), ("val", "mine", "CC0-1.0"),
    }  # fmt: skip
    assert main(["build", "--jsonl", str(rows), "--output", str(tmp_path / "x"), "--name", "alone", *SAID]) == 0
    assert {manifest.dataset for manifest in read_manifests([tmp_path / "x"])} == {"alone"}


def test_an_index_is_written_anew_with_the_same_bytes(rows: Path, tmp_path: Path) -> None:
    main(["build", "--jsonl", str(rows), "--output", str(tmp_path / "out"), *SAID])
    indexes = {path: path.read_bytes() for path in (tmp_path / "out").glob("*.index.jsonl")}
    assert len(indexes) == 3
    for path in indexes:
        path.unlink()
    assert main(["index", str(tmp_path / "out")]) == 0
    assert {path: path.read_bytes() for path in (tmp_path / "out").glob("*.index.jsonl")} == indexes


def test_a_damaged_shard_has_no_index_and_the_others_have_theirs(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["build", "--jsonl", str(rows), "--output", str(tmp_path / "out"), *SAID])
    for path in (tmp_path / "out").glob("*.index.jsonl"):
        path.unlink()
    shard = next((tmp_path / "out").glob("*ct_scan*.tar"))
    shard.write_bytes(shard.read_bytes()[:2000])
    assert main(["index", str(tmp_path / "out")]) == 1
    assert "is not written" in capsys.readouterr().err
    assert len(list((tmp_path / "out").glob("*.index.jsonl"))) == 2


def test_names_that_look_like_markup_are_shown_as_they_are(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    content = rows.read_text().replace('"source": "s"', '"source": "[/b]"')
    rows.write_text(content)
    out = tmp_path / "[i]" / "out"
    assert main(["build", "--jsonl", str(rows), "--output", str(out), "--dataset", "[/x][bold]y", *SAID]) == 0
    for words in (["show"], ["verify"], ["index"]):
        assert main([*words, str(out / "*.yaml").replace("[i]", "[[]i]")]) == 0
    shown = capsys.readouterr().out
    assert "[/x][bold]y" in shown
    assert "[/b]" in shown


def test_verify_reports_an_id_used_twice_in_one_manifest(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``shards build`` refuses such rows; shards of another program may hold them."""
    main(["build", "--jsonl", str(rows), "--output", str(tmp_path / "out"), *SAID])
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(Shard, "__iter__", lambda self: iter([self[0], self[0]]))
    assert main(["verify", str(tmp_path / "out")]) == 0
    assert "-text_only.yaml: t" in (shown := capsys.readouterr().out)
    assert "1 ids of data set" in shown
    assert "are twice in" in shown


def test_the_help_states_how_deep_pictures_are_shown_and_where_images_stand(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["build", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "<image 2>, … in a problem say where its images stand" in shown
    assert "from their lowest to their highest value, without single pixels far outside" in shown


def test_converted_pictures_are_counted(rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("F", (4, 4)).save(tmp_path / "f.tif")
    Image.new("RGB", (4, 4)).save(tmp_path / "g.webp")
    with open(rows, "a") as stream:
        stream.write('\n{"id": "x", "image": ["f.tif", "g.webp"], "problem": "q", "solution": "<CT_SCAN>\\nr"}')
    assert main(["build", "--jsonl", str(rows), "--output", str(tmp_path / "out"), *SAID]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "2 images were stored as PNG, upright; 1 of them in eight bits" in shown
