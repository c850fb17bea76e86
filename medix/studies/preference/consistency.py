"""How far raters agree with each other and with themselves, and whether a side attracts them."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations

from medix.evaluation.statistics import Interval, proportion
from medix.judge.agreement import stratified_alpha
from medix.studies.preference.rating import Rating
from medix.studies.preference.samples import ModelPair


@dataclass(frozen=True)
class Consistency:
    """Agreement and position bias of a study.

    Attributes:
        ratings: all ratings, repeats too.
    """

    ratings: Sequence[Rating]

    @cached_property
    def _shared(self) -> dict[ModelPair, list[list[str]]]:
        said: dict[tuple[ModelPair, int], list[str]] = {}
        for rating in self.ratings:
            if not rating.is_repeat:
                said.setdefault((rating.models, rating.comparison), []).append(rating.said)
        found: dict[ModelPair, list[list[str]]] = {}
        for (pair, _), ones in said.items():
            if len(ones) > 1:
                found.setdefault(pair, []).append(ones)
        return found

    @property
    def shared(self) -> list[list[str]]:
        """What was said of each comparison that two or more raters decided: the model, a tie, or neither."""
        return [ones for rows in self._shared.values() for ones in rows]

    @property
    def alpha(self) -> float:
        """Krippendorff's alpha of the four things that can be said of a pair of models; NaN if undefined.

        Of several pairs it is one minus the sum of their observed over that of their expected disagreement
        (``stratified_alpha``): a rater can only choose between the two models that are shown, so that raters who toss
        coins agree half of the time however many models there are.
        """
        codes = {said: float(code) for code, said in enumerate(sorted({said for ones in self.shared for said in ones}))}
        return stratified_alpha([[codes[said] for said in ones] for ones in rows] for rows in self._shared.values())

    @property
    def agreement(self) -> float:
        """Share of the pairs of ratings of one comparison that say the same; NaN without any."""
        pairs = [one == other for ones in self.shared for one, other in combinations(ones, 2)]
        return sum(pairs) / len(pairs) if pairs else math.nan

    @cached_property
    def again(self) -> list[bool]:
        """Of each comparison that a rater decided twice, whether the second time said the same as the first."""
        first = {(one.rater, one.comparison): one.said for one in self.ratings if not one.is_repeat}
        return [
            first[one.rater, one.comparison] == one.said
            for one in self.ratings
            if one.is_repeat and (one.rater, one.comparison) in first
        ]

    @cached_property
    def left(self) -> Interval:
        """Share of ratings with a preference that prefer the left answer, clustered by case, with an exact p-value.

        Sides are random, so that it is a half if they do not matter, whichever model is better. The p-value is that of
        the sign test over comparisons: each counts once, by whether most of its preferences are for the left or for the
        right. Raters who share a comparison may see the same sides, so that a better answer draws all of them to one
        side: their ratings are not independent, but the sides of one comparison are of the next. Assumed is that alone;
        that sides alternate within a pair of models makes the test conservative.
        """
        from scipy.stats import binomtest

        decided = [rating for rating in self.ratings if rating.winner is not None]
        leans: Counter[int] = Counter()
        for rating in decided:
            leans[rating.comparison] += 1 if rating.choice == "left" else -1
        left, right = (sum(side * lean > 0 for lean in leans.values()) for side in (1, -1))
        found = proportion([float(rating.choice == "left") for rating in decided], [one.cluster for one in decided])
        p_value = float(binomtest(left, left + right).pvalue) if left + right else 1.0 if decided else math.nan
        return replace(found, p_value=p_value)
