"""Two systems on the same samples, per modality, with the paired gain and its interval."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from medix.evaluation.few_clusters import few_note, marked
from medix.evaluation.paired import Paired
from medix.evaluation.same_clusters import other_clusters
from medix.modality import TEXT_ONLY
from medix.reporting.record import ANSWER_RULE, ASKED_BY, CompletionKey, CompletionRecord
from medix.reporting.record_identity import distinct, with_datasets
from medix.reporting.render import plain
from medix.reporting.table import MISSING, Table, counted, interval, p_value
from medix.types import Cluster

Pair = tuple[CompletionRecord, CompletionRecord]

MEASURES: Mapping[str, tuple[str, bool, Callable[[CompletionRecord], float | None]]] = {
    "accuracy": ("Accuracy", True, lambda record: record.credit),
    "modality_accuracy": (
        "Modality accuracy",
        True,
        lambda record: None if record.names_modality is None else float(record.names_modality),
    ),
    "reward": ("Reward", False, lambda record: record.total),
}
"""Name, whether it is a share, and the function that reads it from a completion."""


@dataclass(frozen=True)
class Slice:
    """One modality, several pooled modalities, or everything.

    Attributes:
        name: name of the slice.
        samples: number of distinct samples.
        completions: number of pairs of completions.
        images: number of distinct images.
        cases: number of distinct cases.
        measures: by name.
    """

    name: str
    samples: int
    completions: int
    images: int
    cases: int
    measures: Mapping[str, Paired]


@dataclass(frozen=True)
class Comparison:
    """Comparison of two files of judged completions.

    Attributes:
        names: names of the two systems.
        judges: identities of the judges in each file.
        slices: everything first, then by modality.
        min_images: modalities with fewer images are pooled.
        only_first: number of completions of the first without a counterpart in the second.
        only_second: number of completions of the second without a counterpart in the first.
        differing: by measure, why its values in the two files are of different kinds, so that no gain is computed.
    """

    names: tuple[str, str]
    judges: tuple[str, str]
    slices: Sequence[Slice]
    min_images: int
    only_first: int
    only_second: int
    differing: Mapping[str, str] = field(default_factory=dict)

    def tables(self) -> list[Table]:
        """One table per measure."""
        tables = []
        whole = self.slices[0]
        for key, (name, percent, _) in MEASURES.items():
            why = self.differing.get(key, "")
            rows = [
                [
                    part.name,
                    *(str(count) for count in (part.samples, part.completions, part.images)),
                    marked(str(part.measures[key].gain.clusters), part.measures[key].gain),
                    interval(asdict(part.measures[key].first), percent=percent),
                    interval(asdict(part.measures[key].second), percent=percent),
                    MISSING if why else interval(asdict(part.measures[key].gain), percent=percent, signed=True),
                    str(part.measures[key].left_out),
                    MISSING if why else p_value(part.measures[key].p_value),
                ]
                for part in self.slices
            ]
            counts = ["Samples", "Completions", "Images", "Cases"]
            heads = ["Modality", *counts, *self.names, "Gain", "Left out", "p"]
            title = f"{name} of {counted({'samples': whole.samples, 'completions': whole.completions})}"
            tables.append(Table(f"{title}: gain not computed, {why}" if why else title, heads, rows))
        return tables

    @property
    def notes(self) -> list[str]:
        """What is not in the tables, and what their marks mean."""
        notes = []
        if self.only_first or self.only_second:
            counts = f"{self.only_first} of {self.names[0]}, {self.only_second} of {self.names[1]}"
            notes.append(f"Unpaired completions: {counts}.")
        if any(paired.gain.has_few_clusters for part in self.slices for paired in part.measures.values()):
            notes.append(few_note("cases"))
        return notes

    def markdown(self) -> str:
        """The tables, with notes on how to read them."""
        lines = [f"# {self.names[1]} against {self.names[0]}", ""]
        lines += [
            f"Judge: {self.judges[0]}" + (f" and {self.judges[1]}" if self.judges[0] != self.judges[1] else ""),
            "",
        ]
        for table in self.tables():
            lines += [f"## {table.title}", "", table.markdown()]
        lines.append(
            "Means are over the pairs for which both systems have a value, and cases are those of these pairs; the "
            "others are counted as left out. 95 % intervals, clustered by case if several completions share one; gains "
            "are paired. p: McNemar's exact test where each pair is of a case of its own, else Student's t over cases. "
            "Completions are paired by data set, id and index. "
            f"Modalities with fewer than {self.min_images} images are pooled."
        )
        for note in self.notes:
            lines += ["", note]
        return "\n".join(lines) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        data: dict[str, Any] = plain(asdict(self))
        return data


def compare(
    first: Sequence[CompletionRecord],
    second: Sequence[CompletionRecord],
    names: tuple[str, str] = ("first", "second"),
    min_images: int = 30,
    common: bool = False,
) -> Comparison:
    """Compare two systems on the same samples: completions with the same data set, id and index form a pair.

    A record written before data sets were recorded is paired by its id if only one data set of the other file has it.

    Args:
        first: judged completions of one system.
        second: judged completions of the other system, on the same samples.
        names: names of the two systems.
        min_images: modalities with fewer images are pooled into one row.
        common: compare only the completions that both have; otherwise a completion without a counterpart is an error.

    Raises:
        ValueError: the samples, their contents or the samples of a case differ, or a file contains a completion more
            than once.
    """
    first, second = with_datasets(first, second), with_datasets(second, first)
    left, right = (_by_key(records, name) for records, name in zip((first, second), names, strict=True))
    keys = sorted(left.keys() & right.keys())
    only_first, only_second = len(left) - len(keys), len(right) - len(keys)
    if not keys or (not common and (only_first or only_second)):
        unpaired = sorted(left.keys() ^ right.keys())[:3]
        raise ValueError(
            f"{only_first} completions of {names[0]} and {only_second} of {names[1]} have no counterpart, "
            f"{len(keys)} have one; unpaired (data set, id, index): {unpaired}. "
            + ("Give --common to compare those that both have" if keys else "Give two files on the same samples")
        )
    pairs = [(left[key], right[key]) for key in keys]
    for a, b in pairs:
        left_text, right_text = (_sample(one, with_images=a.exchanged == b.exchanged) for one in (a, b))
        if not (a.image_ids and b.image_ids):  # older files have none
            left_text, right_text = left_text[:3], right_text[:3]
        if left_text != right_text:
            raise ValueError(
                f"sample {a.id!r} of data set {a.dataset!r} differs between the files: {left_text} and {right_text}; "
                "give two files on the same data (those of a control experiment with exchanged images marked as such)"
            )
    known = ((a.id, a.cluster, b.cluster) for a, b in pairs if a.case and b.case)
    if others := other_clusters(known):
        raise ValueError(others.told(names, "case"))
    slices = [_slice("All", pairs), *(_slice(name, part) for name, part in _pooled(pairs, min_images).items())]
    named = tuple(
        f"{name} (images exchanged)" if one.exchanged else name for name, one in zip(names, pairs[0], strict=True)
    )
    judges = _judges([a for a, _ in pairs]), _judges([b for _, b in pairs])
    return Comparison(
        (named[0], named[1]), judges, slices, min_images, only_first, only_second, _differing(pairs, judges)
    )


def _sample(record: CompletionRecord, *, with_images: bool) -> tuple[object, ...]:
    """What two records of one sample have in common; a control experiment exchanges its images."""
    facts = record.question, record.reference, record.modality
    return (*facts, record.image_ids) if with_images else facts


def _differing(pairs: Sequence[Pair], judges: tuple[str, str]) -> Mapping[str, str]:
    """Measures whose values are not of one kind: by different judges, with different aliases or different rewards."""
    found = {}
    (first, rules), (second, other_rules) = (_judges_and_rules(side) for side in zip(*pairs, strict=True))
    rewards = [{record.rewards for record in side} - {""} for side in zip(*pairs, strict=True)]
    is_one_suite = all(rewards) and rewards[0] == rewards[1]  # then a rule that one file does not name decided nothing
    is_other_rule = rules != other_rules and not is_one_suite
    if "none" not in judges and (is_other_rule or (first and second and first != second)):
        found["accuracy"] = f"judged by {judges[0]} and by {judges[1]}"
        found["reward"] = found["accuracy"]
    own = [{record.own_judges for record in side} - {""} for side in zip(*pairs, strict=True)]
    if all(own) and own[0] != own[1]:
        found.setdefault("accuracy", "judged by judges of one's own with other arguments")
        found.setdefault("reward", found["accuracy"])
    if others := len({first.sample_key for first, second in pairs if set(first.aliases) != set(second.aliases)}):
        samples = "1 sample accepts" if others == 1 else f"{others} samples accept"
        found.setdefault("accuracy", f"{samples} other answers (aliases) in one file than in the other")
        found.setdefault("reward", found["accuracy"])
    asked = [reward_judges(side) for side in zip(*pairs, strict=True)]
    for name in asked[0].keys() & asked[1].keys():
        if asked[0][name] != asked[1][name]:
            one, other = (", ".join(sorted(part[name])) for part in asked)
            found.setdefault("reward", f"its component {name or 'judge'} judged by {one} and by {other}")
    if all(rewards) and rewards[0] != rewards[1]:
        found["reward"] = "scored by different rewards"
    return found


def reward_judges(records: Sequence[CompletionRecord]) -> dict[str, set[str]]:
    """The judges that reward components asked, by component."""
    found: dict[str, set[str]] = {}
    for record in records:
        for name, verdict in record.verdicts().items():
            if name:
                found.setdefault(name, set()).add(verdict.whose.partition(ASKED_BY)[0])
    return found


def _cluster(pair: Pair) -> Cluster:
    """The unit of a pair: its case, if one of the two files knows it."""
    return pair[0].cluster if pair[0].case or not pair[1].case else pair[1].cluster


def _by_key(records: Sequence[CompletionRecord], name: str) -> dict[CompletionKey, CompletionRecord]:
    """The completions of one file, which is of one validation."""
    found: dict[CompletionKey, CompletionRecord] = {}
    for record in distinct(records, name):
        if (other := found.setdefault(record.key, record)) is not record:
            raise ValueError(
                f"{name}: sample {record.id!r} of data set {record.dataset!r} has completion {record.index} at step "
                f"{other.step} and again at step {record.step}, so that it cannot be paired; give a file of one "
                "validation, such as val-step-000010.jsonl"
            )
    return found


def _pooled(pairs: Sequence[Pair], min_images: int) -> dict[str, list[Pair]]:
    """Pairs by modality; modalities with few images are pooled under a name that lists them."""
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair[0].modality or TEXT_ONLY, []).append(pair)
    small = [name for name in sorted(groups) if name != TEXT_ONLY and _images(groups[name]) < min_images]
    result = {name: groups[name] for name in sorted(groups) if name not in small}
    if small:
        label = small[0] if len(small) == 1 else f"pooled: {', '.join(small)}"
        result[label] = [pair for name in small for pair in groups[name]]
    return result


def _images(pairs: Sequence[Pair]) -> int:
    return len({image for first, _ in pairs for image in first.image_ids})


def _slice(name: str, pairs: Sequence[Pair]) -> Slice:
    return Slice(
        name=name,
        samples=len({first.sample_key for first, _ in pairs}),
        completions=len(pairs),
        images=_images(pairs),
        cases=len({_cluster(pair) for pair in pairs}),
        measures={
            key: Paired.of(
                [(read(first), read(second), _cluster((first, second))) for first, second in pairs], is_share=share
            )
            for key, (_, share, read) in MEASURES.items()
        },
    )


def _judges_and_rules(records: Sequence[CompletionRecord]) -> tuple[set[str], set[str]]:
    """The judges, and the answer rules by which they were asked or that needed none: some may not occur in a file."""
    judges, rules = set(), set()
    for verdict in (record.verdict for record in records if record.verdict is not None):
        judge, _, rule = verdict.whose.partition(ASKED_BY)
        if judge.startswith(ANSWER_RULE):
            judge, rule = "", judge.removeprefix(ANSWER_RULE)
        judges.add(judge)
        rules.add(rule)
    return judges - {""}, rules - {""}


def _judges(records: Sequence[CompletionRecord]) -> str:
    return ", ".join(sorted({record.verdict.whose for record in records if record.verdict is not None})) or "none"
