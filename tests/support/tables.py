"""Small tables in the columns and types in which dataset hubs have them."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet
from PIL import Image

from medix.data.sources.table import Table
from medix.data.sources.table_row import TableRow
from medix.data.sources.table_schema import Columns, TableData


def image(kind: str = "RGB", seed: int = 0, size: int = 24, form: str = "PNG") -> bytes:
    """An encoded image of noise in a mode of Pillow."""
    noise = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(noise).convert(kind).save(stream, form)
    return stream.getvalue()


def parquet(path: Path, rows: Sequence[Mapping[str, Any]], **features: Any) -> Path:
    """A Parquet file as ``datasets`` writes it, with the types of some columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = datasets.Dataset.from_list([dict(row) for row in rows])
    for column, feature in features.items():
        table = table.cast_column(column, feature)
    pyarrow.parquet.write_table(table.data.table.replace_schema_metadata(table.features.arrow_schema.metadata), path)
    return path


def jsonl(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


MMLU = [
    {"question": "Largest organ?", "subject": "anatomy", "choices": ["liver", "skin", "lung", "heart"], "answer": 1},
    {"question": "Smallest bone?", "subject": "anatomy", "choices": ["stapes", "femur", "ulna", "rib"], "answer": 0},
    {"question": "Cranial nerves?", "subject": "anatomy", "choices": ["10 pairs", "11", "12 pairs", "31"], "answer": 2},
]


def mmlu(folder: Path, rows: Sequence[Mapping[str, Any]] = MMLU) -> Path:
    """The task ``mmlu_anatomy`` in a few rows."""
    labels = datasets.ClassLabel(names=["A", "B", "C", "D"])
    parquet(folder / "mmlu" / "anatomy" / "test.parquet", rows, answer=labels)
    return folder


SLAKE = [
    ("Which organ is this?", "Lung", "en", "CT", "OPEN"),
    ("Is it normal?", "No", "en", "CT", "CLOSED"),
    ("这是什么?", "肺", "zh", "CT", "OPEN"),
    ("How many kidneys?", "2", "en", "MRI", "OPEN"),
]


def slake(folder: Path, images: bool = True) -> Path:
    """The task ``slake_vqa``: three English rows on two images, one of them CMYK."""
    rows = [
        {"img_name": f"xmlab{number // 3}/source.jpg", "question": question, "answer": answer, "q_lang": language,
         "modality": modality, "answer_type": kind, "location": "Lung", "content_type": "Organ", "qid": 100 + number}
        for number, (question, answer, language, modality, kind) in enumerate(SLAKE)
    ]  # fmt: skip
    jsonl(folder / "slake" / "test.jsonl", rows)
    for number in range(2 if images else 0):
        path = folder / "slake" / "imgs" / f"xmlab{number}" / "source.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image("CMYK" if number else "RGB", number, form="JPEG"))
    return folder


def row_of(folder: Path, cells: dict[str, Any], columns: Columns, **data: Any) -> TableRow:
    """The row of a table of one row, as JSON lines."""
    jsonl(folder / "t.jsonl", [cells])
    (found,) = Table(TableData(columns, **data), "t", folder)
    return found
