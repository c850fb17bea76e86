"""Credit for reasoning that is consistent with the modality of the image."""

from collections.abc import Iterable, Mapping, Sequence

from medix.grammar import Fault, Parsed
from medix.judge.clinical.modality_terms import ModalityTerms
from medix.modality import ModalitySet
from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent, Unscored


class ModalityConsistencyReward(RewardComponent):
    """0 if the completion describes what only another modality can show, such as Hounsfield units on an X-ray; else 1.

    For reasoning that names the right tag and then describes another kind of image, which rewards on tag and answer do
    not detect. Give it a small weight. No published recipe uses it.

    The whole completion, without tags, is read sentence by sentence for terms of other modalities
    (``medix.judge.clinical.modality_terms``). A term does not count if question, reference or an alias contains it.
    False negatives are preferred: a missed term costs little, because the answer is graded elsewhere, but penalising a
    correct finding would teach the policy to say less.

    A completion without exactly one non-empty reasoning block earns 0, because empty reasoning would otherwise always
    be consistent. Does not apply to text-only samples, nor to modalities without an entry in the lexicon: GRAPHICS,
    which may depict anything, and OTHER.

    Args:
        terms: additional terms with their modalities, in lower case, hyphens as spaces, ``#`` for a number:
            ``{"signal void": ["MRI_SCAN"]}``. A term of the lexicon is replaced, and removed if it has no modality.
    """

    def __init__(self, terms: dict[str, list[str]] | None = None) -> None:
        super().__init__()
        self.terms = dict(terms or {})
        self._lexicon = ModalityTerms(self.terms, "ModalityConsistencyReward.terms")

    def score(self, batch: RewardBatch) -> ComponentScores:
        """1 or 0; not applicable without a modality of the lexicon; unscored if ``terms`` names an unknown one."""
        unknown = _unknown(self.terms, batch.modality_set)
        values: list[float | Unscored | None] = []
        for row, (completion, modality) in enumerate(zip(batch.completions, batch.modalities, strict=True)):
            if modality is None or modality not in self._lexicon.covered:
                values.append(None)
            elif unknown:
                values.append(unknown)
            elif not _has_reasoning(batch.parsed[row]):
                values.append(0.0)
            else:
                given = (batch.questions[row], batch.references[row], *batch.aliases[row])
                values.append(float(next(self._lexicon.foreign(completion, modality, given), None) is None))
        return ComponentScores.of(values)

    def foreign_terms(self, completion: str, modality: str, given: Iterable[str] = ()) -> tuple[str, ...]:
        """The terms that count against a completion, in order of appearance, to explain a score.

        Args:
            completion: everything the policy wrote.
            modality: of the image.
            given: question, reference and aliases, whose terms do not count.
        """
        return tuple(self._lexicon.foreign(completion, modality, given))


def _has_reasoning(parsed: Parsed) -> bool:
    return parsed.reasoning is not None and Fault.EMPTY_REASONING not in parsed.faults


def _unknown(terms: Mapping[str, Sequence[str]], modalities: ModalitySet) -> Unscored | None:
    """Reject unknown modalities: a misspelt one would make the term count against every image."""
    for term, names in terms.items():
        wrong = [name for name in names if name not in modalities]
        if wrong:
            return Unscored(
                f"ModalityConsistencyReward.terms[{term!r}]: {wrong[0]!r} is not in the modality set; known: "
                f"{', '.join(modalities)}"
            )
    return None
