"""What every judge is: something that always returns verdicts."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future

from medix.types import JudgeQuestion, Verdict


class Judge(ABC):
    """Grades answers against references. A failure is an unscored verdict with its reason, never a 0 or a None."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """Kind, model and prompt version: what a table must name beside its numbers. Holds no secret."""

    @abstractmethod
    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """One verdict per question, in order. Never raises for a question it could not grade."""

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        """Ask without waiting. A judge that computes here and now answers at once; a served judge overrides this."""
        future: Future[Verdict] = Future()
        future.set_result(self.grade([question])[0])
        return future

    def close(self) -> None:  # noqa: B027 - most judges hold nothing
        """Give back connections and threads; a closed judge may be used again."""
