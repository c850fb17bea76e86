"""Images as shards hold them: JPEG and PNG files with their pixels as they are, other formats as PNG."""

from collections import Counter
from collections.abc import Callable

from medix.data.image_metadata import without_metadata
from medix.data.picture import LOSSLESS, open_picture, png
from medix.data.record import is_stored

Keep = Callable[[bytes, Counter[str]], bytes]
"""What becomes of an encoded image; counts what was done."""


def stored_image(data: bytes, counts: Counter[str]) -> bytes:
    """An encoded image as it is stored, after it was decoded once.

    JPEG and PNG lose what is no part of the picture (``medix.data.image_metadata``). Other formats become PNG: upright,
    without loss, but values that PNG cannot hold (floats, 32 bits) in eight bits (see ``medix.data.picture``).

    Args:
        data: the file.
        counts: ``converted`` and ``reduced`` count what was changed, ``stripped`` the files that lost EXIF, text or a
            preview, ``structure unknown`` those of which it is not known whether they have any.

    Raises:
        PictureError: it cannot be decoded, or is not one picture.
    """
    picture = open_picture(data)
    if is_stored(data):
        return _removed(data, counts, "stripped")
    counts["converted"] += 1
    counts["reduced"] += picture.mode not in LOSSLESS
    return png(picture)


def listed_image(data: bytes, counts: Counter[str]) -> bytes:
    """An encoded image that stays as it is, after it was decoded once.

    Args:
        data: the file.
        counts: ``with metadata`` counts the files with EXIF, text or a preview; ``structure unknown`` as above.

    Raises:
        PictureError: as ``stored_image``.
    """
    open_picture(data)
    _removed(data, counts, "with metadata")
    return data


def unread_image(data: bytes, counts: Counter[str]) -> bytes:  # noqa: ARG001 - as the others
    """An encoded image that stays as it is and is not decoded."""
    return data


def conversions(counts: Counter[str]) -> list[str]:
    """What became of images, as sentences."""
    sentences = {
        "stripped": "images from which EXIF, text or a preview was removed, with their pixels as they were: {}",
        "structure unknown": "images of an unusual structure, stored with the EXIF or text that they may have: {}",
        "with metadata": "images with EXIF, text or a preview, which may name people, places and devices: {}; they are "
        "listed as they are, and --rewrite removes it",
    }
    found = [text.format(f"{counts[key]:,}") for key, text in sentences.items() if counts[key]]
    converted, reduced = counts["converted"], counts["reduced"]
    if not converted:
        return found
    told = f"; {reduced} of them in eight bits, because PNG cannot hold their values" if reduced else ""
    return [*found, f"{converted} image{' was' if converted == 1 else 's were'} stored as PNG, upright{told}"]


def _removed(data: bytes, counts: Counter[str], key: str) -> bytes:
    try:
        kept = without_metadata(data)
    except ValueError:
        counts["structure unknown"] += 1
        return data
    counts[key] += kept != data
    return kept
