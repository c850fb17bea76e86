"""Completions of an evaluation to look at."""

import hashlib
from collections.abc import Mapping, Sequence

from medix.evaluation.scored_completion import ScoredCompletion
from medix.reporting.evaluation_page import EvaluationItem
from medix.reporting.thumbnail import thumbnail


def chosen_items(
    completions: Mapping[str, Sequence[ScoredCompletion]], limit: int, images: Mapping[str, bytes]
) -> list[EvaluationItem]:
    """A choice of completions, as many of each task, by a hash of their items and not by their results.

    Args:
        completions: by task.
        limit: how many at most.
        images: encoded images by their hash; thumbnails of others are left out.
    """
    queues = [
        [(task, one) for one in sorted(rows, key=lambda one: (_hash(task, one), one.k))]
        for task, rows in completions.items()
    ]
    longest = max(map(len, queues), default=0)
    order = [queue[place] for place in range(longest) for queue in queues if place < len(queue)][:limit]
    position = {task: place for place, task in enumerate(completions)}
    return [_item(task, one, images) for task, one in sorted(order, key=lambda pair: position[pair[0]])]


def _hash(task: str, one: ScoredCompletion) -> str:
    return hashlib.sha256(f"{task}\n{one.item}".encode("utf-8", "surrogatepass")).hexdigest()


def _item(task: str, one: ScoredCompletion, images: Mapping[str, bytes]) -> EvaluationItem:
    if one.credit is None:
        verdict, credit = "unscored", f"unscored: {one.reason}"
    else:
        verdict = {1.0: "right", 0.0: "wrong"}.get(one.credit, "partly")
        credit = {1.0: "YES", 0.0: "NO"}.get(one.credit, f"{one.credit:.2f}")
    hashes = [image.get("sha256", "") for image in one.images]
    at_hand = [thumbnail(images[name]) for name in hashes if name in images]
    return EvaluationItem(
        task=task,
        item=one.item,
        k=one.k,
        modality=one.modality or "",
        question_type=one.question_type,
        source=one.source,
        question=one.question,
        references=one.references,
        answer=one.answer,
        completion=one.completion if one.completion is not None else one.reason,
        verdict=verdict,
        credit=credit,
        judge=one.judge,
        explanation=one.explanation,
        thumbnails=tuple(at_hand),
        images=len(hashes),
    )
