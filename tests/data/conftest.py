"""Small data sets and a tiny processor."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from medix.data.build import write_shards
from medix.data.manifest import DataStatement, Manifest
from medix.types import Sample


def picture(shade: int = 128, size: tuple[int, int] = (40, 36), kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (shade, shade, 255 - shade)).save(stream, kind)
    return stream.getvalue()


def make_sample(number: int, modality: str | None = "CT_SCAN", images: int = 1) -> Sample:
    return Sample(
        id=f"row.{number}",
        question=f"What is seen in picture {number}?",
        reference=f"finding {number}",
        modality=modality,
        images=tuple(picture((7 * number + i) % 256) for i in range(images if modality else 0)),
        source="made",
        case=f"case {number // 2}",
        dataset="made",
    )


STATEMENT = DataStatement("made", "CC0-1.0", "nobody is shown")

Writer = Callable[..., tuple[Manifest, ...]]


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Writes samples: counts per modality, or samples themselves."""

    def _write(
        counts: dict[str | None, int] | Sequence[Sample], per_shard: int = 4, folder: str = "shards"
    ) -> tuple[Manifest, ...]:
        if isinstance(counts, dict):
            modalities = [modality for modality, count in counts.items() for _ in range(count)]
            samples: Sequence[Sample] = [make_sample(i, modality) for i, modality in enumerate(modalities)]
        else:
            samples = counts
        return write_shards(samples, tmp_path / folder, STATEMENT, per_shard)

    return _write


@pytest.fixture(scope="session")
def processor(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoProcessor

    from medix.policy.tiny import build_tiny

    return AutoProcessor.from_pretrained(build_tiny("qwen3_vl", tmp_path_factory.mktemp("qwen")))
