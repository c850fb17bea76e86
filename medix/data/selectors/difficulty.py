"""Draws by the difficulty of samples, known from rewards that were recorded before."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medix.data.selectors.curriculum import CurriculumSelector, Milestone
from medix.data.selectors.part import Label
from medix.data.split_rows import RowReader
from medix.data.stream import Stream
from medix.files.text_lines import read_lines
from medix.types import SampleKey

UNKNOWN = "unknown"
"""The level of samples without a recorded reward."""

_TIE = 1e-9
"""Rewards nearer than this are equal: the same weights summed in another order differ by about 1e-16."""


class DifficultySelector(CurriculumSelector):
    """Draws by weights of levels of difficulty that are a function of the step.

    The difficulty of a sample is its mean recorded reward. Samples with a record are sorted by it and split into
    ``levels`` of equal size, from ``1``, the highest rewards, on; equal rewards (to 1e-9) are never split, so that
    levels may differ in size or be empty. Samples without a record are at the level ``unknown``.

    Ids are read from the index of the shards (``python -m medix shards index``).

    Args:
        records: files of completion records, such as ``completions/train.rank0.jsonl`` of an earlier run, with one of
            each rank; lines with ``dataset``, ``id`` and ``total``.
        milestones: weights by ``level`` at steps, in increasing order of their steps.
        levels: number of levels.
        exponent: as in ``MixtureSelector``.
    """

    _axes_known = ("level",)

    def __init__(
        self, records: Sequence[str], milestones: Sequence[Milestone], levels: int = 4, exponent: float = 1.0
    ) -> None:
        super().__init__(milestones, exponent)
        if levels < 2:
            raise ValueError(f"data.selector.levels: {levels}; give 2 or more")
        if not records:
            raise ValueError("data.selector.records: no file is given; list files of completion records")
        known = {*map(str, range(1, levels + 1)), UNKNOWN}
        if unknown := self._names("level") - known:
            raise ValueError(
                f'data.selector.milestones.level: {", ".join(map(str, unknown))}; give "1" to "{levels}", or {UNKNOWN}'
            )
        self.records = tuple(records)
        self.level_count = levels
        self.axes = ("level",)

    def labels(self, stream: Stream) -> list[dict[Label, NDArray[np.intp]]]:
        """Split by level.

        Raises:
            ValueError: a file of records cannot be read, or the ids of some samples are not known.
        """
        rewards = mean_rewards(self.records)
        reader = RowReader()
        keys: list[list[SampleKey]] = []
        for shard, ordinals, rows in reader.of_shards("train", stream):
            found = [rows[ordinal].id for ordinal in ordinals.tolist()] if rows else []
            keys.append([(shard.manifest.dataset, name) for name in found])
        if missing := reader.missing["train"]:
            raise ValueError(f"data.selector: the ids of some samples are not known: {'; '.join(missing)}")
        present = {key: rewards[key] for of_shard in keys for key in of_shard if key in rewards}
        if not present:
            raise ValueError(
                f"data.selector.records: {', '.join(self.records)} has no reward of a training sample; give records of "
                "the same data sets and ids"
            )
        level = levels_of(present, self.level_count)
        positions: list[dict[Label, list[int]]] = []
        for of_shard in keys:
            by_level: dict[Label, list[int]] = {}
            for position, key in enumerate(of_shard):
                by_level.setdefault((level.get(key, UNKNOWN),), []).append(position)
            positions.append(by_level)
        return [{label: np.array(found, dtype=np.intp) for label, found in part.items()} for part in positions]

    def remarks(self) -> list[str]:
        """Also how many samples are at the level ``unknown``, by modality."""
        unknown, total = Counter[str](), Counter[str]()
        for part in self.parts:
            for shard, count in part.counts.items():
                modality = self.stream.shards.shards[shard].manifest.modality
                total[modality] += count
                unknown[modality] += count if part.label == (UNKNOWN,) else 0
        if not unknown.total():
            return super().remarks()
        by_modality = ", ".join(f"{name} {unknown[name]:,} of {total[name]:,}" for name in sorted(total))
        return [
            *super().remarks(),
            f"data.selector.records has no reward of {unknown.total():,} of {total.total():,} training samples, which "
            f"are at level {UNKNOWN}: {by_modality}",
        ]

    def settings(self) -> dict[str, Any]:
        """Milestones, levels and exponent; the state says which samples are at which level."""
        return super().settings() | {"levels": self.level_count}


def mean_rewards(files: Sequence[str]) -> dict[SampleKey, float]:
    """Mean recorded total of every sample; unscored completions do not count.

    Raises:
        ValueError: a file cannot be read, or a line is not a completion record.
    """
    totals: dict[SampleKey, list[float]] = defaultdict(list)
    for name in files:
        for key, total in _totals(Path(name)):
            totals[key].append(total)
    return {key: math.fsum(found) / len(found) for key, found in totals.items()}  # in any order of the lines


def levels_of(rewards: dict[SampleKey, float], levels: int) -> dict[SampleKey, str]:
    """Level by sample, ``1`` for the highest rewards.

    A sample is at level ``1 + floor(levels * h / n)`` of n samples, h of which have a higher reward. Rewards that are
    less than 1e-9 below the next higher one are equal to it.
    """
    ordered = sorted(rewards.values(), reverse=True)
    higher: dict[float, int] = {}
    before, first = math.inf, 0
    for rank, reward in enumerate(ordered):
        if before - reward >= _TIE:
            first = rank
        higher[reward] = first
        before = reward
    return {key: str(1 + levels * higher[reward] // len(ordered)) for key, reward in rewards.items()}


def _totals(path: Path) -> Iterator[tuple[SampleKey, float]]:
    try:
        for line in read_lines(path):
            try:
                row = json.loads(line.text)
                dataset, name, total = row.get("dataset", ""), row["id"], row.get("total")
            except (ValueError, KeyError, AttributeError) as error:
                if not line.is_ended:  # cut by a crash
                    return
                raise ValueError(
                    f"data.selector.records: {path}, line {line.number}: not a completion record; give files of "
                    "completions/ in the folder of a run"
                ) from error
            if isinstance(total, int | float) and math.isfinite(total):
                yield (str(dataset), str(name)), float(total)
    except OSError as error:
        raise ValueError(f"data.selector.records: {path}: {error.strerror}; correct the path") from error
