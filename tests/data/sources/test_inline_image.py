"""Images in the text of a cell."""

import base64
from collections.abc import Callable

import pytest

from medix.data.sources import inline_image
from medix.data.sources.inline_image import InlineImageError, decoded, holds_inline, is_name, shown
from tests.support.tables import image

DATA = image(seed=1)
TEXT = base64.b64encode(DATA).decode()
TINY = image(size=1)  # 100 characters or so


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"  {TEXT}\n",
        "\r\n".join(TEXT[start : start + 76] for start in range(0, len(TEXT), 76)),
        TEXT.rstrip("="),
        base64.urlsafe_b64encode(DATA).decode(),
        f"data:image/png;base64,{TEXT}",
        f"DATA:;charset=utf-8;base64,{TEXT}",
    ],
)
def test_base64_is_read_as_programs_write_it(text: str) -> None:
    assert inline_image.inline_image(text) == DATA
    assert not is_name(text)


def test_small_images_and_formats_without_a_known_beginning_are_read() -> None:
    for data in (TINY, image(size=1, form="JPEG"), image(form="BMP"), image(form="TIFF")):
        assert inline_image.inline_image(base64.b64encode(data).decode()) == data


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a.png", True), ("scans/p 1/a", True), ("iVBORw0KGgo", True), ("/9j/" + "a" * 60 + ".png", True),
        ("0f" * 32, True),
        ("The heart is small. " * 10, True), ("The heart is small. " * 40, False),
        ("x" * 300, False), ("a\nb", False), (" ", False),
    ],
)  # fmt: skip
def test_a_file_name_is_no_image(text: str, names: bool) -> None:
    assert is_name(text) == names
    assert not names or inline_image.inline_image(text) is None


@pytest.mark.parametrize(
    ("read", "text", "told"),
    [
        (inline_image.inline_image, "data:image/png;base64,@@", "is no base64"),
        (inline_image.inline_image, "data:image/png;base64,", "is no base64"),
        (inline_image.inline_image, "data:image/svg+xml,<svg/>", "is a data: address that is no base64"),
        (inline_image.inline_image, "data:", "is a data: address that is no base64"),
        (inline_image.inline_image, TEXT[:301] + "@", "is no base64"),
        (decoded, "hello you!", "is no base64"),
        (decoded, "ü", "is no base64"),
    ],
)
def test_what_cannot_be_taken_out_is_told_without_its_text(
    read: Callable[[str], bytes | None], text: str, told: str
) -> None:
    with pytest.raises(InlineImageError, match=told) as caught:
        read(text)
    assert len(str(caught.value)) < 150


def test_an_image_that_is_too_large_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline_image, "MAX_BYTES", 100)
    with pytest.raises(InlineImageError, match="more than 100"):
        inline_image.inline_image(TEXT)


def test_texts_that_hold_an_image_are_known() -> None:
    assert [holds_inline(text) for text in (TEXT, "data:image/png;base64,x", "data: none", "left", "")] == [
        True, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("value", [TEXT, DATA * 10, {"bytes": TEXT, "path": None}, [TEXT, TEXT], ["a"] * 100, 1.5])
def test_a_cell_is_never_shown_whole(value: object) -> None:
    assert 0 < len(shown(value)) <= 250
    assert TEXT[:61] not in shown(value)
