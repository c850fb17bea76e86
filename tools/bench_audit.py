"""Measure which changes of an image the audit recognises, which distinct images it mistakes, and what its search costs.

    python -m tools.bench_audit [--pictures FOLDER] [--copies 80] [--count 50000] --json FILE

``--pictures`` holds JPEG and PNG files, all distinct; without it, 1,000 phantoms are used. ``--copies`` of them are
changed in each way. The search is timed on ``--count`` blends of two of the images with smooth noise, for one
orientation beside a comparison of all pairs (which needs ``--count`` squared steps), and for all eight.
"""

import argparse
import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage
from PIL import Image, ImageEnhance
from rich.console import Console

from medix.audit.hamming import pairs_within
from medix.audit.near_pictures import RADIUS, Thumbnails, near_pairs, perceptual_hashes
from medix.audit.picture_facts import picture_facts
from medix.data.sources.phantoms import PhantomSource
from medix.reporting.table import Table, number

Change = Callable[[Image.Image], Image.Image]


def _scaled(factor: float) -> Change:
    return lambda image: image.resize((max(8, round(image.width * factor)), max(8, round(image.height * factor))))


def _cropped(share: float) -> Change:
    return lambda image: image.crop(
        (round(image.width * share), round(image.height * share), round(image.width * (1 - share)),
         round(image.height * (1 - share)))
    )  # fmt: skip


def _framed(image: Image.Image) -> Image.Image:
    page = Image.new(image.mode, (round(image.width * 1.1), round(image.height * 1.1)))
    page.paste(image, (image.width // 20, image.height // 20))
    return page


CHANGES: dict[str, tuple[Change, int | None]] = {
    "JPEG 90": (lambda image: image, 90),
    "JPEG 50": (lambda image: image, 50),
    "JPEG 20": (lambda image: image, 20),
    "half size": (_scaled(0.5), None),
    "three quarters, JPEG 75": (_scaled(0.75), 75),
    "double size": (_scaled(2), None),
    "30 grey values brighter": (lambda image: image.point(lambda value: min(255, value + 30)), None),
    "brightness x 1.3": (lambda image: ImageEnhance.Brightness(image).enhance(1.3), None),
    "contrast x 1.3": (lambda image: ImageEnhance.Contrast(image).enhance(1.3), None),
    "gamma 0.8": (lambda image: image.point(lambda value: round(255 * (value / 255) ** 0.8)), None),
    "grey": (lambda image: image.convert("L"), None),
    "mirrored": (lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), None),
    "rotated by 90°": (lambda image: image.transpose(Image.Transpose.ROTATE_90), None),
    "rotated by 180°, JPEG 50": (lambda image: image.transpose(Image.Transpose.ROTATE_180), 50),
    "rotated by 5°": (lambda image: image.rotate(5), None),
    "2 % of each side cropped": (_cropped(0.02), None),
    "5 % of each side cropped": (_cropped(0.05), None),
    "frame of 10 %": (_framed, None),
}
"""What is done to a copy, and the quality of its JPEG; None for PNG."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench_audit", description=__doc__)
    parser.add_argument("--pictures", type=Path, help="folder of JPEG and PNG files (default: 1,000 phantoms)")
    parser.add_argument("--copies", type=int, default=80, help="images that are changed in each way (default: 80)")
    parser.add_argument("--count", type=int, default=50_000, help="images of the search that is timed (default: 50000)")
    parser.add_argument("--json", type=Path, help="where the numbers are written")
    options = parser.parse_args(arguments)
    images = _images(options.pictures)
    if len(images) < 2 or options.copies < 1 or options.count < 2:
        parser.error(
            f"{len(images)} images, {options.copies} copies, {options.count} of the search: nothing to measure"
        )
    thumbnails = np.stack([picture_facts(image).thumbnail for image in images])
    shares = recall(images[:: max(1, len(images) // options.copies)][: options.copies])
    found = {
        "images": len(images),
        "pairs": len(images) * (len(images) - 1) // 2,
        "reported": len(near_pairs(thumbnails)),
        "recall": shares,
        "search": search(thumbnails, options.count),
    }
    rows = [[change, number(share)] for change, share in shares.items()]
    Table("Changed copies that are found", ["Change", "Recall"], rows).print(Console(width=100))
    print(
        f"{found['reported']:,} of {found['pairs']:,} pairs of {len(images):,} images are reported as near-duplicates"
    )
    print(f"search over {options.count:,} images, seconds of CPU: {found['search']}")
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


def recall(images: Sequence[bytes]) -> dict[str, float]:
    """The share of images of which a changed copy is recognised, by change."""
    opened = [Image.open(io.BytesIO(image)) for image in images]
    plain = [image if image.mode in ("L", "RGB") else image.convert("RGB") for image in opened]
    thumbnails = [picture_facts(image).thumbnail for image in images]
    shares = {}
    for name, (change, quality) in CHANGES.items():
        copies = [picture_facts(_encoded(change(image), quality)).thumbnail for image in plain]
        found = near_pairs(np.stack(thumbnails + copies))
        shares[name] = float((found.second - found.first == len(images)).sum() / len(images))
    return shares


def search(thumbnails: Thumbnails, count: int) -> dict[str, Any]:
    """Seconds of CPU of the search for candidates and pairs, and of the comparison of all pairs.

    Args:
        thumbnails: of the images that are blended.
        count: number of blends.
    """
    random = np.random.default_rng(0)
    one, other = (thumbnails[random.integers(0, len(thumbnails), count)].astype(np.float32) for _ in range(2))
    weight = random.uniform(0.35, 0.65, (count, 1, 1)).astype(np.float32)
    noise = scipy.ndimage.gaussian_filter(random.normal(0, 1, (count, 32, 32)).astype(np.float32), (0, 2, 2))
    blends = np.clip(one * weight + other * (1 - weight) + 120 * noise, 0, 255).astype(np.uint8)
    codes = perceptual_hashes(blends)[0]
    found: dict[str, Any] = {}
    start = time.process_time()
    found["candidates"] = sum(len(query) for query, _ in pairs_within(codes, codes, RADIUS))
    found["one orientation"] = round(time.process_time() - start, 2)
    start = time.process_time()
    blocks = (codes[begin : begin + 64, None] ^ codes[None, :] for begin in range(0, count, 64))
    found["candidates of all pairs"] = sum(int((np.bitwise_count(block) <= RADIUS).sum()) for block in blocks)
    found["all pairs"] = round(time.process_time() - start, 2)
    start = time.process_time()
    near_pairs(blends)
    found["eight orientations, with correlations"] = round(time.process_time() - start, 2)
    return found


def _images(folder: Path | None) -> list[bytes]:
    if folder is None:
        return [sample.images[0] for sample in PhantomSource(1_000)]
    return [path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix.lower() in (".jpg", ".jpeg", ".png")]


def _encoded(image: Image.Image, quality: int | None) -> bytes:
    stream = io.BytesIO()
    if quality is None:
        image.save(stream, "PNG")
    else:
        image.save(stream, "JPEG", quality=quality)
    return stream.getvalue()


if __name__ == "__main__":
    sys.exit(main())
