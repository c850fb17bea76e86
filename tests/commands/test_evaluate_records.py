"""``python -m medix eval`` from files to tables."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from medix.__main__ import main as medix
from medix.commands.evaluate_records import _names
from medix.judge.own_arguments import named
from medix.reporting.record import read_records, record_group, write_records
from tests.support.fake_training import MODALITIES, CountingJudge, FakeSuite, make_group, make_sample, write
from tests.support.recorded import two_sets


def main(words: list[str]) -> int:
    return medix(["eval", *words])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    suite = FakeSuite(CountingJudge())
    paths = (tmp_path / "before.jsonl", tmp_path / "after.jsonl")
    for path, limit in zip(paths, (2, 8), strict=True):
        groups = [
            make_group(make_sample(i, "X_RAY", case=f"p{i}"), [write("X_RAY", "lung" if i < limit else "heart")])
            for i in range(10)
        ]
        records = [r for g in suite.score_groups(groups) for r in record_group(g, MODALITIES, step=1, split="val")]
        write_records(path, records)
    return paths


def test_compare_prints_and_writes_both_formats(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", *map(str, files), "--min-images", "1"]
    assert main([*words, "--json", str(tmp_path / "c.json"), "--markdown", str(tmp_path / "c.md")]) == 0
    assert "Accuracy" in capsys.readouterr().out
    data = json.loads((tmp_path / "c.json").read_text())
    assert data["slices"][0]["measures"]["accuracy"]["gain"]["estimate"] == pytest.approx(0.6)
    assert data["names"] == ["before", "after"]
    assert (tmp_path / "c.md").read_text().startswith("# after against before")


def test_show_prints_one_file(files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(files[1]), "--json", str(tmp_path / "s.json")]) == 0
    assert "X_RAY" in capsys.readouterr().out
    found = json.loads((tmp_path / "s.json").read_text())
    assert (found["accuracy"], found["judge"]) == (0.8, named(CountingJudge()))


def test_a_file_that_is_not_there_is_one_line_and_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(tmp_path / "absent.jsonl")]) == 2
    assert "absent.jsonl" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path), str(tmp_path / "gone")]) == 2
    assert f"{tmp_path / 'gone'}: is not there" in capsys.readouterr().err


def test_a_file_without_completions_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    assert main(["show", str(tmp_path / "empty.jsonl")]) == 2
    assert "holds no completion" in capsys.readouterr().err


def test_show_tells_samples_completions_and_cases_of_two_data_sets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two completions of each of 12 samples of 6 cases; both data sets call their source ``web``."""
    monkeypatch.setenv("COLUMNS", "200")
    records = two_sets({"a": 2, "b": 5})
    write_records(tmp_path / "v.jsonl", [replace(record, index=index) for record in records for index in (0, 1)])
    assert main(["show", str(tmp_path / "v.jsonl")]) == 0
    lines = {line.split("  ")[0].strip(): line for line in capsys.readouterr().out.splitlines()}
    assert "12 / 24 / 6" in lines["All"]
    assert "6 / 12 / 3" in lines["a/web"]
    assert "33.3 %" in lines["a/web"]
    assert "83.3 %" in lines["b/web"]
    write_records(tmp_path / "twice.jsonl", [*records, records[0]])
    assert main(["show", str(tmp_path / "twice.jsonl")]) == 2
    assert (
        "1 of 13 completions repeat the step, data set, id and index of another, of samples a: 1."
        in capsys.readouterr().err
    )


def test_show_reads_a_training_file_in_which_a_sample_was_drawn_twice(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At two steps, and twice within the second, from two positions."""
    drawn = next(read_records(files[0]))
    draws = [replace(drawn, split="train", step=step, position=at) for step, at in ((1, 0), (2, 9), (2, 12))]
    write_records(tmp_path / "train.jsonl", draws)
    assert main(["show", str(tmp_path / "train.jsonl"), "--json", str(tmp_path / "s.json")]) == 0
    shown, found = capsys.readouterr().out, json.loads((tmp_path / "s.json").read_text())
    assert (found["completions"], found["step"]) == (3, "1 to 2")
    assert "train, step 1 to 2, " in " ".join(shown.split())
    assert "different reward suites" not in shown
    for rewards, judges in (("ab", "cc"), ("aa", "cd")):
        kinds = ({"rewards": rewards[one.step - 1], "own_judges": judges[one.step - 1]} for one in draws)
        others = [replace(one, **kind) for one, kind in zip(draws, kinds, strict=True)]
        write_records(tmp_path / "other.jsonl", others)
        assert main(["show", str(tmp_path / "other.jsonl")]) == 0
        assert "totals of 2 different reward suites" in " ".join(capsys.readouterr().out.split())
    write_records(tmp_path / "train.jsonl", [*draws, draws[1]])
    assert main(["show", str(tmp_path / "train.jsonl")]) == 2
    assert "1 of 4 completions repeat the step" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["show", "--json"], ["compare", "--json"], ["compare", "--markdown"]])
def test_an_input_is_never_overwritten(
    words: list[str], files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = files[1].read_bytes()
    inputs = [str(files[1])] if words[0] == "show" else [str(file) for file in files]
    assert main([words[0], *inputs, words[1], str(files[1])]) == 2
    assert f"{words[1]} {files[1]}: is the input" in capsys.readouterr().err
    assert files[1].read_bytes() == before


def test_records_from_before_data_sets_are_of_the_same_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six samples at two steps; the first step was recorded without data sets."""
    monkeypatch.setenv("COLUMNS", "200")
    records = two_sets({"a": 2})
    assert len({record.sample_key for record in records}) == 6
    old = [replace(record, dataset="", step=record.step - 1) for record in records]
    write_records(tmp_path / "v.jsonl", [*old, *records])
    assert main(["show", str(tmp_path / "v.jsonl")]) == 0
    lines = {line.split("  ")[0].strip(): line for line in capsys.readouterr().out.splitlines()}
    assert "6 / 12 / 3" in lines["All"]


@pytest.mark.parametrize("change", [{"id": 5}, {"dataset": None}, {"step": "1"}, None])
def test_a_line_of_other_types_is_named_with_file_and_line(
    files: tuple[Path, Path], change: dict[str, object] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *rest = files[0].read_text().splitlines()
    bad = "[" * 200_000 if change is None else json.dumps(json.loads(first) | change)
    files[0].write_text("\n".join([bad, *rest]) + "\n")
    assert main(["show", str(files[0])]) == 2
    key = "not a completion record" if change is None else f"{next(iter(change))}: "
    assert f"{files[0]}, line 1: {key}" in capsys.readouterr().err


def test_files_that_nobody_judged_are_refused_by_name(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unjudged = tmp_path / "predictions.jsonl"
    write_records(
        unjudged, [replace(record, verdict=None, total=None, components={}) for record in read_records(files[1])]
    )
    for words in (["compare", str(files[0]), str(unjudged)], ["show", str(unjudged)]):
        assert main(words) == 2
        said = capsys.readouterr()
        assert "predictions.jsonl: nobody judged these completions" in said.err
        assert "Accuracy" not in said.out


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        ("runs/a/completions/test-1.jsonl", "runs/b/completions/test-1.jsonl", ("a", "b")),
        ("a/x.jsonl", "b/y.jsonl", ("x", "y")),
        ("r/a/x.jsonl", "r/b/c/x.jsonl", ("a", "b/c")),
        ("x.jsonl", "b/x.jsonl", ("x", "b/x")),
        ("x.jsonl", "x.jsonl", ("x (first)", "x (second)")),
    ],
)
def test_names_are_told_apart_as_briefly_as_possible(first: str, second: str, names: tuple[str, str]) -> None:
    assert _names(Path(first), Path(second)) == names


def test_the_end_of_a_folders_name_is_no_suffix(tmp_path: Path) -> None:
    folders = [tmp_path / "qwen2.5", tmp_path / "qwen2.7"]
    for folder in folders:
        folder.mkdir()
    assert _names(*folders) == ("qwen2.5", "qwen2.7")


def test_own_and_exchanged_images_in_one_file_are_no_result(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    records = list(read_records(files[0]))
    write_records(files[0], [replace(records[0], exchanged=True), *records[1:]])
    assert main(["show", str(files[0])]) == 2
    assert "some completions have their own images" in capsys.readouterr().err
