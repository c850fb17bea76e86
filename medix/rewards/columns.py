"""The columns of a reward batch: one entry per completion in each, checked before anything is scored."""

from collections.abc import Mapping, Sequence
from typing import Any

from medix.grammar import opening_tag
from medix.modality import ModalitySet
from medix.rewards.base import RewardBatch
from medix.types import Completion, Prompt


def columns_of(rows: Sequence[tuple[Prompt, Completion]]) -> dict[str, Sequence[Any]]:
    """The columns of a reward batch, from prompts and completions."""
    return {
        "completions": [completion.text for _, completion in rows],
        "references": [prompt.sample.reference for prompt, _ in rows],
        "questions": [prompt.sample.question for prompt, _ in rows],
        "modalities": [prompt.sample.modality for prompt, _ in rows],
        "aliases": [prompt.sample.aliases for prompt, _ in rows],
        "sources": [prompt.sample.source for prompt, _ in rows],
        "token_counts": [len(completion.token_ids) for _, completion in rows],
        "truncated": [completion.is_truncated for _, completion in rows],
    }


def check_untagged(name: str, reference: str, modalities: ModalitySet) -> None:
    """Refuse a reference of the public data as it stands there, behind its tag: no answer would equal it.

    Raises:
        ValueError: it opens with a tag of the set, or with one that says that there is no image.
    """
    if modalities.is_tag(tag := opening_tag(reference)):
        raise ValueError(
            f"{name}: {reference!r:.80} opens with the tag {tag}, which would be graded as a part of the answer; give "
            "the text behind it, and the name of the tag as the modality (None for a text-only row)"
        )


def given_batch(columns: Mapping[str, Sequence[Any]], modalities: ModalitySet) -> RewardBatch:
    """Build a reward batch from columns of a caller.

    Raises:
        ValueError: as ``checked_batch`` and ``check_untagged``.
    """
    batch = checked_batch(columns, modalities)
    for row, reference in enumerate(batch.references):
        check_untagged(f"references[{row}]", reference, modalities)
    for row, aliases in enumerate(batch.aliases):
        for alias in aliases:
            check_untagged(f"aliases[{row}]", alias, modalities)
    return batch


def checked_batch(columns: Mapping[str, Sequence[Any]], modalities: ModalitySet) -> RewardBatch:
    """Build a reward batch.

    Raises:
        ValueError: columns of different lengths, an entry of the wrong type, or a modality outside the set.
    """
    single = [name for name, column in columns.items() if isinstance(column, str)]
    if single:
        raise ValueError(f"{', '.join(single)}: a single string was given; give a list with one entry per completion")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        given = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"every column needs one entry per completion; got {given}")
    for name in ("completions", "references", "questions"):
        for row, text in enumerate(columns[name]):
            if not isinstance(text, str):
                raise ValueError(f"{name}[{row}]: {text!r} is not a string; give one, and others as aliases")
    for row, aliases in enumerate(columns["aliases"]):
        if isinstance(aliases, str):
            raise ValueError(f"aliases[{row}]: {aliases!r} is a single string; give a list of strings")
        for alias in aliases:
            if not isinstance(alias, str):
                raise ValueError(f"aliases[{row}]: {alias!r} is not a string")
    for modality in columns["modalities"]:
        if modality is not None:
            modalities.require(modality)
    return RewardBatch(**columns, modality_set=modalities)
