"""Which records are of one completion, of one sample, or of different samples with one id."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace

from medix.reporting.record import CompletionKey, CompletionRecord
from medix.types import SampleKey

_LOG = logging.getLogger(__name__)
_MAX_NAMES = 5


def unique(records: Iterable[CompletionRecord]) -> list[CompletionRecord]:
    """The completions of all ranks, ordered by sample and index.

    A sample that was read twice is counted once, with its first completions in the order of the data, whichever rank
    sampled them.

    Raises:
        ValueError: an id is used by different samples of one data set.
    """
    found: dict[CompletionKey, CompletionRecord] = {}
    conflicts: dict[SampleKey, None] = {}
    repeated = 0
    for record in records:
        if record.key not in found:
            found[record.key] = record
            continue
        repeated += 1
        if _content(found[record.key]) != _content(record):
            conflicts[record.sample_key] = None
        if record.position < found[record.key].position:
            found[record.key] = record
    if conflicts:
        raise ValueError(
            f"{len(conflicts)} ids are used by different samples of one data set: {_listed(conflicts)}. Give the "
            "manifests that they come from different values of `dataset`"
        )
    if repeated:
        _LOG.warning("%d completions are of samples that were read twice; each sample is counted once", repeated)
    return [found[key] for key in sorted(found)]


def distinct(records: Iterable[CompletionRecord], name: str) -> list[CompletionRecord]:
    """The completions of one file, each of which stands there once, ordered by step, sample and index.

    In training, one sample may be drawn several times, also within a step: its draws differ in their position.

    Args:
        records: the completions.
        name: name of the file, for messages.

    Raises:
        ValueError: a completion occurs more than once, so that it is ambiguous.
    """
    found: dict[tuple[int, CompletionKey, int], CompletionRecord] = {}
    repeated: dict[SampleKey, None] = {}
    lines = 0
    for record in records:
        lines += 1
        key = record.step, record.key, record.position if record.split == "train" else -1
        if key in found:
            repeated[record.sample_key] = None
        found[key] = record
    if repeated:
        raise ValueError(
            f"{name}: {lines - len(found)} of {lines} completions repeat the step, data set, id and index of another, "
            f"of samples {_listed(repeated)}. Give a file with each completion once; if one id is used by different "
            "samples, give their manifests different values of `dataset` and validate again"
        )
    return [found[key] for key in sorted(found)]


def dataset_by_id(records: Iterable[CompletionRecord]) -> dict[str, str]:
    """The data set of each id that occurs in only one data set."""
    found: dict[str, set[str]] = {}
    for record in records:
        found.setdefault(record.id, set()).add(record.dataset)
    return {name: next(iter(datasets)) for name, datasets in found.items() if len(datasets) == 1}


def with_datasets(
    records: Sequence[CompletionRecord], others: Iterable[CompletionRecord]
) -> Sequence[CompletionRecord]:
    """Fill in missing data sets of records, where only one data set in ``others`` has a sample with the same id.

    Records written before data sets were recorded have none. Other records do not change.
    """
    if all(record.dataset for record in records):
        return records
    known = dataset_by_id(others)
    return [record if record.dataset else replace(record, dataset=known.get(record.id, "")) for record in records]


def _content(record: CompletionRecord) -> tuple[object, ...]:
    """Contents of a sample, to detect different samples with the same identity."""
    return record.question, record.reference, record.image_ids


def _listed(samples: Iterable[SampleKey]) -> str:
    names = [f"{dataset}: {name}" if dataset else name for dataset, name in samples]
    return ", ".join(names[:_MAX_NAMES]) + (", …" if len(names) > _MAX_NAMES else "")
