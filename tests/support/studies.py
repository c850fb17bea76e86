"""Studies of a few samples: files of completions, images, databases and ratings."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from medix.studies.preference.database import StudyDatabase
from medix.studies.preference.design import Design
from medix.studies.preference.new_study import NewStudy
from medix.studies.preference.rating import Rating


def picture(shade: int, kind: str = "PNG") -> bytes:
    """An encoded image of one shade."""
    stream = io.BytesIO()
    Image.new("L", (8, 6), shade).save(stream, kind)
    return stream.getvalue()


def line(name: str, answer: str | None = "left", **fields: Any) -> dict[str, Any]:
    """One line of ``predict``; with an image of the folder of ``write_images`` unless fields say otherwise."""
    text = "" if answer is None else f"<answer>{answer}</answer>"
    image = {"images": [f"shards/x.tar/{name}.png"], "image_ids": [digest(picture(shade(name)))]}
    return {
        "dataset": "d", "id": name, "index": 0, "case": "", "modality": "X_RAY", "question": f"Which side, {name}?",
        "completion": f"<X_RAY><think>Seen in {name}: {answer}.</think>{text}", "answer": answer, **image, **fields,
    }  # fmt: skip


def shade(name: str) -> int:
    """The shade of the image of a sample."""
    return hashlib.sha256(name.encode()).digest()[0]


def digest(data: bytes) -> str:
    """As records hold it."""
    return hashlib.sha256(data).hexdigest()[:16]


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write a file of completions."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_images(folder: Path, names: Sequence[str]) -> Path:
    """Write the image of each sample, under a name that says nothing."""
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        (folder / f"{number}.png").write_bytes(picture(shade(name)))
    return folder


def new_study(folder: Path, count: int = 6, models: int = 2, **fields: Any) -> NewStudy:
    """A study of models that answer each sample with their own letter; ``raters`` and the like go to the design."""
    names = [f"s{number}" for number in range(count)]
    files = [
        write_lines(folder / f"secret-model-{letter}.jsonl", [line(name, f"{letter} {name}") for name in names])
        for letter in "ABCD"[:models]
    ]
    own = {name: fields.pop(name) for name in ("with_reasoning", "skip_missing") if name in fields}
    design = Design(**{"raters": 2, "overlap": 2, "seed": 1, **fields})
    return NewStudy(files, [str(path) for path in files], write_images(folder / "images", names), design, **own)


def open_study(folder: Path, **fields: Any) -> tuple[StudyDatabase, list[str]]:
    """A database of ``new_study``, and the tokens of its raters."""
    tokens = new_study(folder, **fields).create(folder / "study.db")
    return StudyDatabase(folder / "study.db"), tokens


def rating(choice: str, case: str = "c", rater: int = 0, comparison: int | None = None, **fields: Any) -> Rating:
    """A rating of two models; of the comparison of the same number as its case, unless that is given."""
    number = int(hashlib.sha256(case.encode()).hexdigest()[:6], 16) if comparison is None else comparison
    told: dict[str, Any] = {"modality": "", "models": (0, 1), "is_swapped": False, **fields}
    return Rating(
        rater=rater, comparison=number, sample=("d", case), cluster=("d", "case", case), choice=choice, **told
    )
