"""What a rater says about one comparison."""

from dataclasses import dataclass

from medix.studies.preference.samples import ModelPair
from medix.types import Cluster

CHOICES = ("left", "right", "tie", "neither")
"""What can be chosen: an answer by its side, both alike, or that both are unacceptable."""

GRADES = ("unacceptable", "acceptable", "good")
"""Of the reasoning of one answer, from the worst on."""

FIELDS = {"choice": CHOICES, "left_reasoning": GRADES, "right_reasoning": GRADES, "comment": None}
"""What a rater sets, and the values that are possible; None for free text."""

LONGEST_COMMENT = 4000
"""Characters."""


@dataclass(frozen=True, slots=True)
class Rating:
    """One comparison that a rater has decided.

    Attributes:
        rater: from 0.
        comparison: its number.
        sample: data set and id of the sample.
        cluster: the unit that intervals are clustered by.
        modality: of the images; empty if it is unknown.
        models: the two models, the smaller number first.
        choice: one of ``CHOICES``.
        is_swapped: whether the first model stood on the right.
        is_repeat: whether the rater decided it a second time.
        grades: of the reasoning of both models, in their order; empty if not given.
        comment: free text.
        seconds: from the first display to the last choice.
    """

    rater: int
    comparison: int
    sample: tuple[str, str]
    cluster: Cluster
    modality: str
    models: ModelPair
    choice: str
    is_swapped: bool
    is_repeat: bool = False
    grades: tuple[str, str] = ("", "")
    comment: str = ""
    seconds: float = 0.0

    @property
    def winner(self) -> int | None:
        """The model whose answer was preferred; None for a tie, and if both are unacceptable."""
        if self.choice not in ("left", "right"):
            return None
        return self.models[(self.choice == "right") ^ self.is_swapped]

    @property
    def said(self) -> str:
        """The choice whatever the sides: number of the preferred model, ``tie`` or ``neither``."""
        return self.choice if self.winner is None else str(self.winner)

    def score(self, model: int) -> float:
        """1 if the answer of this model was preferred, 0 if the other one was, else a half."""
        return 0.5 if self.winner is None else float(self.winner == model)
