"""A download that failed is not repeated by every process."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from medix.data.download import DownloadError
from medix.data.failed_downloads import FailedDownloads, server_of
from medix.data.manifest import ShardEntry

ENTRY = ShardEntry("https://host/a.tar", "a" * 64, 1, 1)
NEIGHBOUR = ShardEntry("https://host/b.tar", "b" * 64, 1, 1)
ELSEWHERE = ShardEntry("https://other/c.tar", "c" * 64, 1, 1)


def _refused(failed: FailedDownloads) -> str:
    found = ""
    for name, entry in (("a", ENTRY), ("b", NEIGHBOUR), ("c", ELSEWHERE)):
        try:
            failed.check(entry)
        except DownloadError:
            found += name
    return found


def test_a_file_that_is_missing_concerns_one_shard_and_a_server_that_is_down_all_of_its_own(tmp_path: Path) -> None:
    here, elsewhere = FailedDownloads(tmp_path), FailedDownloads(tmp_path)
    here.add(ENTRY, DownloadError("404"))
    assert _refused(elsewhere) == "a"
    here.add(ENTRY, DownloadError("no answer", "silent"))
    assert _refused(elsewhere) == "ab"
    with pytest.raises(DownloadError, match=r"^no answer; 0 s ago, and is not tried again for 600 s"):
        elsewhere.check(NEIGHBOUR)
    elsewhere.forget(ENTRY)
    assert _refused(here) == ""


def test_a_server_that_failed_one_file_is_asked_for_others_less_often_until_one_comes(tmp_path: Path) -> None:
    here, elsewhere = FailedDownloads(tmp_path), FailedDownloads(tmp_path)
    here.add(ENTRY, DownloadError("cut", "fails"))
    assert _refused(elsewhere) == "a"
    assert [elsewhere.attempts(entry, 5) for entry in (NEIGHBOUR, ELSEWHERE)] == [2, 5]
    elsewhere.forget(NEIGHBOUR)
    assert (_refused(here), here.attempts(NEIGHBOUR, 5)) == ("a", 5)


def test_after_ten_minutes_and_in_a_later_run_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = FailedDownloads(tmp_path)
    failed.add(ENTRY, DownloadError("404"))
    now = time.time()
    for seconds, refused in ((590, "a"), (610, "")):
        monkeypatch.setattr("medix.data.failed_downloads.time.time", lambda ago=seconds: now + ago)
        assert _refused(failed) == refused
    monkeypatch.setattr("medix.data.failed_downloads.time.time", lambda: now + 1)
    assert _refused(FailedDownloads(tmp_path)) == ""


def test_a_note_that_cannot_be_written_or_read_is_no_error(tmp_path: Path) -> None:
    failed = FailedDownloads(tmp_path / "file" / "cache")
    (tmp_path / "file").write_text("")
    failed.add(ENTRY, DownloadError("404"))
    failed.forget(ENTRY)
    assert _refused(failed) == ""
    damaged = FailedDownloads(tmp_path)
    (tmp_path / f"{ENTRY.sha256}.failed").write_text("[")
    assert _refused(damaged) == ""


def test_a_bucket_is_a_server() -> None:
    assert server_of("s3://bucket/a/b.tar") == "s3://bucket"
    assert server_of(replace(ENTRY, url="https://host:8443/a.tar?x=1").url) == "https://host:8443"
    assert server_of("https://me:secret@host/a.tar") == "https://host"
