"""Images as shards hold them: JPEG and PNG files as they are, other formats as PNG."""

from collections import Counter

from medix.data.picture import LOSSLESS, open_picture, png
from medix.data.record import is_stored


def stored_image(data: bytes, counts: Counter[str]) -> bytes:
    """An encoded image as it is stored, after it was decoded once.

    Other formats than JPEG and PNG become PNG: upright, without loss, but values that PNG cannot hold (floats, 32 bits)
    in eight bits (see ``medix.data.picture``).

    Args:
        data: the file.
        counts: ``converted`` and ``reduced`` count what was changed.

    Raises:
        PictureError: it cannot be decoded, or is not one picture.
    """
    picture = open_picture(data)
    if is_stored(data):
        return data
    counts["converted"] += 1
    counts["reduced"] += picture.mode not in LOSSLESS
    return png(picture)


def conversions(counts: Counter[str]) -> list[str]:
    """What became of images that are neither JPEG nor PNG, as a sentence; none if there were none."""
    converted, reduced = counts["converted"], counts["reduced"]
    if not converted:
        return []
    told = f"; {reduced} of them in eight bits, because PNG cannot hold their values" if reduced else ""
    return [f"{converted} image{' was' if converted == 1 else 's were'} stored as PNG, upright{told}"]
