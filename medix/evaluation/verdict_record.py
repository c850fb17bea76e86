"""Recorded verdicts of a run, reused instead of asking a judge."""

from collections import Counter
from collections.abc import Mapping, Sequence

from medix.judge.base import Judge
from medix.judge.hybrid import HybridJudge
from medix.judge.own_arguments import named, names_of
from medix.judge.panel import PanelJudge
from medix.judge.prompt import JudgePrompt
from medix.judge.recorded import RecordedJudge
from medix.modality import ModalitySet
from medix.reporting.record import CompletionRecord
from medix.rewards.answer import AnswerRule, StrictAnswer
from medix.rewards.base import RewardBatch
from medix.rewards.suite import RewardSuite
from medix.types import JudgeQuestion, Verdict

Given = tuple[str | None, JudgeQuestion, Verdict]
"""The component that asked, None for the validation, its question, and the verdict."""


class VerdictRecord:
    """Recorded verdicts on the completions being rescored, looked up by judge (``named``) or by component.

    Holds the verdicts of one chunk of a run at a time, so that memory does not grow with the run.

    Args:
        rules: how each component of the run extracted the answer from a completion; the strict rule if not named.
    """

    def __init__(self, rules: Mapping[str, AnswerRule] | None = None) -> None:
        self.rules = dict(rules or {})
        self.counts: Counter[str] = Counter()
        self.judges: Counter[str] = Counter()
        self._by_judge: dict[tuple[str, JudgeQuestion], Verdict] = {}
        self._by_component: dict[tuple[str | None, JudgeQuestion], Verdict] = {}

    def given(self, records: Sequence[CompletionRecord], modalities: ModalitySet) -> list[Given]:
        """The question that each recorded verdict belongs to, with those of the validation behind all others."""
        by_component: dict[str | None, list[tuple[CompletionRecord, Verdict]]] = {}
        for record in records:
            verdicts = record.verdicts()
            for part, verdict in verdicts.items():
                by_component.setdefault(part, []).append((record, verdict))
            if (own := record.judged) is not None and own not in verdicts.values():
                by_component.setdefault(None, []).append((record, own))
        found: list[Given] = []
        for name, pairs in sorted(by_component.items(), key=lambda entry: entry[0] is None):
            # without a component it is of the validation, which asks the plain question whatever the run's rule
            rule = self.rules.get(name or "") or StrictAnswer()
            batch = batch_of([record for record, _ in pairs], modalities)
            for (record, verdict), answer, texts in zip(
                pairs, rule.answers(batch), rule.references(batch), strict=True
            ):
                if answer is not None and texts:
                    found.append((name, JudgeQuestion(record.question, texts[0], answer, texts[1:]), verdict))
        return found

    def contradicts(self, given: Sequence[Given]) -> bool:
        """Whether a different verdict is known for one of these questions: judges may differ between two steps."""
        return any(
            known is not None and known.credit != verdict.credit
            for name, question, verdict in given
            for known in (
                self._by_component.get((name, question)),
                *(self._by_judge.get((judge, question)) for judge in names_of(verdict)),
            )
        )

    def add(self, given: Sequence[Given]) -> None:
        """Add verdicts; the first verdict on a question is kept."""
        for name, question, verdict in given:
            for one in (verdict, *verdict.votes):
                for judge in names_of(one):
                    self._by_judge.setdefault((judge, question), one)
            self._by_component.setdefault((name, question), verdict)
            self.judges[verdict.whose] += 1

    def clear(self) -> None:
        """Discard the verdicts but keep the counts."""
        self._by_judge.clear()
        self._by_component.clear()

    def look_up(
        self, question: JudgeQuestion, judge: str | None, components: Sequence[str], version: str = ""
    ) -> Verdict | None:
        """The verdict of this judge, or else the one that a component of the run received.

        Args:
            question: the question.
            judge: which (``named``); None if unknown.
            components: components whose verdicts are used regardless of their judge.
            version: prompt version that the judge of such a verdict must have used.
        """
        if judge is not None and (verdict := self._by_judge.get((judge, question))) is not None:
            return verdict
        for name in components:
            if (verdict := self._by_component.get((name, question))) is not None and version in verdict.judge:
                return verdict
        return None


class RunJudge(Judge):
    """Returns recorded verdicts, and asks a judge for the others if allowed.

    Args:
        record: the recorded verdicts.
        judge: the judge whose verdicts are used; None if unknown.
        may_ask: whether ``judge`` is asked about questions without a recorded verdict or with an unscored one.
        components: components of the run whose verdicts are used regardless of their judge.
        version: prompt version that those components must have used.
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
        """Identity of the judge; ``the judge of the run`` if unknown."""
        return "the judge of the run" if self.judge is None else self.judge.identity

    def asking(self, prompt: JudgePrompt) -> "RunJudge":
        """The same with another prompt; verdicts recorded with other prompts are not used."""
        if self.judge is None:
            return RunJudge(self.record, None, False, self.components, prompt.version)
        return RunJudge(self.record, self.judge.asking(prompt), self.may_ask)

    def close(self) -> None:
        """Close the judge."""
        if self.judge is not None:
            self.judge.close()

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """One verdict per question; unscored, with the reason, if none is recorded and no judge may be asked."""
        judge = None if self.judge is None else named(self.judge)
        found = {q: self.record.look_up(q, judge, self.components, self.version) for q in questions}
        known = {question: verdict for question, verdict in found.items() if verdict is not None}
        verdicts = RecordedJudge(known, self.judge if self.may_ask else None).grade(questions)
        looked_up = sum(verdict.is_scored or not self.may_ask for verdict in known.values())
        if isinstance(self.judge, HybridJudge | PanelJudge):  # the rest is counted by the judges that these consist of
            inner = [one for one in known.values() if one.is_scored and one.judge != self.identity]
            self.record.counts["looked up"] += len(inner)
        else:
            self.record.counts["looked up"] += looked_up
            self.record.counts["asked" if self.may_ask else "not on record"] += len(found) - looked_up
        return verdicts


def replayed(judge: Judge, record: VerdictRecord, may_ask: bool, components: Sequence[str] = ()) -> RunJudge:
    """Wrap a judge, and each judge that it consists of, with the recorded verdicts. A panel with another quorum, or
    rules before the same judge, then also need no new requests.

    Args:
        judge: the judge whose verdicts are used.
        record: the recorded verdicts.
        may_ask: whether it is asked if no verdict is recorded; a judge that runs in this process always is.
        components: components of the run whose verdicts are used regardless of their judge.
    """
    if isinstance(judge, HybridJudge):
        return RunJudge(record, judge.over(replayed(judge.judge, record, may_ask)), True, components)
    if isinstance(judge, PanelJudge):
        members: list[Judge] = [replayed(member, record, may_ask) for member in judge.judges]
        return RunJudge(record, judge.of(members), True, components)
    return RunJudge(record, judge, may_ask or not judge.asks_ahead, components)


def replay_judges(
    suite: RewardSuite, record: VerdictRecord, of_run: Judge | None, run_suite: RewardSuite | None, given: Judge | None
) -> None:
    """Wrap every judge of a suite with the recorded verdicts.

    A component uses the judge that is ``given``, else its own, and asks it if no verdict is recorded. A component
    without a judge uses that of the run, which is asked only if it runs in this process: no server is called
    implicitly.

    Args:
        suite: the suite; the judges of its components are replaced.
        record: the recorded verdicts.
        of_run: the judge of the run, if its spec names one.
        run_suite: the suite of the run, if its spec can be read; shows which of its components asked the same way.
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
    """The judge of a component; None if it has none."""
    judge = getattr(component, "judge", None)
    return judge if isinstance(judge, Judge) else None


def batch_of(records: Sequence[CompletionRecord], modalities: ModalitySet) -> RewardBatch:
    """Records as a batch for reward components."""
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
