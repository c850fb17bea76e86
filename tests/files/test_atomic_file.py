"""Files written whole or not at all."""

import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from medix.files.atomic_file import check_writable, write_atomically


def test_only_a_regular_file_is_replaced(tmp_path: Path) -> None:
    """A link stays a link, a pipe gets the text, a folder is refused, and no part stays behind."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.json").write_text("old")
    (tmp_path / "link.json").symlink_to(tmp_path / "real" / "a.json")
    write_atomically(tmp_path / "link.json", "new")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "real" / "a.json").read_text() == "new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(tmp_path / "pipe", "through")
    assert os.read(reader, 100) == b"through"
    write_atomically(f"/proc/self/fd/{reader}", "through a descriptor")  # as /dev/stdout in front of a pipe
    assert os.read(reader, 100) == b"through a descriptor"
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "real", "x")
    assert not list(tmp_path.rglob("*.part"))


def test_an_error_of_writing_names_the_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    """As on a full disk: the system refuses a file of more than 1,000 bytes."""
    path, (soft, hard) = tmp_path / "a.json", resource.getrlimit(resource.RLIMIT_FSIZE)
    path.write_text("old")
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as told:
            write_atomically(path, "x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert told.value.filename == str(path)
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("a.json", "old")]


def test_a_place_that_cannot_be_written_is_found_out_beforehand(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "a.jsonl")
    check_writable("/dev/null")
    reader, writer = os.pipe()
    check_writable(f"/proc/self/fd/{writer}")  # as /dev/stdout in front of a pipe
    os.close(reader)
    os.close(writer)
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "a.jsonl", Path("/proc/none/a.jsonl")):
        with pytest.raises(OSError, match=r"\[Errno \d+\]"):
            check_writable(path)


def test_several_processes_can_write_one_file(tmp_path: Path) -> None:
    """With one name for the parts of all, one process renames or removes what another is about to rename."""
    path = tmp_path / "a.json"
    code = (
        "import sys\nfrom medix.files.atomic_file import check_writable, write_atomically\n"
        "for number in range(150):\n    check_writable(sys.argv[1])\n    write_atomically(sys.argv[1], sys.argv[2])"
    )
    texts = [letter * 1000 for letter in "abc"]
    started = [
        subprocess.Popen([sys.executable, "-c", code, path, text], stderr=subprocess.PIPE, text=True) for text in texts
    ]
    assert [(one.communicate()[1], one.returncode) for one in started] == [("", 0)] * 3
    assert path.read_text() in texts
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_process_has_left_is_removed_by_the_next_and_nothing_else(tmp_path: Path) -> None:
    path, left = tmp_path / "a[1].json", tmp_path / ".a[1].json.01234567.part"
    others = [tmp_path / ".a1.json.01234567.part", tmp_path / ".a[1].json.rank0.part"]
    for one in (left, *others):
        one.write_text("cut")
    held = tmp_path / ".a[1].json.89abcdef.part"
    code = (
        "import fcntl, sys\nwith open(sys.argv[1], 'w') as file:\n    fcntl.flock(file, fcntl.LOCK_EX)\n"
        "    print('half', file=file, flush=True)\n    print('locked', flush=True)\n    sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, held]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        write_atomically(path, "new")
        assert sorted(tmp_path.iterdir()) == sorted([path, held, *others])
        other.kill()
    write_atomically(path, "new")
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])
