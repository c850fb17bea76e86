"""What every judge is: something that always returns verdicts."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future

from medix.judge.prompt import JudgePrompt
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

    @property
    def asks_ahead(self) -> bool:
        """Whether ``submit`` returns before the verdict is there. A judge that computes here and now is better asked
        all at once.
        """
        return type(self).submit is not Judge.submit

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        """Ask without waiting. A judge that computes here and now answers at once; a served judge overrides this."""
        future: Future[Verdict] = Future()
        future.set_result(self.grade([question])[0])
        return future

    def gave(self, verdict: Verdict) -> bool:
        """Whether a verdict is this judge's own, so that it need not be asked again."""
        return verdict.judge == self.identity

    def asking(self, prompt: JudgePrompt) -> "Judge":
        """The same judge, asked another way: a rubric component takes the suite's judge with its own prompt.

        Raises:
            ValueError: a judge that cannot be asked this way.
        """
        raise ValueError(
            f"judge {self.identity} cannot be asked with the prompt {prompt.version}: it answers by rules of its own; "
            "give a judge that reads prompts, such as medix.judge.ServedJudge"
        )

    def without_cache(self) -> "Judge":
        """The judge itself, where this one looks verdicts up: what canaries must be put to."""
        return self

    def close(self) -> None:  # noqa: B027 - most judges hold nothing
        """Give back connections and threads; a closed judge may be used again."""
