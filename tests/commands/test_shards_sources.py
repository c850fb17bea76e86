from pathlib import Path

import pytest

from medix.commands.shards_sources import default_name
from tests.commands.conftest import SAID, shards


def test_names_of_files_come_from_the_input(tmp_path: Path) -> None:
    (tmp_path / "my rows.v2.jsonl").touch()
    assert default_name("jsonl", str(tmp_path / "my rows.v2.jsonl")) == "my_rows_v2"
    assert default_name("parquet", str(tmp_path)) == tmp_path.name.replace(".", "_")
    assert default_name("hub", "flaviagiammarino/vqa-rad") == "flaviagiammarino_vqa-rad"
    (tmp_path / "my set").mkdir()
    assert default_name("hub", str(tmp_path / "my set")) == "my_set"
    assert default_name("webdataset", "x/shard-{000..009}.tar") == "shard-_000_009_tar"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--from", "excel", "x"], "--from excel: there is no such kind; kinds: hub, parquet, csv, jsonl, llava"),
        (["--from", "csv", "x", "--question", "q"], "--question and --answer-from belong together"),
        (
            ["--from", "csv", "x", "--answer-from", "a", "--columns", "y"],
            "--question and --answer-from belong together",
        ),
        (["--from", "csv", "x", "--columns", "none.yaml", "--question", "q"], "--columns none.yaml: cannot be opened"),
        (["--from", "csv", "x", "--aliases", "none.yaml"], "--aliases none.yaml: cannot be opened"),
        (["--from", "csv", "x", "--partition", "a=2"], "--partition a=2: give two or more parts"),
        (
            ["--from", "csv", "x", "--split", "test"],
            "--split is for hub, phantoms, and csv does not read it; leave it out",
        ),
        (["--phantoms", "9", "--salt", "x"], "--salt is for dicom, and phantoms does not read it"),
        (["--from", "jsonl", "x", "--rewrite"], "--rewrite is for webdataset, and jsonl does not read it"),
        (["--from", "csv", "x.csv"], "--from csv x.csv: there is no such file"),
        (
            ["--from", "csv", "x", "--pixels-clean", "me"],
            "--pixels-clean is for dicom, and csv does not read it",
        ),
        (["--from", "llava", "x", "--columns", "y"], "--columns is for hub, parquet, csv, jsonl, webdataset, dicom,"),
        (["--phantoms", "9", "--root", "y"], "and phantoms does not read it"),
        (["--from", "hub", __file__], "is a file; name its kind"),
        (
            ["--from", "webdataset", "https://x.test/a.tar"],
            "https://x.test/a.tar: is an address, of which a build reads",
        ),
        (["--from", "csv", "x", "--modality", "CAT"], "modality 'CAT' is not in the modality set"),
    ],
)
def test_mistakes_are_one_error_before_anything_is_read(
    words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shards(["build", *words, "--output", str(tmp_path / "out"), *SAID]) == 2
    said = capsys.readouterr().err
    assert said.startswith("medix shards build: ")
    assert told in said
    assert not (tmp_path / "out").exists()


def test_the_schema_of_a_task_says_what_columns_mean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.csv").write_text("frage,antwort,sprache\nq,ja,de\nr,nein,de\ns,yes,en\n")
    schema = "about: x\ndata:\n  columns: {question: frage, answer: antwort}\n  filter: {sprache: de}\n"
    (tmp_path / "task.yaml").write_text(schema)
    build = ["build", "--from", "csv", str(tmp_path / "rows.csv"), "--output", str(tmp_path / "out"), *SAID]
    assert shards([*build, "--columns", str(tmp_path / "task.yaml")]) == 0
    shown = capsys.readouterr().out
    assert "columns (--columns): question: frage, answer: antwort" in shown
    assert "│ rows-text_only.yaml │ TEXT_ONLY │      1 │       2 │" in shown
    (tmp_path / "task.yaml").write_text(schema.replace("frage", "[frage]"))
    assert shards([*build, "--columns", str(tmp_path / "task.yaml"), "--name", "other"]) == 2
    assert "task.yaml, line 3: " in capsys.readouterr().err
