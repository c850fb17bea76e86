"""Several judges that vote."""

import copy
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from medix.judge import outcome
from medix.judge.base import Judge
from medix.judge.own_arguments import on_record
from medix.judge.prompt import JudgePrompt
from medix.types import JudgeQuestion, Verdict


class PanelJudge(Judge):
    """Independent votes of several judges (arXiv:2404.18796: small judges of different families beat one large one).

    All members are asked at once, and none sees another's vote. The credit is the median of the valid votes: for YES
    and NO that is the majority, for grades the middle one, or the mean of the middle two. Where the middle two votes
    are the worst and the best (YES against NO), the panel is split and the verdict is unscored; so it is when fewer
    members than ``quorum`` gave a valid vote. A vote whose credit is not between 0 and 1 is invalid.

    The confidence is the share of the valid votes that equal the verdict; 0 if the verdict lies between two grades. It
    measures how far the panel agrees, not how probable the verdict is. ``votes`` holds the members' verdicts in order,
    each under its member's identity; ``medix.judge.agreement`` measures agreement over many questions.

    Args:
        judges: the members, with distinct identities, also inside caches, hybrid judges and panels: one model asked
            twice makes the same mistake twice.
        quorum: valid votes that a verdict needs; more than half of the members if not given.
        patience: seconds without any vote after which ``grade`` counts the rest as missing, in case the members' own
            time limits fail.
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
        """Submit all questions to asynchronous members, ask the others synchronously, then wait for all votes."""
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
        """Whether any member does."""
        return any(judge.asks_ahead for judge in self.judges)

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        """Ask every member without waiting; the last vote resolves the future, within the members' time limits."""
        ballot = _Ballot(self, time.perf_counter())
        # asynchronous members first, so that they work while the others compute
        order = sorted(range(len(self.judges)), key=lambda member: not self.judges[member].asks_ahead)
        for member in order:
            future = outcome.submit(self.judges[member], question)
            future.add_done_callback(partial(ballot.cast, member))
        return ballot.verdict

    def asking(self, prompt: JudgePrompt) -> "PanelJudge":
        """The panel with another prompt for every member."""
        return self.of([judge.asking(prompt) for judge in self.judges])

    def without_cache(self) -> "PanelJudge":
        """The panel of the members without their caches."""
        return self.of([judge.without_cache() for judge in self.judges])

    def of(self, judges: list[Judge]) -> "PanelJudge":
        """This panel, of whatever class, of other members: each in the place of one of this."""
        other = copy.copy(self)
        other.judges = judges
        return other

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
        cast = tuple(
            on_record(judge, [replace(vote, judge=judge.identity, asked="")])[0]
            for vote, judge in zip(votes, self.judges, strict=True)
        )
        given = sorted(vote.credit for vote in cast if vote.credit is not None)
        credit, reason = None, ""
        if len(given) < self.quorum:
            failed = "; ".join(f"{', '.join(names)}: {why}" for why, names in _failed(cast).items())
            reason = f"{len(given)} of {len(cast)} members came to a verdict, the quorum is {self.quorum} ({failed})"
        elif (statistics.median_low(given), statistics.median_high(given)) == (0.0, 1.0):
            reason = f"the members are split: {_counted(cast)}"
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
    """Collects the votes on one question, which arrive on any thread."""

    def __init__(self, panel: PanelJudge, start: float) -> None:
        self.verdict = outcome.pending()
        self._panel = panel
        self._start = start
        self._lock = threading.Lock()
        self._votes: dict[int, Verdict] = {}

    def cast(self, member: int, future: "Future[Verdict]") -> None:
        """Record a vote; the last one resolves the verdict."""
        vote = outcome.verdict_of(self._panel.judges[member], future)
        with self._lock:
            self._votes[member] = vote
            is_last = len(self._votes) == len(self._panel.judges)
        if is_last:
            votes = [self._votes[one] for one in range(len(self._votes))]
            self.verdict.set_result(self._panel._decide(votes, self._start))


def _innermost(judge: Judge) -> list[str]:
    """Identities of the innermost judges, inside wrappers and panels."""
    if isinstance(judge, PanelJudge):
        return [identity for member in judge.judges for identity in _innermost(member)]
    wrapped = getattr(judge, "judge", None)
    return _innermost(wrapped) if isinstance(wrapped, Judge) else [judge.identity]


def _failed(votes: Sequence[Verdict]) -> dict[str, list[str]]:
    """Members without a valid vote, by the reason."""
    found: dict[str, list[str]] = {}
    for vote in votes:
        if vote.credit is None:
            found.setdefault(vote.reason, []).append(vote.judge)
    return found


def _counted(votes: Sequence[Verdict]) -> str:
    """How many voted what, whoever it was: the same split is the same reason."""
    counts = Counter(vote.credit for vote in votes if vote.credit is not None)
    words = [f"{counts[credit]} {_word(credit)}" for credit in sorted(counts, reverse=True)]
    missing = len(votes) - counts.total()
    return ", ".join([*words, *([f"{missing} no verdict"] if missing else [])])


def _word(credit: float | None) -> str:
    return {None: "no verdict", 0.0: "NO", 1.0: "YES"}.get(credit, f"{credit or 0:.3g}")


def _tally(votes: Sequence[Verdict]) -> str:
    return ", ".join(f"{vote.judge}: {_word(vote.credit)}" for vote in votes)
