"""``python -m medix shards show``: counts and samples of shards."""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from PIL import Image, ImageDraw
from rich.table import Table

from medix.commands.manifest_table import manifest_table
from medix.commands.parser import CommandParser
from medix.commands.progress import tracked
from medix.data.manifest import Manifest, read_manifests
from medix.data.picture import PictureReader
from medix.data.shards import Shard
from medix.plain_console import PlainConsole
from medix.types import Cluster, Sample
from medix.visible_text import visible


def add_show(parser: CommandParser) -> None:
    """Add the arguments."""
    parser.add_argument("manifests", nargs="+", help="files, folders, or patterns")
    parser.add_argument("--samples", type=int, default=3, help="samples to print per modality")
    parser.add_argument("--images", type=Path, metavar="DIR", help="write a contact sheet per modality there")


def show(arguments: argparse.Namespace) -> int:
    """Print the tables and the samples."""
    console = PlainConsole()
    manifests = read_manifests(arguments.manifests)
    console.print(manifest_table("manifests", manifests))
    counts: Counter[tuple[str, str, str]] = Counter()
    cases: dict[tuple[str, str, str], set[Cluster]] = {}
    picked: dict[str, list[Sample]] = {}
    total = sum(manifest.samples for manifest in manifests)
    for manifest, sample in tracked(_samples(manifests), total, "reading"):
        key = (manifest.modality, sample.dataset, sample.source or "-")
        counts[key] += 1
        cases.setdefault(key, set()).add(sample.cluster)
        chosen = picked.setdefault(manifest.modality, [])
        if len(chosen) < max(arguments.samples, 12 if arguments.images else 0):
            chosen.append(sample)
    table = Table(title="samples", title_justify="left")
    for column in ("modality", "data set", "source", "samples", "cases"):
        table.add_column(column, justify="right" if column in ("samples", "cases") else "left", overflow="fold")
    for key in sorted(counts):
        table.add_row(*key, f"{counts[key]}", f"{len(cases[key])}")
    console.print(table)
    for modality, chosen in picked.items():
        for sample in chosen[: arguments.samples]:
            console.print(_describe(sample), markup=False, highlight=False, soft_wrap=True)
        if arguments.images:
            arguments.images.mkdir(parents=True, exist_ok=True)
            _contact_sheet(chosen, arguments.images / f"{modality.lower()}.png")
    if arguments.images:
        console.print(f"contact sheets: {arguments.images}")
    return 0


def _samples(manifests: Sequence[Manifest]) -> Iterator[tuple[Manifest, Sample]]:
    for manifest in manifests:
        for entry in manifest.shards:
            with closing(Shard(manifest, entry)) as shard:
                for sample in shard:
                    yield manifest, sample


def _describe(sample: Sample) -> str:
    images = f"{len(sample.images)} image{'' if len(sample.images) == 1 else 's'}"
    head = f"\n{sample.id} ({sample.modality or 'text only'}, {images})"
    return visible(f"{head}\n  question:  {sample.question}\n  reference: {sample.reference}")


def _contact_sheet(samples: Sequence[Sample], path: Path, side: int = 192, columns: int = 4) -> None:
    shown = [(sample, sample.images[0]) for sample in samples if sample.images]
    if not shown:
        return
    rows = -(-len(shown) // columns)
    sheet = Image.new("RGB", (columns * (side + 8), rows * (side + 40)), "white")
    pen = ImageDraw.Draw(sheet)
    reader = PictureReader()
    for number, (sample, image) in enumerate(shown):
        left, top = number % columns * (side + 8) + 4, number // columns * (side + 40) + 4
        picture = reader.read(image)
        picture.thumbnail((side, side))
        sheet.paste(picture, (left, top))
        pen.text((left, top + side + 2), f"{sample.question[:36]}\n{sample.reference[:36]}", fill="black")
    sheet.save(path)
