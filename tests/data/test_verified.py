"""Stamps of verified files: nothing is hashed twice, and nothing that changed is trusted."""

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from medix.data.verified import VerifiedFiles

SHA = hashlib.sha256(b"content").hexdigest()


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files that were hashed."""
    found: list[str] = []
    digest = hashlib.file_digest

    def count(stream: object, name: str) -> object:
        found.append(name)
        return digest(stream, name)  # type: ignore[arg-type, call-overload]

    monkeypatch.setattr("medix.data.verified.hashlib.file_digest", count)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Modified an hour ago."""
    path = tmp_path / "a.tar"
    _write(path, b"content")
    return path


def _write(path: Path, content: bytes, age: float = 3600) -> None:
    path.write_bytes(content)
    os.utime(path, (time.time() - age,) * 2)


@contextmanager
def _open(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _check(stamps: VerifiedFiles, path: Path) -> str:
    with _open(path) as descriptor:
        return stamps.check(path, descriptor, SHA)


def _new(tmp_path: Path) -> VerifiedFiles:
    """As another process would have."""
    return VerifiedFiles(tmp_path / "stamps" / "verified.jsonl", small=0)


def test_another_process_does_not_hash_again(tmp_path: Path, file: Path, hashed: list[str]) -> None:
    first, second = _new(tmp_path), _new(tmp_path)
    assert [_check(one, file) for one in (first, second, _new(tmp_path), second)] == [SHA] * 4
    assert len(hashed) == 1


@pytest.mark.parametrize("what", ["content", "size", "time", "inode", "name"])
def test_a_file_that_differs_in_anything_is_hashed_again(
    tmp_path: Path, file: Path, hashed: list[str], what: str
) -> None:
    """The same content throughout, or another one whose modification time says so."""
    _check(_new(tmp_path), file)
    before = file.stat()
    expected = SHA
    if what == "content":
        _write(file, b"CONTENT", age=60)
        expected = hashlib.sha256(b"CONTENT").hexdigest()
    elif what == "size":
        file.write_bytes(b"content and more")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        expected = hashlib.sha256(b"content and more").hexdigest()
    elif what == "time":
        os.utime(file, (0, 0))
    elif what == "inode":
        other = tmp_path / "b.tar"
        other.write_bytes(b"content")
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(file)
    else:
        file = file.rename(tmp_path / "c.tar")
    assert _check(_new(tmp_path), file) == expected
    assert len(hashed) == 2


def test_a_file_that_was_modified_just_now_is_trusted_by_this_process_alone(
    tmp_path: Path, file: Path, hashed: list[str]
) -> None:
    """It could be modified again within the resolution of its modification time."""
    _write(file, b"content", age=0.5)
    first = _new(tmp_path)
    _check(first, file)
    _check(first, file)
    assert len(hashed) == 1
    _check(_new(tmp_path), file)
    assert len(hashed) == 2


def test_a_file_that_is_not_as_expected_is_never_remembered(tmp_path: Path, file: Path, hashed: list[str]) -> None:
    _write(file, b"other")
    stamps = _new(tmp_path)
    assert {_check(stamps, file), _check(stamps, file)} == {hashlib.sha256(b"other").hexdigest()}
    assert len(hashed) == 2


def test_small_files_are_not_written_down(tmp_path: Path, file: Path) -> None:
    stamps = VerifiedFiles(tmp_path / "verified.jsonl", small=8)
    _check(stamps, file)
    assert not (tmp_path / "verified.jsonl").exists()


def test_a_file_that_this_process_wrote_is_trusted_by_others(tmp_path: Path, file: Path, hashed: list[str]) -> None:
    _write(file, b"content", age=0)
    _new(tmp_path).add(file, SHA)
    assert _check(_new(tmp_path), file) == SHA
    assert not hashed


def test_a_folder_that_cannot_be_written_to_costs_a_hash_per_process(
    tmp_path: Path, file: Path, hashed: list[str]
) -> None:
    (tmp_path / "stamps").write_text("no folder")
    stamps = _new(tmp_path)
    _check(stamps, file)
    _check(stamps, file)
    assert len(hashed) == 1


def test_a_line_cut_by_a_crash_and_a_file_that_was_deleted_are_no_stamps(
    tmp_path: Path, file: Path, hashed: list[str]
) -> None:
    stamps = _new(tmp_path)
    _check(stamps, file)
    whole = stamps.path.read_text()  # type: ignore[union-attr]
    stamps.path.write_text(whole[:-2])  # type: ignore[union-attr]
    _check(_new(tmp_path), file)
    assert len(hashed) == 2
    stamps.path.unlink()  # type: ignore[union-attr]
    _check(_new(tmp_path), file)
    assert len(hashed) == 3


def test_of_several_that_need_a_file_one_hashes_it(tmp_path: Path, file: Path, hashed: list[str]) -> None:
    """Each has a descriptor and stamps of its own, as processes have."""
    with _open(file) as held:
        import fcntl

        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = [threading.Thread(target=_check, args=(_new(tmp_path), file)) for _ in range(3)]
        for thread in waiting:
            thread.start()
    for thread in waiting:
        thread.join()
    assert len(hashed) == 1


def test_a_file_that_another_process_reads_is_hashed_without_waiting_and_stays_locked(
    tmp_path: Path, file: Path
) -> None:
    """Readers of a cache share a lock on the file: to hash it must neither wait for them nor end their locks."""
    with _open(file) as reader, _open(file) as other, _open(file) as remover:
        for descriptor in (reader, other):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        assert _new(tmp_path).check(file, other, SHA) == SHA
        fcntl.flock(reader, fcntl.LOCK_UN)
        with pytest.raises(BlockingIOError):
            fcntl.flock(remover, fcntl.LOCK_EX | fcntl.LOCK_NB)
