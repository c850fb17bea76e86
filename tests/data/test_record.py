import io
import json
import tarfile
from pathlib import Path

import pytest
import webdataset
from hypothesis import given
from hypothesis import strategies as st

from medix.data.record import RecordError, decode, encode, split_name
from medix.types import Sample
from tests.data.conftest import make_sample, picture

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
SAID = TEXT.filter(lambda text: bool(text.strip()))


def _members(sample: Sample, ordinal: int = 0) -> dict[str, bytes]:
    return {name: data for name, data in encode(sample, ordinal).items() if isinstance(data, bytes)}


@given(
    identity=SAID, question=SAID, reference=SAID, source=TEXT, case=TEXT, aliases=st.lists(TEXT).map(tuple),
    metadata=st.dictionaries(TEXT, TEXT), count=st.integers(0, 12),
)  # fmt: skip
def test_any_sample_comes_back_as_it_was(
    identity: str, question: str, reference: str, source: str, case: str, aliases: tuple[str, ...],
    metadata: dict[str, str], count: int,
) -> None:  # fmt: skip
    """Twelve images: number 10 must not sort between 1 and 2."""
    images = tuple(b"\xff\xd8\xff" + bytes([i]) for i in range(count))
    sample = Sample(
        identity, question, reference, "MRI_SCAN" if count else None, images, source, aliases, case, metadata
    )
    assert decode(_members(sample)) == sample


def test_webdataset_itself_groups_and_decodes_a_record(tmp_path: Path) -> None:
    """The key ends at the first dot, so 000000012.0.png and 000000012.1.jpg belong to one sample with the json."""
    pair = Sample("row.3", "q", "r", "CT_SCAN", (picture(1), picture(2, kind="JPEG")))
    with webdataset.TarWriter(str(tmp_path / "a.tar"), encoder=False) as tar:
        tar.write(encode(pair, 12))
        tar.write(encode(make_sample(4), 13))
    decoded = list(webdataset.WebDataset(str(tmp_path / "a.tar"), shardshuffle=False).decode("pil"))
    assert [group["__key__"] for group in decoded] == ["000000012", "000000013"]
    assert decoded[0]["json"]["id"] == "row.3"
    assert decoded[0]["0.png"].size == decoded[0]["1.jpg"].size == (40, 36)


@pytest.mark.parametrize(
    "name", ["000.pkl", "000.0.pyd", "000.weights.pth", "000.0.dcm", "000.json.gz", "000.x.jpg", "000"]
)
def test_members_that_are_no_image_json_or_text_are_refused(name: str) -> None:
    with pytest.raises(RecordError, match=r"is refused|could carry code"):
        split_name(name)


@pytest.mark.parametrize("name", ["1.2.840.dcm.json", "scan.json", "folder/000.json", "../000.json"])
def test_a_key_is_an_ordinal(name: str) -> None:
    with pytest.raises(RecordError):
        split_name(name)


def test_text_members_become_metadata() -> None:
    members = _members(make_sample(1)) | {"report.txt": b"two views", "txt": b"plain"}
    assert decode(members).metadata == {"report": "two views", "txt": "plain"}


def test_a_missing_image_is_named() -> None:
    members = _members(make_sample(1, images=3))
    del members["1.png"]
    with pytest.raises(RecordError, match=r"'row.1' declares 3 images but contains numbers \[0, 2\]"):
        decode(members)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": None}, "has no text in .'reference'."),
        ({"reference": "  "}, "has no text in .'reference'."),
        ({"question": 3}, "'question' has the wrong type"),
        ({"weight": 1}, "unknown fields .'weight'."),
        ({"aliases": "x"}, "'aliases' has the wrong type"),
        ({"metadata": {"a": 1}}, "'metadata' has the wrong type"),
        ({"modality": 3}, "'modality' has the wrong type"),
    ],
)
def test_json_of_the_wrong_shape_is_named(change: dict[str, object], message: str) -> None:
    members = _members(make_sample(1))
    members["json"] = json.dumps(json.loads(members["json"]) | change).encode()
    with pytest.raises(RecordError, match=message):
        decode(members)


@pytest.mark.parametrize("data", [b"not json", b"[1]"])
def test_json_that_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        decode({"json": data})


def test_an_image_that_is_neither_jpeg_nor_png_is_not_written() -> None:
    sample = Sample("a", "q", "r", "CT_SCAN", (b"GIF89a",))
    with pytest.raises(RecordError, match="neither JPEG nor PNG"):
        encode(sample, 0)


def test_a_tar_of_records_holds_plain_names() -> None:
    stream = io.BytesIO()
    with webdataset.TarWriter(stream, encoder=False) as tar:
        tar.write(encode(make_sample(1, images=2), 0))
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        assert sorted(tar.getnames()) == ["000000000.0.png", "000000000.1.png", "000000000.json"]


def test_a_lone_surrogate_is_written_as_its_json_escape() -> None:
    sample = Sample("1", "q \ud83d", "r", None)
    members = _members(sample)
    assert b"q \\ud83d" in members["json"]
    assert decode({"json": members["json"]}).question == sample.question


def test_a_key_that_stands_twice_is_an_error() -> None:
    with pytest.raises(RecordError, match="the key 'reference' stands twice"):
        decode({"json": b'{"id": "1", "question": "q", "reference": "left", "reference": "right"}'})


@pytest.mark.parametrize("count", [10**9, 10**30, -1])
def test_a_number_of_images_that_is_stated_takes_no_memory(count: int) -> None:
    fields = {"id": "1", "question": "q", "reference": "r", "images": count}
    with pytest.raises(RecordError, match=f"declares {count} images but contains numbers"):
        decode({"json": json.dumps(fields).encode()})


def test_a_text_that_is_not_utf_8_is_a_fault_of_the_sample() -> None:
    with pytest.raises(RecordError, match="a txt member of sample '1' is not UTF-8"):
        decode({"json": b'{"id": "1", "question": "q", "reference": "r"}', "txt": b"\x80"})
