"""Whether a replay gave what is on record."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from medix.reporting.record import CompletionRecord
from medix.studies.replay import Replay

# The limits are for float32. Measured after three steps of the demo with ATEN_CPU_CAPABILITY=default beside AVX-512:
# mean log-probabilities differ by up to 2.7e-7, metrics by 1.2e-7, weights by 2.4e-7.

LOGPROB = 1e-5
"""Largest difference of mean log-probabilities, advantages and scores between processors (``medix.numerics``)."""

METRIC = 1e-4
"""Largest difference of a metric of a step between processors, relative to its size where that exceeds 1."""

WEIGHT = 1e-4
"""Largest difference of a weight between processors: where a gradient is about 0, Adam divides rounding by rounding."""

OTHERS = 0.01
"""Largest share of completions in which another processor may draw another token: random numbers that lie within
rounding of the boundary of two tokens. At least one may."""

_EXACT = ("completion", "finish_reason", "tokens", "policy_version")
_CLOSE = ("total", "normalised", "advantage", "mean_logprob")
_MEASURED = ("seconds/", "judge/")
_SPEED = "train/tokens_per_second"

Key = tuple[int, int, str, str, int]


@dataclass(frozen=True)
class Difference:
    """One value that differs.

    Attributes:
        step: of the run.
        what: the value, in words.
        recorded: on record.
        replayed: of the replay.
        is_rounding: whether rounding of another processor can be the reason.
    """

    step: int
    what: str
    recorded: Any
    replayed: Any
    is_rounding: bool

    def __str__(self) -> str:
        return f"step {self.step}, {self.what}: {_short(self.recorded)} on record, {_short(self.replayed)} replayed"


@dataclass(frozen=True)
class Reproduction:
    """A replay beside the record.

    Attributes:
        compared: numbers of what was compared: ``steps``, ``completions``, ``metrics``, ``weights``.
        differences: values that differ, in order of their steps.
        other_tokens: completions in which another token was drawn; steps after the first of them are not compared.
        uncompared: steps that are not compared for that reason.
        processors: of the run, as its checkpoints say; empty for checkpoints that do not.
        here: the processor of the replay.
    """

    compared: Mapping[str, int]
    differences: Sequence[Difference]
    other_tokens: int
    uncompared: Sequence[int]
    processors: Sequence[Mapping[str, Any]]
    here: Mapping[str, Any]

    @property
    def is_same_kind(self) -> bool:
        """Whether the run is known to come from this kind of processor, with these versions, threads and no GPU."""
        same = all(dict(one) == dict(self.here) for one in self.processors)
        return bool(self.processors) and same and (self.here.get("processor") or {}).get("GPU") == "none"

    @property
    def outcome(self) -> Literal["bit-equal", "within rounding", "not reproduced"]:
        """What came out."""
        if not self.differences:
            return "bit-equal"
        if self.is_same_kind or not all(one.is_rounding for one in self.differences):
            return "not reproduced"
        allowed = max(1, math.floor(OTHERS * self.compared["completions"]))
        return "within rounding" if self.other_tokens <= allowed else "not reproduced"


def compare(
    recorded: Sequence[CompletionRecord],
    metrics: Mapping[int, Mapping[str, float | None]],
    weights: Mapping[int, Mapping[str, Any]],
    made: Replay,
    processors: Sequence[Mapping[str, Any]],
    here: Mapping[str, Any],
) -> Reproduction:
    """Compare a replay with what a run recorded.

    Args:
        recorded: completions of the replayed steps.
        metrics: of these steps, as far as they are on record; times are not compared.
        weights: trained weights after these steps, as far as there are checkpoints.
        made: the replay.
        processors: versions and processor that wrote the checkpoints.
        here: the same, of this process.
    """
    steps = sorted({record.step for record in recorded})
    replayed = {_key(record): record for record in made.records if record.step in steps}
    known = {_key(record) for record in recorded}
    replayed |= {_key(record): record for record in made.waiting if _key(record) in known}
    found: list[Difference] = []
    compared = {"steps": 0, "completions": 0, "metrics": 0, "weights": 0}
    other_tokens = 0
    for place, step in enumerate(steps):
        differing = [*_records(step, recorded, replayed)]
        others = sum(one.what.endswith(": completion") for one in differing)
        found += differing
        compared["steps"] += 1
        compared["completions"] += sum(record.step == step for record in recorded)
        other_tokens += others
        if others:  # it was trained on another completion: all that follows is of other weights
            return Reproduction(compared, found, other_tokens, steps[place + 1 :], processors, here)
        found += _metrics(step, metrics.get(step, {}), made.metrics.get(step, {}), compared)
        if step in weights and step in made.weights:
            found += _weights(step, weights[step], made.weights[step], compared)
    return Reproduction(compared, found, other_tokens, (), processors, here)


def _key(record: CompletionRecord) -> Key:
    return record.step, record.position, record.dataset, record.id, record.index


def _records(
    step: int, recorded: Sequence[CompletionRecord], replayed: Mapping[Key, CompletionRecord]
) -> Iterator[Difference]:
    wanted = {_key(record): record for record in recorded if record.step == step}
    made = {key: record for key, record in replayed.items() if key[0] == step}
    lines = Counter(_key(record) for record in recorded if record.step == step)
    for key, count in lines.items():
        if count > 1:
            yield Difference(step, f"{_named(wanted[key])}: lines of the record", count, 1, False)
    for key in sorted(wanted.keys() - made.keys()):
        yield Difference(step, _named(wanted[key]), wanted[key].completion, "nothing", False)
    for key in sorted(made.keys() - wanted.keys()):
        yield Difference(step, _named(made[key]), "nothing", made[key].completion, False)
    for key in sorted(wanted.keys() & made.keys()):
        yield from _record(step, wanted[key], made[key])


def _record(step: int, before: CompletionRecord, now: CompletionRecord) -> Iterator[Difference]:
    """The differences of one completion. Of one with another text the text alone is told: all else follows from it."""
    name = _named(before)
    if before.completion != now.completion:
        yield Difference(step, f"{name}: completion", before.completion, now.completion, True)
        return
    for field in _EXACT[1:]:
        if (pair := (getattr(before, field), getattr(now, field)))[0] != pair[1]:
            yield Difference(step, f"{name}: {field}", *pair, False)
    for field in _CLOSE:
        yield from _number(step, f"{name}: {field}", getattr(before, field), getattr(now, field), LOGPROB)
    for part in sorted(before.components.keys() | now.components.keys()):
        one, other = before.components.get(part), now.components.get(part)
        if one is None or other is None or one.status != other.status:
            yield Difference(step, f"{name}: {part}", one and one.status, other and other.status, False)
        else:
            yield from _number(step, f"{name}: {part}", one.value, other.value, LOGPROB)
    yield from _number(step, f"{name}: verdict", before.credit, now.credit, 0.0)


def _number(step: int, what: str, before: float | None, now: float | None, limit: float) -> Iterator[Difference]:
    before, now = _known(before), _known(now)
    if before == now:
        return
    is_close = before is not None and now is not None and abs(before - now) <= limit * max(1.0, abs(before))
    yield Difference(step, what, before, now, is_close)


def _known(value: float | None) -> float | None:
    """None for a value that is not finite, as a record has it: the mean of nothing, or a loss that diverged."""
    return None if value is None or not math.isfinite(value) else float(value)


def _metrics(
    step: int, before: Mapping[str, float | None], now: Mapping[str, float], compared: dict[str, int]
) -> Iterator[Difference]:
    for name in sorted(before.keys() & now.keys()):
        if not name.startswith(_MEASURED) and name != _SPEED:
            compared["metrics"] += 1
            yield from _number(step, name, before[name], now[name], METRIC)


def _weights(
    step: int, before: Mapping[str, Any], now: Mapping[str, Any], compared: dict[str, int]
) -> Iterator[Difference]:
    for name in sorted(before.keys() ^ now.keys()):
        kept, made = ("present" if name in one else "absent" for one in (before, now))
        yield Difference(step, f"weight {name}", kept, made, False)
    for name in sorted(before.keys() & now.keys()):
        compared["weights"] += 1
        one, other = before[name].cpu(), now[name].cpu()
        if not torch.equal(one, other):
            largest = float((one.double() - other.double()).abs().max())
            yield Difference(step, f"weight {name}", "as saved", f"{largest:.1e} away at most", largest <= WEIGHT)


def _named(record: CompletionRecord) -> str:
    return f"{record.id}[{record.index}]"


def _short(value: Any) -> str:
    return f"{value:.60}" if isinstance(value, str) else str(value)
