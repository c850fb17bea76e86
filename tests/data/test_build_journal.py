from collections import Counter
from pathlib import Path

from medix.data.build_journal import Journal, JournalEntry
from medix.data.index import IndexRow
from medix.data.manifest import ShardEntry
from medix.data.shard_writer import FinishedShard
from tests.data.conftest import make_sample

VERSIONS = {"numpy": "1"}


def entry(number: int) -> JournalEntry:
    shard = FinishedShard(ShardEntry(f"{number}.tar", "0" * 64, 10, 1), (IndexRow.of(make_sample(number)),))
    return JournalEntry("train", "CT_SCAN", shard, (number,), (f"row {number}",), Counter(converted=number))


def test_entries_are_read_again_as_they_were_written(tmp_path: Path) -> None:
    path, sizes = tmp_path / "journal.jsonl", {"1.tar": 10, "2.tar": 10, "3.tar": 9}
    journal = Journal(path, "build", VERSIONS, {})
    for number in (1, 2, 3):
        journal.add(entry(number))
    assert Journal(path, "build", VERSIONS, sizes).entries == [entry(1), entry(2)]  # the file of the third is cut
    assert Journal(path, "build", VERSIONS, {"2.tar": 10}).entries == []  # the first is lost, and with it what follows


def test_a_line_that_cannot_be_read_ends_the_journal(tmp_path: Path) -> None:
    path, sizes = tmp_path / "journal.jsonl", {"1.tar": 10, "2.tar": 10}
    journal = Journal(path, "build", VERSIONS, {})
    for number in (1, 2):
        journal.add(entry(number))
    path.write_text(path.read_text().replace('"2.tar"', "2"))
    assert Journal(path, "build", VERSIONS, sizes).entries == [entry(1)]


def test_the_journal_of_another_build_is_none(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path, "build", VERSIONS, {}).add(entry(1))
    other = Journal(path, "other", VERSIONS, {"1.tar": 10})
    assert (other.entries, other.begun_anew) == ([], "its input or an argument")
    assert Journal(path, "build", VERSIONS, {"1.tar": 10}).begun_anew == ""  # it had no shard yet
    path.write_bytes(b"\xff\xfe\n{")
    assert Journal(path, "build", VERSIONS, {"1.tar": 10}).entries == []


def test_shards_of_other_versions_are_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path, "build", VERSIONS, {}).add(entry(1))
    assert Journal(path, "build", VERSIONS, {"1.tar": 10}).begun_anew == ""
    other = Journal(path, "build", {"numpy": "2"}, {"1.tar": 10})
    assert (other.entries, other.begun_anew) == ([], "numpy (1 before, now 2)")
    path.write_text('{"build": "build"}\n{}\n')  # of a version that noted none
    assert Journal(path, "build", VERSIONS, {}).begun_anew == "the format of its journal"
