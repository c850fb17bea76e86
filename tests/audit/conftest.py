"""A small data set with planted faults, audited once."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from medix.audit.audit import Audit, audit
from medix.audit.rows import AuditRow
from medix.commands.progress import progress
from medix.data.manifest import DataStatement, Manifest, ShardEntry
from medix.data.sources.phantoms import PhantomSource
from medix.evaluation.tasks.loader import LoadedTask
from medix.modality import TEXT_ONLY
from medix.types import Sample
from tests.data.conftest import write as write
from tests.data.conftest import write_shards
from tests.support.encoders import WordEncoder
from tests.support.evaluations import item, loaded, picture

LONG = "In which half of this long question about a generated picture does the bright spot stand out"
"""17 words: five runs of 13."""


def jpeg(image: bytes, quality: int = 60) -> bytes:
    """The image encoded again."""
    stream = io.BytesIO()
    Image.open(io.BytesIO(image)).convert("L").save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def mirrored(image: bytes) -> bytes:
    """The image with left and right exchanged."""
    stream = io.BytesIO()
    Image.open(io.BytesIO(image)).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(stream, "PNG")
    return stream.getvalue()


def row(number: int, split: str = "train", *, is_against: bool = False, **fields: object) -> AuditRow:
    """A row without a shard: ``pictures`` among the fields are numbers."""
    pictures = fields.pop("pictures", ())
    given = {"id": f"{number}", "question": "q", "reference": "r", "modality": "CT_SCAN", "dataset": "d", **fields}
    sample = Sample(**given)  # type: ignore[arg-type]
    shard = ShardEntry("a.tar", "0" * 64, 1, 1)
    manifest = Manifest(split, sample.modality or TEXT_ONLY, "CC0", "none", (shard,), dataset=sample.dataset)
    return AuditRow(sample, split, is_against, tuple(pictures), manifest)  # type: ignore[arg-type]


def planted_samples() -> tuple[list[Sample], list[Sample]]:
    """Twelve training and four validation samples, no two of a case unless said.

    Of training, 1 is 0 encoded again, 3 is 2 mirrored, 4 and 5 have one file and one case, 6 speaks of Hounsfield units
    on an X-ray, 7 has 13 words in a row of an item. Validation 0 is the file of training 8, and 1 is training 9
    encoded again.
    """
    base = [replace(sample, aliases=()) for sample in PhantomSource(12)]
    train = list(base)
    train[1] = replace(train[1], images=(jpeg(base[0].images[0]),), modality=base[0].modality)
    train[3] = replace(train[3], images=(mirrored(base[2].images[0]),), modality=base[2].modality)
    train[5] = replace(train[5], images=base[4].images, case=base[4].case, modality=base[4].modality)
    train[6] = replace(train[6], modality="X_RAY", reference="a mass of 40 Hounsfield units")
    train[7] = replace(train[7], question=f"{LONG}?")
    val = [replace(sample, aliases=()) for sample in PhantomSource(4, split="val")]
    val[0] = replace(val[0], images=base[8].images, modality=base[8].modality)
    val[1] = replace(val[1], images=(jpeg(base[9].images[0]),), modality=base[9].modality)
    return train, val


def planted_task(train: list[Sample]) -> LoadedTask:
    """Five items: training 10 itself, another question on the image of 11 (mirrored), 13 words of 7, and two others."""
    return loaded(
        item("same", train[10].question, images=(picture("a", train[10].images[0]),)),
        item("image", "Is there an artefact?", images=(picture("b", mirrored(train[11].images[0])),)),
        item("words", f"Once more. {LONG.upper()}, or does it not?"),
        item("other", "Which bone is broken?"),
        item("new", "Anything?", images=(picture("c", PhantomSource(1, seed=9)[0].images[0]),)),
        name="planted",
    )


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of training and validation."""
    folders = tuple(tmp_path_factory.mktemp(name) for name in ("train", "val"))
    for folder, samples in zip(folders, planted_samples(), strict=True):
        name = folder.name.rstrip("0123456789")
        write_shards(samples, folder, DataStatement(name, "CC0-1.0", "nobody is shown", dataset="planted"))
    return folders


@pytest.fixture(scope="session")
def audited(planted: tuple[Path, Path]) -> Audit:
    """The audit of training, compared with validation and the task."""
    train, val = ([Manifest.read(path) for path in sorted(folder.glob("*.yaml"))] for folder in planted)
    task = planted_task(planted_samples()[0])
    return audit(
        train, val, [task], WordEncoder(), progress, not_compared={"gone": "no file"}, facts={"Data": "planted"}
    )
