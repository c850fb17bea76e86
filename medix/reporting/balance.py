"""What training has drawn of each modality, source and data set, and what was learnt there."""

import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, NamedTuple

from medix.modality import TEXT_ONLY
from medix.reporting.table import MISSING, Table, number
from medix.types import SampleKey, ScoredGroup

KINDS = ("modality", "source", "dataset")
WINDOW = 10
"""Steps at each end of a run over which rewards are averaged."""

_TITLES = {"": "All", "modality": "{}", "source": "source {}", "dataset": "data set {}"}  # else kind and name

Slice = tuple[str, str]
"""Kind and name, such as ``("modality", "CT_SCAN")``; ``("", "")`` is everything. Further kinds are subgroups."""


class GroupRow(NamedTuple):
    """What is told of one group, over ranks.

    Attributes:
        dataset, id, source, modality: of its sample.
        subgroup: further kinds and names of it, from ``Sample.subgroup``.
        total: sum of the totals of its completions that are scored.
        scored: their number.
    """

    dataset: str
    id: str
    source: str
    modality: str
    subgroup: tuple[Slice, ...] = ()
    total: float = 0.0
    scored: int = 0

    @classmethod
    def of(cls, group: ScoredGroup) -> "GroupRow":
        """The row of a group."""
        sample = group.rollout.prompt.sample
        totals = [total for total in group.totals if not math.isnan(total)]
        modality = sample.modality or TEXT_ONLY
        subgroup = tuple(sample.subgroup.items())
        return cls(sample.dataset, sample.id, sample.source, modality, subgroup, math.fsum(totals), len(totals))

    @property
    def key(self) -> SampleKey:
        """Identity of the sample."""
        return self.dataset, self.id

    def slices(self) -> Iterator[Slice]:
        """Everything, its modality, source, data set and subgroups; an empty name is none."""
        yield "", ""
        for kind in KINDS:
            if name := getattr(self, kind):
                yield kind, name
        yield from ((kind, name) for kind, name in self.subgroup if name)


@dataclass
class _Counts:
    """Of one slice.

    Attributes:
        groups: that were scored.
        trained: groups that were trained on.
        first, last: sum and number of totals in the first and in the last steps that drew from it.
    """

    groups: int = 0
    trained: int = 0
    first: list[tuple[float, int]] = field(default_factory=list)
    last: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    steps: int = 0

    def rewards(self) -> tuple[float | None, float | None]:
        """Mean total in the first and in the last steps: ten, or half of them if there are fewer than twenty."""
        length = min(WINDOW, self.steps // 2)
        return _mean(self.first[:length]), _mean(list(self.last)[len(self.last) - length :] if length else [])


class Balance:
    """Counts groups by slice over the steps of a run; is part of the checkpoint."""

    def __init__(self) -> None:
        self._counts: dict[Slice, _Counts] = {}
        self._seen: dict[SampleKey, tuple[GroupRow, int]] = {}  # without its totals; number of groups
        self.bad_shards: Counter[str] = Counter()
        """Samples that were left out, by shard."""
        self._rewards, self._sampled_by = "", ""
        self._other_rewards_until, self._other_sampling_until = 0, 0

    def add(
        self, scored: Iterable[GroupRow], trained: Iterable[GroupRow], bad_shards: Mapping[str, int] | None = None
    ) -> None:
        """Add a step.

        Args:
            scored: every group scored for it, on any rank.
            trained: the groups that it trained on.
            bad_shards: samples that were left out because their shard cannot be read, by shard.
        """
        sums: dict[Slice, tuple[float, int]] = {}
        for row in scored:
            _, groups = self._seen.get(row.key, (row, 0))
            self._seen[row.key] = row._replace(total=0.0, scored=0), groups + 1
            for name in row.slices():
                self._counts.setdefault(name, _Counts()).groups += 1
                total, count = sums.get(name, (0.0, 0))
                sums[name] = total + row.total, count + row.scored
        for name, entry in sums.items():
            counts = self._counts[name]
            counts.steps += 1
            counts.last.append(entry)
            if len(counts.first) < WINDOW:
                counts.first.append(entry)
        for row in trained:
            for name in row.slices():
                self._counts.setdefault(name, _Counts()).trained += 1
        self.bad_shards.update(bad_shards or {})

    def use_conditions(self, rewards: str, sampled_by: str, steps: int) -> None:
        """Forget the rewards of earlier steps if others gave them, or if the completions were sampled otherwise.

        First and last rewards are then of one kind.

        Args:
            rewards: identity of rewards and judge from now on; empty if unknown.
            sampled_by: identity of prompts and sampling from now on, likewise.
            steps: number of finished steps.
        """
        if self._rewards and rewards not in ("", self._rewards):
            self._forget_rewards()
            self._other_rewards_until = steps
        if self._sampled_by and sampled_by not in ("", self._sampled_by):
            self._forget_rewards()
            self._other_sampling_until = steps
        self._rewards, self._sampled_by = rewards or self._rewards, sampled_by or self._sampled_by

    def _forget_rewards(self) -> None:
        for counts in self._counts.values():
            counts.first, counts.steps = [], 0
            counts.last.clear()

    def rows(self, sizes: Mapping[Slice, int]) -> list[dict[str, Any]]:
        """One row of plain numbers for everything, then for each slice.

        Args:
            sizes: number of training samples by slice, as far as it is known.
        """
        kinds = dict.fromkeys(["", *KINDS, *(kind for kind, _ in self._counts)])
        order = {kind: place for place, kind in enumerate(kinds)}
        seen: dict[Slice, list[int]] = {name: [] for name in self._counts}
        for row, groups in self._seen.values():
            for name in row.slices():
                seen[name].append(groups)
        return [
            _row(name, self._counts[name], sorted(seen[name]), sizes.get(name))
            for name in sorted(self._counts, key=lambda name: (order[name[0]], name[1]))
        ]

    def notes(self) -> list[str]:
        """A sentence on steps with other rewards or sampling, and one for each shard whose samples were left out."""
        of_later = "curves have them too, first and last rewards of the training data are those of later steps."
        changed = {
            "were given by other rewards or another judge": self._other_rewards_until,
            "were for other prompts or another sampling": self._other_sampling_until,
        }
        told = [f"Training rewards up to step {until} {how}: {of_later}" for how, until in changed.items() if until]
        return told + [
            f"{count:,} samples of {shard} were left out of training: the shard cannot be read "
            "(data.on_bad_shard: skip)."
            for shard, count in sorted(self.bad_shards.items())
        ]

    def state_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "bad_shards": dict(self.bad_shards),
            "rewards": self._rewards,
            "other_rewards_until": self._other_rewards_until,
            "sampled_by": self._sampled_by,
            "other_sampling_until": self._other_sampling_until,
            "seen": [
                [row.dataset, row.id, row.source, row.modality, groups, [list(one) for one in row.subgroup]]
                for row, groups in self._seen.values()
            ],
            "counts": [
                {
                    "slice": list(name),
                    "groups": counts.groups,
                    "trained": counts.trained,
                    "first": [list(entry) for entry in counts.first],
                    "last": [list(entry) for entry in counts.last],
                    "steps": counts.steps,
                }
                for name, counts in self._counts.items()
            ],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Balance":
        """The inverse of ``state_dict``."""
        balance = cls()
        balance.bad_shards.update(state["bad_shards"])
        balance._rewards = state.get("rewards", "")
        balance._other_rewards_until = state.get("other_rewards_until", 0)
        balance._sampled_by = state.get("sampled_by", "")
        balance._other_sampling_until = state.get("other_sampling_until", 0)
        for dataset, sample, source, modality, groups, *subgroup in state["seen"]:
            pairs = tuple((kind, name) for kind, name in (subgroup[0] if subgroup else ()))
            balance._seen[dataset, sample] = GroupRow(dataset, sample, source, modality, pairs), groups
        for entry in state["counts"]:
            balance._counts[(entry["slice"][0], entry["slice"][1])] = _Counts(
                entry["groups"],
                entry["trained"],
                [(total, count) for total, count in entry["first"]],
                deque(((total, count) for total, count in entry["last"]), maxlen=WINDOW),
                entry["steps"],
            )
        return balance


def balance_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The table of ``Balance.rows``."""
    heads = ["", "Samples drawn", "Groups", "Groups of a sample: min / median / max", "Trained groups"]
    heads += ["First reward", "Last reward"]
    cells = []
    for row in rows:
        drawn = f"{row['drawn']:,}" + (f" of {row['samples']:,}" if row["samples"] is not None else "")
        least = MISSING if row["min"] is None else str(row["min"])
        middle = MISSING if row["median"] is None else f"{row['median']:g}"
        share = number(row["trained"] / row["groups"] if row["groups"] else None, percent=True)
        trained = f"{row['trained']:,} ({share})"
        kind, name = row["kind"], row["name"]
        name = _TITLES[kind].format(name) if kind in _TITLES else f"{kind} {name}"
        seen = f"{least} / {middle} / {row['max']}"
        rewards = number(row["first"]), number(row["last"])
        cells.append([name, drawn, f"{row['groups']:,}", seen, trained, *rewards])
    return Table("Training data: what was drawn, and the mean reward of its groups", heads, cells)


def _row(name: Slice, counts: _Counts, seen: list[int], size: int | None) -> dict[str, Any]:
    """One row.

    Args:
        name: of the slice.
        counts: of the slice.
        seen: groups of each sample that was drawn, in increasing order.
        size: samples of the slice; None if unknown.
    """
    known = size is not None and size >= len(seen)
    every = [0] * (size - len(seen)) + seen if size is not None and known else []
    first, last = counts.rewards()
    return {
        "kind": name[0],
        "name": name[1],
        "samples": size if known else None,
        "drawn": len(seen),
        "groups": counts.groups,
        "min": every[0] if every else None,
        "median": median(every) if every else None,
        "max": max(seen, default=0),
        "trained": counts.trained,
        "first": first,
        "last": last,
    }


def _mean(entries: Sequence[tuple[float, int]]) -> float | None:
    count = sum(count for _, count in entries)
    return math.fsum(total for total, _ in entries) / count if count else None
