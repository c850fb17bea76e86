"""Sums and counts by key, so that means are computed only after summing over all ranks."""

import math
from collections.abc import Iterable, Mapping, Sequence

from medix.modality import TEXT_ONLY
from medix.types import ScoredGroup, Status, Verdict


class Tally:
    """Sums and counts by key. Tallies of ranks are merged by addition; a mean over no observations is NaN.

    Args:
        entries: sum and count by key.
    """

    def __init__(self, entries: Mapping[str, tuple[float, float]] | None = None) -> None:
        self.entries = dict(entries or {})

    def add(self, key: str, value: float, count: float = 1) -> None:
        """Add the sum of ``count`` observations; ``add(key, 0, 0)`` only registers the key."""
        total, seen = self.entries.get(key, (0.0, 0.0))
        self.entries[key] = (total + value, seen + count)

    def means(self) -> dict[str, float]:
        """Mean by key, in sorted order; NaN without observations."""
        return {key: total / count if count else math.nan for key, (total, count) in sorted(self.entries.items())}

    def total(self, key: str) -> float:
        """Sum of a key; 0 for an unknown key."""
        return self.entries.get(key, (0.0, 0.0))[0]

    @classmethod
    def merged(cls, tallies: "Iterable[Tally]") -> "Tally":
        """The sum of several tallies."""
        result = cls()
        for tally in tallies:
            for key, (total, count) in tally.entries.items():
                result.add(key, total, count)
        return result


def reward_tally(groups: Sequence[ScoredGroup]) -> Tally:
    """Totals and components by the keys of ``RewardSuite.compute``.

    ``reward/total``, ``reward/<component>``, both also with ``/<modality>`` and ``/unscored`` (share of the rows a
    component applies to).
    """
    tally = Tally()
    for group in groups:
        modality = group.rollout.prompt.sample.modality or TEXT_ONLY
        for scores in group.scores:
            unscored = math.isnan(scores.total)
            _add(tally, "total", modality, scores.total, unscored=unscored)
            for name, entry in scores.components.items():
                if entry.status_in_means is not Status.NOT_APPLICABLE:
                    _add(tally, name, modality, entry.value, unscored=entry.status is Status.UNSCORED)
    return tally


def _add(tally: Tally, name: str, modality: str, value: float, *, unscored: bool) -> None:
    tally.add(f"reward/{name}/unscored", float(unscored))
    for key in (f"reward/{name}", f"reward/{name}/{modality}"):
        tally.add(key, 0.0 if unscored else value, 0 if unscored else 1)


def judge_tally(groups: Sequence[ScoredGroup]) -> Tally:
    """Statistics of the judge over the judged rows.

    ``judge/unscored`` share of rows without a verdict; ``judge/distinct`` questions over rows (members of a group often
    agree, and the same question is asked once); of these, ``judge/cached`` share that was looked up,
    ``judge/seconds`` mean time to a verdict that was not, ``judge/confidence`` mean probability of the verdict where
    the judge gave one. Without a judged row all are NaN.
    """
    tally = Tally()
    seen: set[int] = set()
    for key in ("unscored", "distinct", "cached", "seconds", "confidence"):
        tally.add(f"judge/{key}", 0.0, 0)
    for group in groups:
        for scores in group.scores:
            for entry in scores.components.values():
                if entry.verdict is not None:
                    # rows with one question share one verdict object
                    _add_verdict(tally, entry.verdict, is_first=id(entry.verdict) not in seen)
                    seen.add(id(entry.verdict))
    return tally


def _add_verdict(tally: Tally, verdict: Verdict, *, is_first: bool) -> None:
    tally.add("judge/unscored", float(not verdict.is_scored))
    tally.add("judge/distinct", float(is_first))
    if not is_first:
        return
    tally.add("judge/cached", float(verdict.is_cached))
    if not verdict.is_cached:
        tally.add("judge/seconds", verdict.latency)
    if verdict.confidence is not None:
        tally.add("judge/confidence", verdict.confidence)


def signal_tally(groups: Sequence[ScoredGroup]) -> Tally:
    """Statistics of the training signal in the groups of a step.

    ``signal/without`` share of groups without an advantage because totals do not differ, ``signal/spread`` mean
    (population) standard deviation of totals in the groups with two or more, ``signal/without/<component>`` share of
    groups in which the values of a component do not differ, ``signal/logprob`` mean log-probability per sampled token,
    ``signal/tokens`` completion tokens, ``signal/truncated`` and ``signal/duplicates`` shares of completions.
    """
    tally = Tally()
    for group in groups:
        totals = [total for total in group.totals if not math.isnan(total)]
        signals = [signal for signal in group.signals if not math.isnan(signal)]
        tally.add("signal/without", float(not has_spread(signals)))
        is_group = len(totals) > 1
        tally.add("signal/spread", _deviation(totals) if is_group else 0, int(is_group))
        for name in group.scores[0].components if group.scores else ():
            values = [scores.components[name].value for scores in group.scores if name in scores.components]
            values = [value for value in values if not math.isnan(value)]
            if len(values) > 1:
                tally.add(f"signal/without/{name}", float(not has_spread(values)))
        texts: set[str] = set()
        for completion in group.rollout.completions:
            tally.add("signal/logprob", sum(completion.logprobs), len(completion.logprobs))
            tally.add("signal/tokens", len(completion.token_ids))
            tally.add("signal/truncated", float(completion.is_truncated))
            tally.add("signal/duplicates", float(completion.text in texts))
            texts.add(completion.text)
    return tally


def has_spread(totals: Sequence[float]) -> bool:
    """Whether totals differ by more than rounding errors; False for fewer than two totals."""
    return len(totals) > 1 and max(totals) - min(totals) > 1e-9


def constant_components(steps: Sequence[Mapping[str, float]]) -> list[str]:
    """A sentence for each component whose values never differed within a group, so that it taught nothing."""
    prefix = "signal/without/"
    sentences = []
    for name in sorted({key.removeprefix(prefix) for step in steps for key in step if key.startswith(prefix)}):
        shares = [step[f"{prefix}{name}"] for step in steps if f"{prefix}{name}" in step]
        if min(shares) == 1:
            means = [step[f"reward/{name}"] for step in steps if f"reward/{name}" in step]
            value = f" (always {means[0]:.3f})" if means and max(means) - min(means) < 1e-9 else ""
            sentences.append(
                f"Reward component {name} was the same for all completions of a group in each of {len(shares)} "
                f"steps{value}: it taught nothing."
            )
    return sentences


def _deviation(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
