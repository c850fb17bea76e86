"""Pseudonyms for the identifiers in DICOM headers."""

import hashlib
import hmac
from pathlib import Path

import pytest

from medix.data.sources.dicom_pseudonyms import Pseudonyms

SALT = "a secret of a hospital"


def test_a_pseudonym_is_the_keyed_hash_of_kind_and_identifier() -> None:
    expected = hmac.new(SALT.encode(), b"patient\x004711", hashlib.sha256).hexdigest()[:16]
    assert Pseudonyms(SALT).of("patient", "4711") == expected
    assert Pseudonyms(SALT).of("study", "4711") != expected
    assert Pseudonyms(SALT + "!").of("patient", "4711") != expected


def test_the_salt_is_not_in_what_is_printed() -> None:
    assert SALT not in repr(Pseudonyms(SALT)) + Pseudonyms(SALT).digest


def test_a_missing_salt_is_written_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "salt"
    first = Pseudonyms.read(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(first.salt) == 64
    assert Pseudonyms.read(path) == first
    assert Pseudonyms.read(tmp_path / "other") != first


def test_the_mark_that_an_editor_writes_is_no_part_of_the_salt(tmp_path: Path) -> None:
    (tmp_path / "salt").write_text(f"{SALT}\n", encoding="utf-8-sig")
    assert Pseudonyms.read(tmp_path / "salt") == Pseudonyms(SALT)


@pytest.mark.parametrize(
    ("content", "match"), [(b"short", "holds 5 characters"), (b"", "holds 0"), (b"\xff" * 20, "cannot be read")]
)
def test_a_salt_that_is_none(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "salt").write_bytes(content)
    with pytest.raises(ValueError, match=match):
        Pseudonyms.read(tmp_path / "salt")


def test_a_salt_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot be written.*No such file"):
        Pseudonyms.read(tmp_path / "nowhere" / "salt")
