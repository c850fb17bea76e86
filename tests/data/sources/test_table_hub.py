"""Reading a hub, for which a folder laid out like one stands in."""

import bz2
import gzip
import os
import re
import subprocess
import sys
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import datasets
import pytest

from medix.data.sources.table_file import TableError, TableFile
from medix.data.sources.table_hub import HubTable
from tests.support.tables import image, parquet


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets, "disable_progress_bars", lambda: None)
    folder = tmp_path / "hub"
    rows = [{"answer": 1, "found": [1, 0], "image": {"bytes": image(), "path": "a.png"}}]
    labels, pictures = datasets.ClassLabel(names=["no", "yes"]), datasets.Image()
    path = folder / "data" / "test-00000-of-00001.parquet"
    parquet(path, rows, answer=labels, found=datasets.List(labels), image=pictures)
    return folder


def test_labels_have_names_and_images_stay_encoded(hub: Path) -> None:
    ((where, number, row),) = HubTable(str(hub), "", "test")
    assert (where, number) == (f"{hub} (test)", 1)
    assert (int(row["answer"]), row["answer"].name) == (1, "yes")
    assert [one.name for one in row["found"]] == ["yes", "no"]
    assert row["image"]["bytes"] == image()
    (some,) = HubTable(str(hub), "", "test").some(["answer", "found.x", "absent"])
    assert (list(some), some["answer"].name) == (["answer", "found"], "yes")


def test_a_split_that_is_not_there_says_how_else_to_get_it(hub: Path) -> None:
    """The network and a key are no remedy for a folder."""
    with pytest.raises(
        TableError, match=r"the folder cannot be read as a data set .*validation.*or give --data"
    ) as caught:
        list(HubTable(str(hub), "", "validation"))
    assert not re.search("network|HF_TOKEN|the hub", str(caught.value))


def test_the_key_of_the_environment_is_not_shown(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("401 for token hf_secret123")

    monkeypatch.setenv("HF_TOKEN", "hf_secret123")
    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(TableError, match=r"401 for token \[key\]") as caught:
        list(HubTable("some/where", ["a", "b"], "test"))
    assert "hf_secret123" not in str(caught.value)


def test_a_file_of_the_data_set_is_found_beside_its_tables_or_named(hub: Path) -> None:
    with zipfile.ZipFile(hub / "imgs.zip", "w") as archive:
        archive.writestr("a", "b")
    assert HubTable(str(hub), "", "test").file("imgs.zip") == hub / "imgs.zip"
    with pytest.raises(TableError, match="cannot be read from the hub"):
        HubTable("some/where", "", "test").file("none.zip")


_CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: test\n    path: data/test-*\n---\n"
_READ = """
import sys
from medix.data.sources.table_hub import HubTable
table = HubTable(sys.argv[1], "", "test")
print(*(row["answer"] for _, _, row in table), len(table))
print(table.fingerprint)
"""


def _read_afresh(folder: Path, cache: Path) -> list[str]:
    """Answers and fingerprint, as another process reads them that shares the cache of ``datasets``."""
    environment = os.environ | {"HF_DATASETS_CACHE": str(cache), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(folder)], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_folders_of_one_name_and_replaced_files_are_told_apart(tmp_path: Path) -> None:
    """``datasets`` tells them apart by their cards, which are the same."""
    folders = [tmp_path / name / "set" for name in ("a", "b")]
    for folder in folders:
        parquet(folder / "data" / "test-0.parquet", [{"answer": folder.parent.name}])
        (folder / "README.md").write_text(_CARD)
    found = [_read_afresh(folder, tmp_path / "cache") for folder in (*folders, folders[0])]
    assert [answers for answers, _ in found] == ["a 1", "b 1", "a 1"]
    assert found[0] == found[2]
    parquet(folders[0] / "data" / "test-0.parquet", [{"answer": "c"}])
    found.append(_read_afresh(folders[0], tmp_path / "cache"))
    assert found[3][0] == "c 1"
    assert len({prints for _, prints in found}) == 3


def test_a_saved_data_set_is_read_as_its_split(hub: Path, tmp_path: Path) -> None:
    rows = datasets.Dataset.from_dict({"answer": ["a", "b"], "n": [1, 2]})
    rows.save_to_disk(tmp_path / "saved")
    table = HubTable(str(tmp_path / "saved"), "", "train")
    assert [row["answer"] for _, _, row in table] == ["a", "b"]
    assert len(table) == 2
    before = table.fingerprint
    for config, split, told in (
        ("", "test", "saved: the saved data set has no split 'test'; its splits are train$"),
        ("some", "train", "saved: the saved data set has no configurations; leave 'some' out$"),
    ):
        with pytest.raises(TableError, match=told):
            len(HubTable(str(tmp_path / "saved"), config, split))
    datasets.Dataset.from_dict({"answer": ["c"]}, split="test").save_to_disk(tmp_path / "saved")
    table = HubTable(str(tmp_path / "saved"), "", "test")
    assert [row["answer"] for _, _, row in table] == ["c"]
    assert table.fingerprint != before


def test_saved_splits_are_read_by_their_names(hub: Path, tmp_path: Path) -> None:
    splits = {"fold0": ["a", "b"], "internal_test": ["c"], "external_test": ["d"]}
    saved = {name: datasets.Dataset.from_dict({"answer": answers}) for name, answers in splits.items()}
    datasets.DatasetDict(saved).save_to_disk(tmp_path / "saved")
    table = HubTable(str(tmp_path / "saved"), "", "external_test")
    assert [row["answer"] for _, _, row in table] == ["d"]
    before = table.fingerprint
    with pytest.raises(TableError, match="its splits are fold0, internal_test, external_test"):
        len(HubTable(str(tmp_path / "saved"), "", "test"))
    datasets.Dataset.from_dict({"answer": ["e"]}).save_to_disk(tmp_path / "saved" / "external_test")
    assert HubTable(str(tmp_path / "saved"), "", "external_test").fingerprint != before
    (tmp_path / "saved" / "dataset_dict.json").unlink()
    with pytest.raises(TableError, match=r"holds saved data sets; give one of them: .*external_test.*, .*fold0"):
        len(HubTable(str(tmp_path / "saved"), "", "train"))


@pytest.mark.parametrize("name", ["state.json", "dataset_info.json", "data-00000-of-00001.arrow"])
def test_a_saved_data_set_that_is_damaged_is_not_advised_to_be_parquet(hub: Path, tmp_path: Path, name: str) -> None:
    for place in ("one", "several/train"):
        saved = tmp_path / place.partition("/")[0]
        rows = datasets.Dataset.from_dict({"answer": ["a"]})
        (rows if place == "one" else datasets.DatasetDict(train=rows)).save_to_disk(saved)
        (tmp_path / place / name).write_text("{")
        with pytest.raises(TableError, match=f"{saved}: the saved data set cannot be read .*save it again by save_to_"):
            len(HubTable(str(saved), "", "train", otherwise="give --from parquet FOLDER"))


def test_a_folder_whose_name_is_a_pattern_is_to_be_renamed(hub: Path) -> None:
    folder = hub.rename(hub.with_name("hub[1]"))
    with pytest.raises(TableError, match=r"datasets reads \[ as patterns of names; rename the folder"):
        len(HubTable(str(folder), "", "test"))


def _refusal(folder: Path) -> str:
    with pytest.raises(TableError) as caught:
        len(HubTable(str(folder), "", "test"))
    return str(caught.value)


@pytest.mark.parametrize("name", ["test.csv", "data/test-0.tsv", "test.csv.gz", "test/metadata.csv"])
def test_csv_is_left_to_the_source_that_reads_it_as_text(tmp_path: Path, hub: Path, name: str) -> None:
    """``datasets`` takes the zeros of 007 away, and makes nothing of the choice None."""
    path = tmp_path / "set" / name
    path.parent.mkdir(parents=True)
    text = "file_name\tid\na.png\t007\n" if name.endswith("tsv") else "file_name,id\na.png,007\n"
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    if "metadata" in name:
        (path.parent / "a.png").write_bytes(image())
    remedy = f"give --from csv {path}, or save it as Parquet"
    if name.endswith("gz"):  # which that source does not read
        remedy = "unpack it (gunzip), and give --from csv with the file that is in it"
    assert re.search(rf"holds CSV \({path.name}\), .*; {re.escape(remedy)}$", _refusal(tmp_path / "set"))


@pytest.mark.parametrize(
    "name", ["test.jsonl", "data/test-0.json", "test.jsonl.gz", "test.jsonl.bz2", "test/metadata.jsonl"]
)
def test_json_is_left_to_the_source_that_reads_it_as_it_is(tmp_path: Path, hub: Path, name: str) -> None:
    """``datasets`` makes times of texts, and of 007 in one file 7 where another one has numbers."""
    path = tmp_path / "set" / name
    path.parent.mkdir(parents=True)
    pack = {".gz": gzip.compress, ".bz2": bz2.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(b'{"file_name": "a.png", "id": "007"}\n'))
    if "metadata" in name:
        (path.parent / "a.png").write_bytes(image())
    remedy = f"give --from jsonl {path}, or save it as Parquet"
    if name.endswith("bz2"):
        remedy = "unpack it (bunzip2), and give --from jsonl with the file that is in it"
    assert re.search(rf"holds JSON \({path.name}\), .*; {re.escape(remedy)}$", _refusal(tmp_path / "set"))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "a.csv",
            "holds CSV (test.zip), in which datasets makes 007 to 7 and None to nothing; unpack it (unzip), and",
        ),
        ("a.jsonl", "holds JSON (test.zip), in which datasets makes times of texts"),
        ("metadata.csv", "test.zip has a table of its images in it; unpack it"),
        ("metadata.jsonl", "test.zip has a table of its images in it; unpack it"),
    ],
)
def test_an_archive_is_to_be_unpacked_where_texts_of_it_would_be_rewritten(
    tmp_path: Path, hub: Path, name: str, told: str
) -> None:
    (tmp_path / "set").mkdir()
    with zipfile.ZipFile(tmp_path / "set" / "test.zip", "w") as archive:
        rows = '{"file_name": "a.png", "id": "2024-05-01"}\n' if "json" in name else "file_name,id\na.png,007\n"
        archive.writestr(name, rows)
        if "metadata" in name:
            archive.writestr("a.png", image())
    assert told in _refusal(tmp_path / "set")


def test_an_archive_of_pictures_alone_is_read(tmp_path: Path, hub: Path) -> None:
    (tmp_path / "set").mkdir()
    with zipfile.ZipFile(tmp_path / "set" / "test.zip", "w") as archive:
        for name in ("a.png", "b.png"):
            archive.writestr(name, image())
    rows = [row for _, _, row in HubTable(str(tmp_path / "set"), "", "test")]
    assert [row["image"]["path"].partition("::")[0] for row in rows] == ["zip://a.png", "zip://b.png"]


def test_times_of_parquet_are_read(tmp_path: Path, hub: Path) -> None:
    parquet(tmp_path / "times" / "test.parquet", [{"answer": datetime(2024, 5, 1)}])
    ((_, _, row),) = HubTable(str(tmp_path / "times"), "", "test")
    assert row == {"answer": datetime(2024, 5, 1)}


def test_columns_of_several_types_hold_their_values_however_they_were_saved(tmp_path: Path, hub: Path) -> None:
    """They came as JSON: ``"left\\/right"`` with quotes, and patients of several names."""
    answers = ["left/right", 2, "007", None, ["a", "b"]]
    rows = datasets.Dataset.from_dict({"answer": answers}, on_mixed_types="use_json")
    rows.save_to_disk(tmp_path / "saved")
    (tmp_path / "files").mkdir()
    rows.to_parquet(tmp_path / "files" / "train.parquet")
    for folder in ("saved", "files"):
        assert [row["answer"] for _, _, row in HubTable(str(tmp_path / folder), "", "train")] == answers
    file = TableFile(tmp_path / "files" / "train.parquet")
    assert [row["answer"] for _, row in file] == answers
    assert list(file.parquet_names("answer")) == ["left/right", "007", "a", "b"]


def test_a_folder_has_no_revision(tmp_path: Path, hub: Path) -> None:
    datasets.Dataset.from_dict({"answer": ["a"]}).save_to_disk(tmp_path / "saved")
    for folder, split in ((hub, "test"), (tmp_path / "saved", "train")):
        with pytest.raises(TableError, match="is a folder, which has no revision 'v1'; leave it out"):
            len(HubTable(str(folder), "", split, "v1"))
