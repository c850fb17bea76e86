from collections import Counter
from pathlib import Path

from medix.data.build_journal import Journal, JournalEntry
from medix.data.index import IndexRow
from medix.data.manifest import ShardEntry
from medix.data.shard_writer import FinishedShard
from tests.data.conftest import make_sample


def entry(number: int) -> JournalEntry:
    shard = FinishedShard(ShardEntry(f"{number}.tar", "0" * 64, 10, 1), (IndexRow.of(make_sample(number)),))
    return JournalEntry("train", "CT_SCAN", shard, (number,), (f"row {number}",), Counter(converted=number))


def test_entries_are_read_again_as_they_were_written(tmp_path: Path) -> None:
    path, sizes = tmp_path / "journal.jsonl", {"1.tar": 10, "2.tar": 10, "3.tar": 9}
    journal = Journal(path, "build", {})
    for number in (1, 2, 3):
        journal.add(entry(number))
    assert Journal(path, "build", sizes).entries == [entry(1), entry(2)]  # the file of the third is cut
    assert Journal(path, "build", {"2.tar": 10}).entries == []  # the first is lost, and with it what follows


def test_a_line_that_cannot_be_read_ends_the_journal(tmp_path: Path) -> None:
    path, sizes = tmp_path / "journal.jsonl", {"1.tar": 10, "2.tar": 10}
    journal = Journal(path, "build", {})
    for number in (1, 2):
        journal.add(entry(number))
    path.write_text(path.read_text().replace('"2.tar"', "2"))
    assert Journal(path, "build", sizes).entries == [entry(1)]


def test_the_journal_of_another_build_is_none(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path, "build", {}).add(entry(1))
    assert Journal(path, "other", {"1.tar": 10}).entries == []
    path.write_bytes(b"\xff\xfe\n{")
    assert Journal(path, "build", {"1.tar": 10}).entries == []
