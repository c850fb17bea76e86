"""Agreement between judges over many questions, corrected for chance."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
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
    return stratified_alpha([rows])


def stratified_alpha(strata: Iterable[Sequence[Sequence[float | None]]]) -> float:
    """Krippendorff's alpha of questions of several kinds, on each of which other things can be said.

    One minus the sum over kinds of the observed disagreement over that of the expected one, each weighted by the votes
    of its kind: the mean of the alphas of the kinds, weighted by the disagreement that is expected, as a stratified
    kappa is one of kappas (Barlow, Lai and Azen, Stat. Med. 10, 1991). Chance is within a kind: over all at once it
    would draw votes that nobody could give, and agreement by chance would count as agreement.

    Args:
        strata: of each kind its rows, as for ``krippendorff_alpha``, which this is for a single kind.

    Returns:
        1 is full agreement, 0 is chance; NaN if in each kind all votes are equal, or no question has two.
    """
    found = [_disagreements(rows) for rows in strata]
    expected = sum(by_chance for _, by_chance in found)
    return 1 - sum(observed for observed, _ in found) / expected if expected else math.nan


def _disagreements(rows: Sequence[Sequence[float | None]]) -> tuple[float, float]:
    """Observed disagreement and that expected by chance, times the number of votes in questions that have two."""
    observed = 0.0
    totals: Counter[float] = Counter()
    for row in rows:
        votes = Counter(credit for credit in row if credit is not None)
        size = votes.total()
        if size < 2:
            continue
        totals += votes
        observed += (size**2 - sum(number**2 for number in votes.values())) / (size - 1)
    count = totals.total()
    expected = count**2 - sum(number**2 for number in totals.values())
    return observed, expected / (count - 1) if expected else 0.0
