import io
import tarfile

import pytest

from medix.data.record import split_name
from medix.data.tar_samples import TarLayoutError, tar_samples
from tests.support.tar_headers import header


def tar(*names: str, kind: bytes = tarfile.REGTYPE) -> io.BufferedReader:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.type, member.size = kind, 3 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"abc"))
    stream.seek(0)
    return io.BufferedReader(stream)  # type: ignore[arg-type]


def test_members_are_found_by_key_and_extension_with_their_places() -> None:
    """A header has 512 bytes and content is padded to as many: the second member begins at 1024."""
    first, second = tar_samples(tar("0.json", "0.0.jpg", "1.json"), split_name)
    assert (first.key, first.members) == ("0", {"json": (512, 3), "0.jpg": (1536, 3)})
    assert (second.key, second.members) == ("1", {"json": (2560, 3)})
    assert len(tar_samples(tar("x.npy", "0.json"), lambda name: None if "npy" in name else split_name(name))) == 1


@pytest.mark.parametrize(
    ("names", "kind", "told"),
    [
        (
            ("0.json", "1.json", "0.0.jpg"),
            tarfile.REGTYPE,
            "adjacent, found key 0 in two places; pack them sorted: tar --sort=name",
        ),
        (("0.json", "0.json"), tarfile.REGTYPE, "expected unique names, found '0.json' twice"),
        (("0.json",), tarfile.SYMTYPE, "expected plain files.*links lead to: tar --hard-dereference -h"),
        (("0.json",), tarfile.LNKTYPE, "expected plain files.*links lead to: tar --hard-dereference -h"),
        (("0.json",), tarfile.FIFOTYPE, "expected plain files, found '0.json' of type b'6'$"),
    ],
)
def test_a_tar_that_is_no_row_of_samples(names: tuple[str, ...], kind: bytes, told: str) -> None:
    with pytest.raises(TarLayoutError, match=told):
        tar_samples(tar(*names, kind=kind), split_name)


def test_what_is_no_tar() -> None:
    with pytest.raises(TarLayoutError, match="expected an uncompressed tar"):
        tar_samples(io.BufferedReader(io.BytesIO(b"PK\x03\x04" + bytes(2000))), split_name)  # type: ignore[arg-type]


def refusal(data: bytes) -> str:
    with pytest.raises(TarLayoutError) as caught:
        tar_samples(io.BufferedReader(io.BytesIO(data + bytes(1024))), split_name)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize("size", [-1, -512, -1024, 2048, 2**63 - 512, 2**80])
def test_a_size_that_no_member_can_have_is_refused_before_anything_is_sought_or_read(size: int) -> None:
    assert f"possible sizes, found '0.txt' of {size} bytes" in refusal(header("0.json", 0) + header("0.txt", size))


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K", b"X"])
@pytest.mark.parametrize("size", [-512, 2**21, 2**63 - 512, 2**80])
def test_a_long_name_or_pax_record_of_such_a_size_too(kind: bytes, size: int) -> None:
    assert f"found '0.txt' of {size} bytes" in refusal(header("0.json", 0) + header("0.txt", size, kind))


def test_a_pax_record_cannot_give_a_member_another_size_than_fits() -> None:
    for record in (b"15 size=-1024\n\n", b"15 size=999999\n"):
        data = header("pax", len(record), b"x") + record.ljust(512, b"\0") + header("0.txt", 0)
        assert "possible sizes, found '0.txt'" in refusal(data)


def test_extensions_of_extensions_without_end() -> None:
    assert "expected an uncompressed tar" in refusal(header("pax", 0, b"x") * 3000)
