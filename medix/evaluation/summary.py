"""Summary statistics of judged completions with intervals, as used in validations and reports."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medix.evaluation.statistics import Interval, bounds, clustered_mean, proportion
from medix.judge.canaries import YES_FROM
from medix.modality import TEXT_ONLY
from medix.reporting.record import ASKED_BY, CompletionRecord


@dataclass(frozen=True)
class Summary:
    """Means over a set of completions. Means are over scored rows; the share of unscored rows is reported separately.

    Attributes:
        completions: number of rows.
        samples: number of distinct samples, by data set and id.
        cases: number of distinct cases (samples, where cases are unknown).
        reward: mean total.
        accuracy: mean credit of the verdicts.
        modality_accuracy: share of rows that start with the true modality, among rows that have one.
        unscored: share of rows without a verdict.
        unscored_reward: share of rows without a total.
        accepted_wrong: share of rows whose answer is wrong by the verdict and right by a judge of the rewards, among
            those for which ``accepted_wrongly`` knows it; NaN where the rewards have no other judge.
        well_formed: share of rows without a fault.
        truncated: share of rows truncated at the token limit.
        tokens: mean number of completion tokens.
        bounds: accuracy if every unscored row were wrong, and if every one were right.
        components: mean of each reward component over the rows that it scored, without those that stay out of means.
        component_unscored: share of unscored rows among those that the component applies to.
        reasons: number of unscored rows by reason.
        majority: share of rows whose reference is the most common one, regardless of case and spaces: about the
            accuracy of a policy that always gives this answer.
        majority_answer: that reference.
    """

    completions: int
    samples: int
    cases: int
    reward: Interval
    accuracy: Interval
    modality_accuracy: Interval
    unscored: float
    unscored_reward: float
    accepted_wrong: float
    well_formed: float
    truncated: float
    tokens: float
    bounds: tuple[float, float]
    components: dict[str, float]
    component_unscored: dict[str, float]
    reasons: dict[str, int]
    majority: float
    majority_answer: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data: each mean as a number, its interval under ``intervals``."""
        data = asdict(self)
        intervals = {}
        for name in ("reward", "accuracy", "modality_accuracy"):
            interval = data.pop(name)
            data[name] = interval["estimate"]
            intervals[name] = interval
        return (
            {name: data.pop(name) for name in ("reward", "accuracy", "modality_accuracy")}
            | data
            | {"intervals": intervals}
        )


def summarise(records: Sequence[CompletionRecord]) -> Summary:
    """Means and 95 % intervals, clustered by case if several rows share one."""
    scored = [record for record in records if record.credit is not None]
    credit_values = [float(record.credit) for record in scored if record.credit is not None]
    rewarded = [record for record in records if record.total is not None]
    tagged = [record for record in records if record.names_modality is not None]
    names = sorted({name for record in records for name in record.components})
    accepted = [value for record in records if (value := accepted_wrongly(record)) is not None]
    common = Counter(_normalised(record.reference) for record in records).most_common(1)
    return Summary(
        completions=len(records),
        samples=len({record.sample_key for record in records}),
        cases=len({record.cluster for record in records}),
        reward=clustered_mean(
            [record.total for record in rewarded if record.total is not None], [record.cluster for record in rewarded]
        ),
        accuracy=proportion(credit_values, [record.cluster for record in scored]),
        modality_accuracy=proportion(
            [float(bool(record.names_modality)) for record in tagged], [record.cluster for record in tagged]
        ),
        unscored=_share(records, lambda record: record.credit is None),
        unscored_reward=_share(records, lambda record: record.total is None),
        accepted_wrong=sum(accepted) / len(accepted) if accepted else float("nan"),
        well_formed=_share(records, lambda record: not record.faults),
        truncated=_share(records, lambda record: record.is_truncated),
        tokens=sum(record.tokens for record in records) / len(records) if records else float("nan"),
        bounds=bounds(sum(credit_values), len(credit_values), len(records) - len(credit_values)),
        components={name: _component_mean(records, name) for name in names},
        component_unscored={name: _component_unscored(records, name) for name in names},
        reasons=dict(Counter(_reason(record) for record in records if record.credit is None or record.total is None)),
        majority=common[0][1] / len(records) if common else float("nan"),
        majority_answer=next((r.reference for r in records if _normalised(r.reference) == common[0][0]), ""),
    )


def accepted_wrongly(record: CompletionRecord) -> float | None:
    """1 if another judge, asked by the rewards, accepts an answer that the verdict calls wrong, else 0.

    Where it rises, the policy exploits the judge that rewards it. None without an answer, without a verdict, and where
    the rewards asked no other judge: one judge cannot tell that it errs.
    """
    verdict = record.verdict
    if verdict is None or verdict.credit is None or not verdict.has_answer:
        return None
    judge = verdict.whose.partition(ASKED_BY)[0]
    others = [other.credit for other in record.verdicts().values() if other.whose != judge and other.credit is not None]
    return float(verdict.credit < YES_FROM <= max(others)) if others else None


def by_modality(records: Sequence[CompletionRecord]) -> dict[str, Summary]:
    """One summary per true modality; text-only samples are listed as ``TEXT_ONLY``."""
    return _by(records, lambda record: record.modality or TEXT_ONLY)


def by_source(records: Sequence[CompletionRecord]) -> dict[str, Summary]:
    """One summary per source; samples without a source are left out.

    Sources belong to data sets: if two data sets have a source of the same name, it is named ``dataset/source``, and
    ``["dataset", "source"]`` if that is the name of another source.
    """
    named = [record for record in records if record.source]
    names = _source_names({(record.dataset, record.source) for record in named})
    return _by(named, lambda record: names[record.dataset, record.source])


def by_subgroup(records: Sequence[CompletionRecord]) -> dict[str, dict[str, Summary]]:
    """By each field of ``CompletionRecord.subgroup``, one summary per value; records without a value are left out."""
    fields = dict.fromkeys(name for record in records for name in record.subgroup)
    named = {name: [record for record in records if record.subgroup.get(name)] for name in fields}
    return {name: _by(found, lambda record, name=name: record.subgroup[name]) for name, found in named.items()}  # type: ignore[misc]


def _source_names(sources: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """A name of its own for each data set and source, as short as that allows."""
    forms = {
        (dataset, source): (source, f"{dataset}/{source}" if dataset else source, json.dumps([dataset, source]))
        for dataset, source in sources
    }
    level = dict.fromkeys(sources, 0)
    while True:
        named: dict[str, list[tuple[str, str]]] = {}
        for pair in sources:
            named.setdefault(forms[pair][level[pair]], []).append(pair)
        clashes = [pairs for pairs in named.values() if len(pairs) > 1]
        if not clashes:
            return {pair: name for name, (pair,) in named.items()}
        for pairs in clashes:  # the last form differs between any two
            lowest = min(level[pair] for pair in pairs)
            level |= {pair: lowest + 1 for pair in pairs if level[pair] == lowest}


def _by(records: Sequence[CompletionRecord], key: Callable[[CompletionRecord], str]) -> dict[str, Summary]:
    groups: dict[str, list[CompletionRecord]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return {name: summarise(groups[name]) for name in sorted(groups)}


def _normalised(reference: str) -> str:
    return " ".join(reference.casefold().split())


def _share(records: Sequence[CompletionRecord], condition: Callable[[CompletionRecord], bool]) -> float:
    return sum(map(condition, records)) / len(records) if records else float("nan")


def _component_mean(records: Sequence[CompletionRecord], name: str) -> float:
    found = [record.components[name].in_means[0] for record in records if name in record.components]
    values = [value for value in found if value is not None]
    return sum(values) / len(values) if values else float("nan")


def _component_unscored(records: Sequence[CompletionRecord], name: str) -> float:
    statuses = [record.components[name].in_means[1] for record in records if name in record.components]
    applies = [status for status in statuses if status != "not_applicable"]
    return sum(status == "unscored" for status in applies) / len(applies) if applies else float("nan")


def _reason(record: CompletionRecord) -> str:
    if record.verdict is not None and record.verdict.credit is None:
        return f"judge: {record.verdict.reason}"
    for name, entry in record.components.items():
        if entry.status == "unscored":
            return f"{name}: {entry.reason}"
    return "no judge was asked" if record.verdict is None else "no component scored it"
