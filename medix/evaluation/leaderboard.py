"""A submission in the layout of the public leaderboard of arXiv:2602.23363."""

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

from medix.atomic_file import write_atomically
from medix.evaluation.folder_score import FolderScore
from medix.evaluation.scored_completion import ScoredCompletion

_DATE = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same results


def write_submission(found: FolderScore, folder: Path) -> Path:
    """Write ``ID_MODEL_submission.zip`` into a folder, and return its path.

    It holds ``results/MODEL/MODEL.jsonl`` (id, question, answer, response, answer_idx), ``MODEL_eval.jsonl`` with the
    score of each row, and ``MODEL_score.txt``. The id of a row is its task with its number, and ID the start of the MD5
    of the model's name, as the public code has them. Deviates: rows without a verdict have the score null, and only the
    first completion of an item is in it.
    """
    name = re.sub(r"[^A-Za-z0-9]", "_", str(found.score.model["name"]).rstrip("/").split("/")[-1]) or "model"
    rows = [
        (f"{task}_{number}", one, found.specs[task]["scoring"] == "rubric")
        for task, completions in found.completions.items()
        for number, one in enumerate(each for each in completions if each.k == 0)
    ]
    results = "\n".join(
        f"{task.name}: {task.whole.scored} of {task.whole.completions} scored, {task.measure} "
        f"{task.scale * task.whole.credit.estimate:.4f}"
        for task in found.score.tasks
    )
    macro = f"Overall: accuracy {found.score.macro.interval.estimate:.4f} over {len(found.score.macro.tasks)} tasks"
    files = {
        f"{name}.jsonl": "".join(_line(_row(key, one)) for key, one, _ in rows),
        f"{name}_eval.jsonl": "".join(
            _line(_row(key, one) | {"evaluation": {"score": _score(one, is_graded)}}) for key, one, is_graded in rows
        ),
        f"{name}_score.txt": f"{results}\n{macro}\n",
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(f"results/{name}/{file}", _DATE), text.encode("utf-8", "replace"))
    digest = hashlib.md5(f"{name}_submission".encode(), usedforsecurity=False).hexdigest()[:8]
    path = folder / f"{digest}_{name}_submission.zip"
    write_atomically(path, stream.getvalue())
    return path


def _row(key: str, one: ScoredCompletion) -> dict[str, Any]:
    return {
        "id": key,
        "question": one.question,
        "answer": one.references[0] if one.references else None,
        "response": one.completion,
        "answer_idx": one.answer_index,
    }


def _score(one: ScoredCompletion, is_graded: bool) -> float | int | None:
    if one.credit is None:
        return None
    return 5 * one.credit if is_graded else int(one.credit >= 0.5)


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"
