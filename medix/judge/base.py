"""The interface of judges."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from medix.judge.own_arguments import is_ours, judge_form, recording
from medix.judge.prompt import JudgePrompt
from medix.types import JudgeQuestion, Verdict


class Judge(ABC):
    """Grades answers against references. A failure is an unscored verdict with its reason, never a 0 or a None."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let the constructor record its arguments (``own_arguments``), which the identity may leave out."""
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls) and not is_ours(cls):
            cls.__init__ = recording(cls.__init__)  # type: ignore[method-assign]

    @property
    @abstractmethod
    def identity(self) -> str:
        """Kind, model, prompt version and what else verdicts depend on, as reported beside results; no secrets."""

    @abstractmethod
    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """One verdict per question, in order. Never raises for a question it could not grade."""

    @property
    def asks_ahead(self) -> bool:
        """Whether ``submit`` returns before the verdict is known. Ask other judges all questions in one call."""
        return type(self).submit is not Judge.submit

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        """Ask without waiting. This default grades synchronously; asynchronous judges override it."""
        future: Future[Verdict] = Future()
        future.set_result(self.grade([question])[0])
        return future

    def asking(self, prompt: JudgePrompt) -> "Judge":
        """The same judge with another prompt: a rubric component takes the suite's judge with a prompt of its own.

        Raises:
            ValueError: this judge takes no prompts.
        """
        raise ValueError(
            f"judge {self.identity} cannot be asked with the prompt {prompt.version}: it answers by rules of its own; "
            "give a judge that reads prompts, such as medix.judge.ServedJudge"
        )

    def without_cache(self) -> "Judge":
        """The judge without its cache, which canaries must bypass; this judge if it has none."""
        return self

    def _plain_form(self) -> list[str]:
        """Which judge it is, where a judge is an argument (``medix.judge.plain_form``)."""
        return judge_form(self)

    def close(self) -> None:  # noqa: B027 - most judges hold no resources
        """Release connections and threads; a closed judge may be used again."""
