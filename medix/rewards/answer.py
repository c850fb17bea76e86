"""Rules that extract the answer from a completion."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence

from medix.rewards.base import RewardBatch


class AnswerRule(ABC):
    """Extracts the answer from a completion and prepares the references."""

    @property
    def name(self) -> str:
        """Which rule it is, in records: the class, and the rules that it asks (``AbstentionAnswer over StrictAnswer``).

        A rule of one's own adds the arguments that decide whether an answer is right.
        """
        inner = [part.name for part in vars(self).values() if isinstance(part, AnswerRule)]
        return type(self).__name__ + (f" over {' and '.join(inner)}" if inner else "")

    @abstractmethod
    def answers(self, batch: RewardBatch) -> list[str | None]:
        """The answer of each row; None for a completion without a valid answer, which is wrong, not unscored."""

    def references(self, batch: RewardBatch) -> list[tuple[str, ...]]:
        """The texts that each answer is compared with: reference, then aliases, without blank ones."""
        return [
            tuple(text for text in (reference, *aliases) if text.strip())
            for reference, aliases in zip(batch.references, batch.aliases, strict=True)
        ]

    def settled(self, answer: str, references: Sequence[str]) -> float | None:  # noqa: ARG002 - used by subclasses
        """The credit of an answer that needs neither judge nor encoder; None if it needs them."""
        return None


class StrictAnswer(AnswerRule):
    """The text of the only ``<answer>``; there is no valid answer if there are none or several, or only tags inside."""

    def answers(self, batch: RewardBatch) -> list[str | None]:
        """The answer the grammar found."""
        return [parsed.answer for parsed in batch.parsed]


_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_BANNED = ("__", ":", "?")


class PublishedAnswer(AnswerRule):
    """The rule of the public MediX-R1 reward (arXiv:2602.23363, public code).

    The first ``<answer>``, or else the whole completion. Periods are stripped from both ends of answer and reference,
    so that ``.5 mm`` equals ``5 mm``. An answer that is empty, has one character, or contains ``__``, ``:`` or ``?`` is
    invalid. White space around ``<``, ``>`` and ``/`` is removed from the completion only. Aliases are ignored.
    """

    def answers(self, batch: RewardBatch) -> list[str | None]:
        """The cleaned answer, or None if it is invalid."""
        return [self._answer(text) for text in batch.completions]

    def references(self, batch: RewardBatch) -> list[tuple[str, ...]]:
        """The cleaned reference."""
        cleaned = [_clean(reference) for reference in batch.references]
        return [(text,) if text else () for text in cleaned]

    def settled(self, answer: str, references: Sequence[str]) -> float | None:
        """1 for equal strings."""
        return 1.0 if answer in references else None

    def _answer(self, completion: str) -> str | None:
        text = without_space_around_marks(completion)
        match = _ANSWER.search(text)
        answer = _clean(match[1] if match else text)
        is_banned = len(answer) <= 1 or any(mark in answer for mark in _BANNED)
        return None if is_banned else answer


def without_space_around_marks(completion: str) -> str:
    """Remove white space before and after ``<``, ``>`` and ``/``, as the published code does."""
    parts = re.split(r"([<>/])", completion)
    # Parts with an odd index are marks. A substitution with \\s* on both sides would be quadratic in a run of spaces.
    for index in range(0, len(parts), 2):
        text = parts[index] if index == 0 else parts[index].lstrip()
        parts[index] = text if index == len(parts) - 1 else text.rstrip()
    return "".join(parts)


def _clean(text: str) -> str:
    return text.strip().strip(".")
