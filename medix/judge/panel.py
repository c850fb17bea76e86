"""Several judges that vote."""

import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from medix.judge import outcome
from medix.judge.base import Judge
from medix.judge.prompt import JudgePrompt
from medix.types import JudgeQuestion, Verdict


class PanelJudge(Judge):
    """Independent votes of several judges (arXiv:2404.18796: small judges of different families beat one large one).

    All members are asked at once, and none sees another's vote. The credit is the median of the valid votes: for YES
    and NO that is the majority, for grades the middle one, or the mean of the middle two. Where the middle two votes
    are the worst and the best (YES against NO), the panel is split and the verdict is unscored; so it is when fewer
    members than ``quorum`` came to a verdict. A vote whose credit is not from 0 to 1 is none.

    The confidence is the share of the valid votes that agree with the verdict; 0 if it lies between two grades. It says
    how united the panel is, not how probable the verdict. ``votes`` holds the members' verdicts in their order, each
    under its member's identity; ``medix.judge.agreement`` measures how far they agree over many questions.

    Args:
        judges: the members; no identity twice, also not behind a cache, rules or a panel, since one model asked twice
            errs twice the same way.
        quorum: valid votes that a verdict needs; more than half of the members if not given.
        patience: seconds without any vote after which ``grade`` gives the rest up; a backstop behind the members' own
            limits.
    """

    def __init__(self, judges: list[Judge], quorum: int | None = None, patience: float = 600.0) -> None:
        if not judges:
            raise ValueError(
                "judge.judges is empty; give a panel at least one member, better three of different models"
            )
        identities = [identity for judge in judges for identity in _innermost(judge)]
        twice = sorted({identity for identity in identities if identities.count(identity) > 1})
        if twice:
            raise ValueError(
                f"judge.judges holds {', '.join(twice)} more than once; votes of one judge are not independent, "
                "give members of different models or prompts"
            )
        if quorum is not None and not 1 <= quorum <= len(judges):
            raise ValueError(f"judge.quorum must be from 1 to the number of members, {len(judges)}, got {quorum}")
        if not patience > 0:
            raise ValueError(f"judge.patience must be more than 0 seconds, got {patience}")
        self.judges = judges
        self.quorum = len(judges) // 2 + 1 if quorum is None else quorum
        self.patience = patience

    @property
    def identity(self) -> str:
        """``panel/1 with quorum 2 of [<member>, <member>, <member>]``."""
        return f"panel/1 with quorum {self.quorum} of [{', '.join(judge.identity for judge in self.judges)}]"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """Ask every member everything before waiting for any; members that compute here get all questions at once."""
        start = time.perf_counter()
        asked = list(dict.fromkeys(questions))
        pending = {
            member: [outcome.submit(judge, question) for question in asked]
            for member, judge in enumerate(self.judges)
            if judge.asks_ahead
        }
        votes = {
            member: outcome.grade(judge, asked) for member, judge in enumerate(self.judges) if not judge.asks_ahead
        }
        outcome.wait([future for futures in pending.values() for future in futures], self.patience)
        for member, futures in pending.items():
            votes[member] = [self._vote(self.judges[member], future) for future in futures]
        verdicts = {
            question: self._decide([votes[member][index] for member in range(len(self.judges))], start)
            for index, question in enumerate(asked)
        }
        return [verdicts[question] for question in questions]

    @property
    def asks_ahead(self) -> bool:
        """As any member does."""
        return any(judge.asks_ahead for judge in self.judges)

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        """Ask every member without waiting; the verdict is there with the last vote, within the members' limits."""
        ballot = _Ballot(self, time.perf_counter())
        # those that answer later first, so that they are at work while the others compute
        order = sorted(range(len(self.judges)), key=lambda member: not self.judges[member].asks_ahead)
        for member in order:
            future = outcome.submit(self.judges[member], question)
            future.add_done_callback(partial(ballot.cast, member))
        return ballot.verdict

    def asking(self, prompt: JudgePrompt) -> "PanelJudge":
        """The panel whose members are all asked another way."""
        return PanelJudge([judge.asking(prompt) for judge in self.judges], self.quorum, self.patience)

    def without_cache(self) -> "PanelJudge":
        """The panel of the members themselves."""
        return PanelJudge([judge.without_cache() for judge in self.judges], self.quorum, self.patience)

    def close(self) -> None:
        """Close every member."""
        for judge in self.judges:
            judge.close()

    def _vote(self, judge: Judge, future: "Future[Verdict]") -> Verdict:
        if not future.done():
            return outcome.unscored(judge, f"no vote from anyone for {self.patience:g} s")
        return outcome.verdict_of(judge, future)

    def _decide(self, votes: Sequence[Verdict], start: float) -> Verdict:
        """The verdict on one question."""
        cast = tuple(_stamped(vote, judge.identity) for vote, judge in zip(votes, self.judges, strict=True))
        given = sorted(vote.credit for vote in cast if vote.credit is not None)
        credit, reason = None, ""
        if len(given) < self.quorum:
            failed = "; ".join(f"{vote.judge}: {vote.reason}" for vote in cast if vote.credit is None)
            reason = f"{len(given)} of {len(cast)} members came to a verdict, the quorum is {self.quorum} ({failed})"
        elif (statistics.median_low(given), statistics.median_high(given)) == (0.0, 1.0):
            reason = f"the members are split: {_tally(cast)}"
        else:
            credit = float(statistics.median(given))
        return Verdict(
            credit=credit,
            judge=self.identity,
            reason=reason,
            explanation=_tally(cast),
            latency=time.perf_counter() - start,
            confidence=None if credit is None else given.count(credit) / len(given),
            votes=cast,
        )


class _Ballot:
    """The votes on one question as they arrive, from whatever thread."""

    def __init__(self, panel: PanelJudge, start: float) -> None:
        self.verdict = outcome.begun()
        self._panel = panel
        self._start = start
        self._lock = threading.Lock()
        self._votes: dict[int, Verdict] = {}

    def cast(self, member: int, future: "Future[Verdict]") -> None:
        """Count a vote; the last one brings the verdict."""
        vote = outcome.verdict_of(self._panel.judges[member], future)
        with self._lock:
            self._votes[member] = vote
            is_last = len(self._votes) == len(self._panel.judges)
        if is_last:
            votes = [self._votes[one] for one in range(len(self._votes))]
            self.verdict.set_result(self._panel._decide(votes, self._start))


def _innermost(judge: Judge) -> list[str]:
    """Identities of those who are asked in the end: behind what wraps one judge, and in panels."""
    if isinstance(judge, PanelJudge):
        return [identity for member in judge.judges for identity in _innermost(member)]
    wrapped = getattr(judge, "judge", None)
    return _innermost(wrapped) if isinstance(wrapped, Judge) else [judge.identity]


def _stamped(vote: Verdict, identity: str) -> Verdict:
    """A vote under its member's identity; one off the scale counts for nothing."""
    if vote.credit is not None and not 0 <= vote.credit <= 1:
        return Verdict(None, identity, reason=f"a credit of {vote.credit}, which is not from 0 to 1", reply=vote.reply)
    return replace(vote, judge=identity)


def _tally(votes: Sequence[Verdict]) -> str:
    words = {None: "no verdict", 0.0: "NO", 1.0: "YES"}
    return ", ".join(f"{vote.judge}: {words.get(vote.credit, f'{vote.credit or 0:.3g}')}" for vote in votes)
