"""Agreement between judges over many questions, corrected for chance."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from medix.types import Verdict


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """Agreement of two judges on the questions that both gave a verdict on.

    Attributes:
        first: identity of one judge.
        second: identity of the other.
        questions: how many both graded.
        raw: share of them with the same credit; NaN if there are none.
        kappa: Cohen's kappa; NaN if the agreement expected by chance is 1 (both always give the same credit).
    """

    first: str
    second: str
    questions: int
    raw: float
    kappa: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of a panel over many questions.

    Attributes:
        questions: how many were put to it.
        missing: votes without a verdict.
        pairs: every two members, in their order.
        alpha: Krippendorff's alpha for nominal data over all members; NaN if undefined.
    """

    questions: int
    missing: int
    pairs: tuple[PairAgreement, ...]
    alpha: float


def agreement(verdicts: Sequence[Verdict]) -> Agreement:
    """Agreement of the members of a panel, from its verdicts; a verdict without votes is left out.

    Credits are nominal: two grades are equal or not, however close they are. Read raw agreement and kappa together: if
    nearly all answers are right, agreement by chance is high, and kappa is low at the same raw agreement.

    Raises:
        ValueError: the verdicts are of panels with different members.
    """
    voted = [verdict for verdict in verdicts if verdict.votes]
    members = {tuple(vote.judge for vote in verdict.votes) for verdict in voted}
    if len(members) > 1:
        raise ValueError(f"verdicts of {len(members)} different panels: {sorted(members)}; compare one panel at a time")
    names = next(iter(members), ())
    rows = [[vote.credit for vote in verdict.votes] for verdict in voted]
    pairs = [
        _pair(names[one], names[other], [(row[one], row[other]) for row in rows])
        for one, other in combinations(range(len(names)), 2)
    ]
    return Agreement(len(rows), sum(row.count(None) for row in rows), tuple(pairs), krippendorff_alpha(rows))


def _pair(first: str, second: str, rows: Sequence[tuple[float | None, float | None]]) -> PairAgreement:
    both = [(one, other) for one, other in rows if one is not None and other is not None]
    raw = sum(one == other for one, other in both) / len(both) if both else math.nan
    return PairAgreement(first, second, len(both), raw, cohen_kappa(both))


def cohen_kappa(pairs: Sequence[tuple[float, float]]) -> float:
    """Cohen's kappa of two judges (Cohen 1960): agreement beyond that of independent judges with the same marginals.

    (p - e) / (1 - e) with p the share of equal pairs and e the sum over credits of the product of both judges' shares.
    NaN without pairs, and where e is 1.
    """
    if not pairs:
        return math.nan
    count = len(pairs)
    first, second = Counter(one for one, _ in pairs), Counter(other for _, other in pairs)
    # integers until the division, so that a kappa of 0 or 1 is exact
    by_chance = sum(first[credit] * second[credit] for credit in first)
    equal = sum(one == other for one, other in pairs)
    return (equal * count - by_chance) / (count**2 - by_chance) if by_chance < count**2 else math.nan


def krippendorff_alpha(rows: Sequence[Sequence[float | None]]) -> float:
    """Krippendorff's alpha for nominal data (Krippendorff 2011, "Computing Krippendorff's alpha-reliability").

    One minus observed over expected disagreement, both over pairs of votes within a question; a question with fewer
    than two votes has no pairs and is left out.

    Args:
        rows: one row per question, one credit per judge; None is a missing vote.

    Returns:
        1 is full agreement, 0 is chance, below is less than chance; NaN if all votes are equal, or no question has two.
    """
    disagreement = 0.0
    totals: Counter[float] = Counter()
    for row in rows:
        votes = Counter(credit for credit in row if credit is not None)
        size = votes.total()
        if size < 2:
            continue
        totals += votes
        disagreement += (size**2 - sum(number**2 for number in votes.values())) / (size - 1)
    count = totals.total()
    expected = count**2 - sum(number**2 for number in totals.values())
    return 1 - (count - 1) * disagreement / expected if expected else math.nan
