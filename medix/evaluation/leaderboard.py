"""A submission in the layout of the public leaderboard of arXiv:2602.23363."""

import hashlib
import io
import json
import math
import re
import zipfile
from pathlib import Path
from typing import Any

from medix.evaluation.folder_score import FolderScore
from medix.evaluation.scored_completion import ScoredCompletion
from medix.files.atomic_file import write_atomically

_DATE = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same results


def write_submission(found: FolderScore, folder: Path) -> Path:
    """Write ``ID_MODEL_submission.zip`` into a folder, and return its path.

    It holds ``results/MODEL/MODEL.jsonl`` (id, question, answer, response, answer_idx), ``MODEL_eval.jsonl`` with the
    score of each row, and ``MODEL_score.txt`` with the means of these. The id of a row is its task with its number, and
    ID the start of the MD5 of the model's name, as the public code has them. Deviates: rows without a verdict have the
    score null, only the first completion of an item is in it, and the overall mean leaves grades out.
    """
    name = re.sub(r"[^A-Za-z0-9]", "_", str(found.score.model["name"]).rstrip("/").split("/")[-1]) or "model"
    rows, results, accuracies = [], [], []
    for task, completions in found.completions.items():
        is_graded = found.specs[task]["scoring"] == "rubric"
        every = [(one, _score(one, is_graded)) for one in completions if one.k == 0]
        rows += [(_row(f"{task}_{number}", one), score) for number, (one, score) in enumerate(every)]
        known = [score for _, score in every if score is not None]
        mean = sum(known) / len(known) if known else math.nan
        measure = "score" if is_graded else "accuracy"
        results.append(f"{task}: {len(known)} of {len(every)} scored, {measure} {mean:.4f}\n")
        accuracies += [mean] if known and not is_graded else []
    overall = f"accuracy {sum(accuracies) / len(accuracies):.4f}" if accuracies else "no accuracy"
    files = {
        f"{name}.jsonl": "".join(_line(row) for row, _ in rows),
        f"{name}_eval.jsonl": "".join(_line(row | {"evaluation": {"score": score}}) for row, score in rows),
        f"{name}_score.txt": f"{''.join(results)}Overall: {overall} over {len(accuracies)} tasks\n",
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for file, text in files.items():
            entry = zipfile.ZipInfo(f"results/{name}/{file}", _DATE)
            archive.writestr(entry, text.encode("utf-8", "replace"), zipfile.ZIP_DEFLATED)
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
