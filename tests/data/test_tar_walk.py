"""What is wrong with a tar, found on files that are really damaged."""

import io
import tarfile
from pathlib import Path

import pytest

from medix.data.tar_walk import tar_faults
from tests.support.tar_headers import header


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Members a, b and c of 700, 0 and 10 bytes: headers at 0, 1,536 and 2,048, the end at 3,072."""
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, size in (("a", 700), ("b", 0), ("c", 10)):
            member = tarfile.TarInfo(name)
            member.size = size
            tar.addfile(member, io.BytesIO(b"x" * size))
    return path


def damaged(path: Path, change: slice, by: bytes) -> list[str]:
    data = bytearray(path.read_bytes())
    data[change] = by
    path.write_bytes(data)
    return list(tar_faults(path))


def test_a_sound_tar_has_no_fault(archive: Path) -> None:
    assert list(tar_faults(archive)) == []


def test_a_cut_is_found_wherever_it_is(archive: Path) -> None:
    """Within a content, between two members (which tarfile takes for the end), and within a header."""
    data = archive.read_bytes()
    for size, told in (
        (2_560 + 4, "within member 'c': 4 of 10 bytes"),
        (1_536, "end-of-archive mark is missing"),
        (2_048 + 100, "within the header at byte 2,048, after member 'b'"),
        (0, "end-of-archive mark is missing"),
    ):
        archive.write_bytes(data[:size])
        [fault] = tar_faults(archive)
        assert told in fault, size


def test_a_damaged_header_is_found_that_tarfile_takes_for_the_end(archive: Path) -> None:
    [fault] = damaged(archive, slice(1_600, 1_604), b"\xff\xff\xff\xff")
    assert "no valid header at byte 1,536, after member 'a'" in fault
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["a"]


def test_content_after_the_end_is_found(archive: Path) -> None:
    [fault] = damaged(archive, slice(5_000, 5_001), b"x")
    assert "ends at byte 3,072, after member 'c', but content follows at byte 5,000" in fault


def test_a_file_that_is_no_tar_has_no_valid_header(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"PK\x03\x04" + b"z" * 2_000)
    [fault] = tar_faults(tmp_path / "a.tar")
    assert "no valid header at byte 0 (" in fault


@pytest.mark.parametrize("size", [-512, -1_024, -1])
def test_a_negative_size_is_a_fault_and_not_a_step_back_without_end(archive: Path, size: int) -> None:
    faults = damaged(archive, slice(0, 3_072), header("a", size) + bytes(2_560))
    assert faults == [f"the header of member 'a' at byte 0 states {size:,} bytes"]
