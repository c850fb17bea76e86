"""Verdicts of a run, given again instead of asking a judge."""

from collections import Counter
from collections.abc import Mapping, Sequence

from medix.judge.base import Judge
from medix.judge.hybrid import HybridJudge
from medix.judge.panel import PanelJudge
from medix.judge.prompt import JudgePrompt
from medix.judge.recorded import RecordedJudge
from medix.modality import ModalitySet
from medix.reporting.record import CompletionRecord
from medix.rewards.answer import AnswerRule, StrictAnswer
from medix.rewards.base import RewardBatch
from medix.rewards.suite import RewardSuite
from medix.types import JudgeQuestion, Verdict

Given = tuple[str, JudgeQuestion, Verdict]
"""The component that asked, what it asked, and what it was told."""


class VerdictRecord:
    """What judges said about the completions that are being rescored, to be looked up by identity or by component.

    Holds the verdicts of one chunk of a run at a time: memory does not grow with the run.

    Args:
        rules: how each component of the run took the answer out of a completion; the strict rule for those not named.
    """

    def __init__(self, rules: Mapping[str, AnswerRule] | None = None) -> None:
        self.rules = dict(rules or {})
        self.counts: Counter[str] = Counter()
        self.judges: Counter[str] = Counter()
        self._by_identity: dict[tuple[str, JudgeQuestion], Verdict] = {}
        self._by_component: dict[tuple[str, JudgeQuestion], Verdict] = {}

    def given(self, records: Sequence[CompletionRecord], modalities: ModalitySet) -> list[Given]:
        """Which question each verdict on record answered."""
        by_component: dict[str, list[tuple[CompletionRecord, Verdict]]] = {}
        for record in records:
            for name, verdict in record.verdicts().items():
                by_component.setdefault(name, []).append((record, verdict))
        found = []
        for name, pairs in by_component.items():
            rule = self.rules.get(name) or next(iter(self.rules.values()) if not name else iter(()), StrictAnswer())
            batch = batch_of([record for record, _ in pairs], modalities)
            for (record, verdict), answer, texts in zip(
                pairs, rule.answers(batch), rule.references(batch), strict=True
            ):
                if answer is not None and texts:
                    found.append((name, JudgeQuestion(record.question, texts[0], answer, texts[1:]), verdict))
        return found

    def contradicts(self, given: Sequence[Given]) -> bool:
        """Whether one of these questions was answered otherwise: a judge need not say the same in two steps."""
        return any(
            (known := self._by_identity.get((verdict.judge, question))) is not None and known.credit != verdict.credit
            for _, question, verdict in given
        )

    def add(self, given: Sequence[Given]) -> None:
        """Take verdicts up; the first answer to a question stands."""
        for name, question, verdict in given:
            for said in (verdict, *verdict.votes):
                self._by_identity.setdefault((said.judge, question), said)
            self._by_component.setdefault((name, question), verdict)
            self.judges[verdict.judge] += 1

    def clear(self) -> None:
        """Forget the verdicts, not the counts."""
        self._by_identity.clear()
        self._by_component.clear()

    def look_up(
        self, question: JudgeQuestion, identity: str | None, components: Sequence[str], version: str = ""
    ) -> Verdict | None:
        """The verdict of this judge, or else the one that a component of the run was told.

        Args:
            question: what is asked.
            identity: of the judge; None if it is not known.
            components: whose verdicts count whatever their judge.
            version: of the prompt that such a judge must have been asked with.
        """
        if identity is not None and (verdict := self._by_identity.get((identity, question))) is not None:
            return verdict
        for name in components:
            if (verdict := self._by_component.get((name, question))) is not None and version in verdict.judge:
                return verdict
        return None


class RunJudge(Judge):
    """Gives the verdicts that are on record, and asks a judge only for the rest, and only where it may.

    Args:
        record: the verdicts.
        judge: whose verdicts count, by its identity; None if it is not known.
        may_ask: whether ``judge`` is asked about what is not on record, and again where it came to no verdict.
        components: of the run, whose verdicts count whatever identity they carry.
        version: of the prompt that those components must have asked with.
    """

    def __init__(
        self,
        record: VerdictRecord,
        judge: Judge | None = None,
        may_ask: bool = False,
        components: Sequence[str] = (),
        version: str = "",
    ) -> None:
        self.record = record
        self.judge = judge
        self.may_ask = may_ask and judge is not None
        self.components = tuple(components)
        self.version = version

    @property
    def identity(self) -> str:
        """That of the judge; ``the judge of the run`` if it is not known."""
        return "the judge of the run" if self.judge is None else self.judge.identity

    def asking(self, prompt: JudgePrompt) -> "RunJudge":
        """The same for the judge asked another way; verdicts under other prompts count no more."""
        if self.judge is None:
            return RunJudge(self.record, None, False, self.components, prompt.version)
        return RunJudge(self.record, self.judge.asking(prompt), self.may_ask)

    def close(self) -> None:
        """Close the judge."""
        if self.judge is not None:
            self.judge.close()

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """One verdict per question; unscored, with the reason, where it is not on record and nobody may be asked."""
        identity = None if self.judge is None else self.judge.identity
        found = {q: self.record.look_up(q, identity, self.components, self.version) for q in questions}
        known = {question: verdict for question, verdict in found.items() if verdict is not None}
        verdicts = RecordedJudge(known, self.judge if self.may_ask else None).grade(questions)
        if not isinstance(self.judge, HybridJudge | PanelJudge):  # those under it count
            looked_up = sum(verdict.is_scored or not self.may_ask for verdict in known.values())
            self.record.counts["looked up"] += looked_up
            self.record.counts["asked" if self.may_ask else "not on record"] += len(found) - looked_up
        return verdicts


def replayed(judge: Judge, record: VerdictRecord, may_ask: bool, components: Sequence[str] = ()) -> RunJudge:
    """A judge with the verdicts on record before it, and before each judge that it is made of: another quorum, or rules
    before the same judge, need nobody asked either.

    Args:
        judge: whose verdicts count.
        record: the verdicts.
        may_ask: whether it is asked what is not on record; one that computes here and now always is.
        components: of the run, whose verdicts count whatever identity they carry.
    """
    if isinstance(judge, HybridJudge):
        return RunJudge(record, type(judge)(replayed(judge.judge, record, may_ask)), True, components)
    if isinstance(judge, PanelJudge):
        members: list[Judge] = [replayed(member, record, may_ask) for member in judge.judges]
        return RunJudge(record, PanelJudge(members, judge.quorum, judge.patience), True, components)
    return RunJudge(record, judge, may_ask or not judge.asks_ahead, components)


def replay_judges(
    suite: RewardSuite, record: VerdictRecord, of_run: Judge | None, run_suite: RewardSuite | None, given: Judge | None
) -> None:
    """Put the verdicts on record before every judge of a suite.

    A component takes the judge that is ``given``, else its own, and asks it for what is not on record. One that has
    none takes that of the run, which is asked only if it computes here and now: nothing calls a server by itself.

    Args:
        suite: is scored with; its components are given other judges.
        record: the verdicts.
        of_run: the judge of the run, if its spec names one.
        run_suite: the suite of the run, if its spec can be read: tells which of its components asked alike.
        given: replaces every judge.
    """
    marker = RunJudge(record)
    suite.use_judge(marker, replace=False)
    for name, part in suite.components.items():
        own = judge_of(part)
        if own is None:
            continue
        if given is not None:
            judge = replayed(given, record, may_ask=True)
        elif not (isinstance(own, RunJudge) and own.record is record):
            judge = replayed(own, record, may_ask=True)
        else:
            same = run_suite is None or type(run_suite.components.get(name)) is type(part)
            trusted = (name, "") if same else ()
            judge = RunJudge(record, components=trusted)
            if of_run is not None:
                judge = replayed(of_run, record, may_ask=False, components=trusted)
        part.use_judge(judge, replace=True)


def judge_of(component: object) -> Judge | None:
    """The judge a component asks; None for one that asks none."""
    judge = getattr(component, "judge", None)
    return judge if isinstance(judge, Judge) else None


def batch_of(records: Sequence[CompletionRecord], modalities: ModalitySet) -> RewardBatch:
    """Records as what components score."""
    return RewardBatch(
        completions=[record.completion for record in records],
        references=[record.reference for record in records],
        questions=[record.question for record in records],
        modalities=[record.modality for record in records],
        aliases=[record.aliases for record in records],
        sources=[record.source for record in records],
        token_counts=[record.tokens for record in records],
        truncated=[record.is_truncated for record in records],
        modality_set=modalities,
    )
