# ruff: noqa: RUF001 - apostrophes of all kinds are what is looked for
"""Credit for answers that abstain."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence

from medix.rewards.answer import AnswerRule, StrictAnswer
from medix.rewards.base import RewardBatch

ABSTENTIONS = (
    "(do|does|did) not know( how to answer)?", "(have )?no idea", "not sure", "unsure", "uncertain", "not certain",
    "not known", "unknown", "unclear", "not clear", "undetermined", "not determined", "undeterminable",
    "not determinable", "unanswerable", "not answerable", "(hard|difficult) to (say|tell|determine|assess)",
    "(insufficient|inadequate|not enough|too little) (information|data|evidence|detail|details|context)( available)?",
    "(more|further|additional) (information|data|context|details) (is |are )?(needed|required|necessary)",
    "(lack|lacks|lacking) (of )?(sufficient|enough) (information|data|evidence|detail|context)",
)  # fmt: skip
"""Whole answers that abstain, as patterns over normalised words; so do the forms of ``ABLE`` with ``TO_ANSWER``.

They stand alone or behind a word for the question itself ("it", "the answer", "the diagnosis"): behind a name each may
be a finding ("The left heart border is unclear", "The etiology is unknown"). Not among them, because each may be one
anyway: "indeterminate" and "inconclusive" (grades of a lesion, of a test), "cannot be seen", "cannot be identified",
"cannot be excluded", "none", "not applicable", "no abnormality", "further imaging is needed".
"""
ABLE = (
    "cannot", "could not", "can not", "unable to", "not able to", "impossible to", "not possible to", "not feasible to",
)  # fmt: skip
_ADVERB = "(reliably |definitively |confidently |accurately |really |currently |possibly |honestly )?"
_TO_BE_ANSWERED = (
    f"be {_ADVERB}(determined|assessed|ascertained|established|answered|evaluated|concluded|inferred|known|told)"
)
TO_ANSWER = (
    _TO_BE_ANSWERED,
    "(determine|assess|ascertain|establish|answer|evaluate|conclude|infer|say|tell|know|judge|be sure|be certain)",
    "(give|provide|make|offer|reach|render) (an? |any )?(definitive |definite |specific |medical |clinical |reliable )?"
    "(answer|diagnosis|assessment|conclusion|interpretation|opinion|advice)",
)
_OBJECT = (
    "( (this|that|it|the (answer|question|diagnosis|finding|findings)|this question|what (this|it) is|either way"
    "|which one))?"
)

_LEAD = (
    r"((i am |we are )?(very )?(sorry|afraid)( but| that)? |unfortunately |honestly |(i|we) (think|believe) "
    r"|(the )?answer is( that)? |based on the (image|images|question|information)( provided| given)? "
    r"|as an ai( model| language model| assistant)? |(well|hmm) )*"
)
_SUBJECT = (
    r"((i|we|it|this|that|there|((the|this) )?((correct|right|exact|final) )?(answer|question|diagnosis))"
    r"( is| am| are| was)?( currently| simply| just)? )?"
)
# "The laterality cannot be determined": up to three words may name what is asked for
_NAMED = r"(the|this|that|its|his|her) (?:\w+ ){1,3}?(is |are |was |were )?"
_SOURCE = (
    r"(?:(?:single|given|provided|available|current|supplied|above|ct|mri|x ray) )?"
    r"(?:image|images|picture|photo|scan|x ray|xray|radiograph|view|views|slide|study|film|information|data"
    r"|question|text|context)(?: (?:alone|only|provided|given|available|shown))?"
)
_TAIL = (
    rf"( (from|based on|based upon|by|with|in|on|given|using|about|without) (the |this |that |these |those |a |an "
    rf"|just )?{_SOURCE}"
    r"| without (further|more|additional|any) (information|imaging|context|data|tests|testing|details)"
    r"| at this (time|point)| with (certainty|confidence|any certainty)| for (sure|certain)|( either)? way"
    r"| (definitively|reliably|accurately|confidently|conclusively))*"
)
_LONGEST = 200  # characters; no listed form is longer, and a pattern is not let loose on a report


class AbstentionAnswer(AnswerRule):
    """Gives an abstaining answer a fixed credit, without asking the judge or the encoder.

    For training calibration: with a wrong answer at 0 and a right one at 1, a value of 0.2 makes it worth answering
    wherever the chance to be right is above 0.2. Above the accuracy that the policy has anyway it teaches to abstain
    always. Give the rule to every component that grades answers, or they disagree. No published recipe uses it; without
    it an abstention is graded as any other answer, which is as a wrong one.

    An answer abstains if the whole of it does: "I don't know", "It cannot be determined from the image.", "The side
    cannot be assessed". One that says anything else besides is an answer ("pneumonia, but I am not sure"), and so is
    one that may be a finding ("The lung bases are not clear"): of a named thing only "cannot be determined" abstains.
    Case, punctuation, contractions and listed openings and endings do not count. The list is English. Where the
    reference or an alias abstains, to abstain may be right: such a row is graded as any other.

    Args:
        value: credit of an abstention, from 0 to 1.
        phrases: additional answers that abstain, in any language.
        answer_rule: extracts the answer from the completion; exactly one ``<answer>`` if not given.
    """

    def __init__(self, value: float, phrases: Sequence[str] = (), answer_rule: AnswerRule | None = None) -> None:
        if not 0 <= value <= 1:
            raise ValueError(f"AbstentionAnswer.value: {value} is not a credit; give a number from 0 to 1")
        if isinstance(phrases, str):
            raise ValueError(f"AbstentionAnswer.phrases: {phrases!r} is a single string; give a list of strings")
        empty = [phrase for phrase in phrases if not _words(phrase)]
        if empty:
            raise ValueError(f"AbstentionAnswer.phrases: {empty[0]!r} contains no word; remove it")
        self.value = value
        self.phrases = tuple(phrases)
        self.answer_rule = answer_rule or StrictAnswer()
        self._further = frozenset(map(_words, self.phrases))

    @property
    def name(self) -> str:
        """``AbstentionAnswer over StrictAnswer``, with a digest of further phrases and of a value of 1, if given."""
        decides = [*sorted(self._further), *(["right"] if self.value == 1 else [])]
        digest = f"/{hashlib.sha256(repr(decides).encode()).hexdigest()[:8]}" if decides else ""
        return f"{type(self).__name__}{digest} over {self.answer_rule.name}"

    def answers(self, batch: RewardBatch) -> list[str | None]:
        """The answers of the wrapped rule."""
        return self.answer_rule.answers(batch)

    def references(self, batch: RewardBatch) -> list[tuple[str, ...]]:
        """The references of the wrapped rule."""
        return self.answer_rule.references(batch)

    def settled(self, answer: str, references: Sequence[str]) -> float | None:
        """``value`` for an abstention; otherwise the wrapped rule decides."""
        if self.abstains(answer) and not any(self.abstains(reference) for reference in references):
            return self.value
        return self.answer_rule.settled(answer, references)

    def abstains(self, text: str) -> bool:
        """Whether the whole text is an abstention."""
        words = _words(text)
        return words in self._further or (len(words) <= _LONGEST and _ABSTAINS.fullmatch(words) is not None)


def _words(text: str) -> str:
    """Lower case, contractions written out, no signs and no invisible characters, one space between words."""
    if len(text) > 10 * _LONGEST:
        return text
    text = text.casefold().replace("’", "'").replace("`", "'").replace("‘", "'")
    text = re.sub(r"\bcan't\b|\bcan not\b", "cannot", text)
    text = re.sub(r"n't\b", " not", text)
    text = re.sub(r"\b(i)'m\b", r"\1 am", re.sub(r"\b(it|that|there)'s\b", r"\1 is", text))
    # not \w: in many scripts a vowel is a mark, which \w leaves out
    kinds = [(char, unicodedata.category(char)) for char in text]
    return " ".join("".join(" " if kind[0] in "CPSZ" else char for char, kind in kinds if kind != "Cf").split())


def _any(patterns: Iterable[str]) -> str:
    return "(" + "|".join(patterns) + ")"


_ANY_FORM = f"{_SUBJECT}{_ADVERB}({_any(ABSTENTIONS)}|{_any(ABLE)} {_ADVERB}{_any(TO_ANSWER)})"
_OF_A_NAMED_THING = f"{_NAMED}{_any(ABLE)} {_ADVERB}{_TO_BE_ANSWERED}"
_OF_THE_SOURCE = f"(the |this |that )?{_SOURCE} {ABSTENTIONS[-1]}"
_ABSTAINS = re.compile(f"{_LEAD}{_any((_ANY_FORM, _OF_A_NAMED_THING, _OF_THE_SOURCE))}{_OBJECT}{_TAIL}")
