"""What of a completion is graded."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence

from medix.rewards.base import RewardBatch


class AnswerRule(ABC):
    """Takes the answer out of a completion and prepares the reference."""

    @abstractmethod
    def answers(self, batch: RewardBatch) -> list[str | None]:
        """The answer of each row; None is a completion without a valid answer, which is wrong and not unscored."""

    def references(self, batch: RewardBatch) -> list[tuple[str, ...]]:
        """The texts each answer may agree with, the reference first; blank ones are left out."""
        return [
            tuple(text for text in (reference, *aliases) if text.strip())
            for reference, aliases in zip(batch.references, batch.aliases, strict=True)
        ]

    def settled(self, answer: str, references: Sequence[str]) -> float | None:  # noqa: ARG002 - for those that do
        """What the answer earns by this rule alone, without asking a judge or an encoder; None if they are asked."""
        return None


class StrictAnswer(AnswerRule):
    """The text of exactly one ``<answer>``; none, several, or one of nothing but tags is no answer."""

    def answers(self, batch: RewardBatch) -> list[str | None]:
        """The answer the grammar found."""
        return [parsed.answer for parsed in batch.parsed]


_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_BANNED = ("__", ":", "?")


class PublishedAnswer(AnswerRule):
    """The rule of the public MediX-R1 reward (arXiv:2602.23363, public code).

    The first ``<answer>``, else the whole completion; points stripped from both ends of answer and reference, so that
    ``.5 mm`` equals ``5 mm``; an answer that is empty, one character, or holds ``__``, ``:`` or ``?`` is no answer.
    White space around ``<``, ``>`` and ``/`` is removed from the completion only. Aliases are not known to it.
    """

    def answers(self, batch: RewardBatch) -> list[str | None]:
        """The cleaned answer, or None where it is banned."""
        return [self._answer(text) for text in batch.completions]

    def references(self, batch: RewardBatch) -> list[tuple[str, ...]]:
        """The cleaned reference."""
        cleaned = [_clean(reference) for reference in batch.references]
        return [(text,) if text else () for text in cleaned]

    def settled(self, answer: str, references: Sequence[str]) -> float | None:
        """Equal strings are right."""
        return 1.0 if answer in references else None

    def _answer(self, completion: str) -> str | None:
        text = without_space_around_marks(completion)
        match = _ANSWER.search(text)
        answer = _clean(match[1] if match else text)
        is_banned = len(answer) <= 1 or any(mark in answer for mark in _BANNED)
        return None if is_banned else answer


def without_space_around_marks(completion: str) -> str:
    """The published clean-up: no white space before or after ``<``, ``>`` and ``/``."""
    parts = re.split(r"([<>/])", completion)
    # Every second part is a mark. One substitution with \\s* on both sides would be quadratic in a run of spaces.
    for index in range(0, len(parts), 2):
        text = parts[index] if index == 0 else parts[index].lstrip()
        parts[index] = text if index == len(parts) - 1 else text.rstrip()
    return "".join(parts)


def _clean(text: str) -> str:
    return text.strip().strip(".")
