"""Judges for the tests of judges around judges: they count what they are asked, answer late, or break."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future

from medix.judge.base import Judge
from medix.judge.prompt import JudgePrompt
from medix.types import JudgeQuestion, Verdict

Reply = Callable[[JudgeQuestion], float | None]


def question(answer: str = "a", reference: str = "r", text: str = "q", *aliases: str) -> JudgeQuestion:
    return JudgeQuestion(text, reference, answer, aliases)


class Counting(Judge):
    """Computes here and now, and remembers each call."""

    def __init__(self, credit: "float | Reply | None" = 1.0, name: str = "counting", **verdict: object) -> None:
        self.credit = credit
        self.name = name
        self.verdict = verdict
        self.calls: list[list[JudgeQuestion]] = []
        self.is_closed = False

    @property
    def identity(self) -> str:
        return self.name

    @property
    def asked(self) -> list[JudgeQuestion]:
        return [question for call in self.calls for question in call]

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        self.calls.append(list(questions))
        return [self.answer(question) for question in questions]

    def answer(self, question: JudgeQuestion) -> Verdict:
        credit = self.credit(question) if callable(self.credit) else self.credit
        reason = "" if credit is not None else "it would not say"
        return Verdict(credit, self.name, **{"reason": reason, **self.verdict})  # type: ignore[arg-type]

    def asking(self, prompt: JudgePrompt) -> "Counting":
        return Counting(self.credit, f"{self.name}/{prompt.version}", **self.verdict)

    def close(self) -> None:
        self.is_closed = True


class Later(Counting):
    """Is asked ahead; each question waits until the test answers it."""

    def __init__(self, credit: "float | Reply | None" = 1.0, name: str = "later", **verdict: object) -> None:
        super().__init__(credit, name, **verdict)
        self.futures: dict[JudgeQuestion, Future[Verdict]] = {}

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        raise AssertionError("it can be asked ahead, and is")

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        future = self.futures[question] = Future()
        self.calls.append([question])  # last: tests wait until a question is among those asked, and then answer it
        return future

    def say(self, question: JudgeQuestion) -> None:
        self.futures[question].set_result(self.answer(question))


class AtOnce(Later):
    """Is asked ahead and has answered by then."""

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        future = super().submit(question)
        self.say(question)
        return future


class Raising(Counting):
    """Raises wherever it is asked."""

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        raise RuntimeError("broken")


class RaisingAhead(Raising):
    """The same, where it is asked ahead."""

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        raise RuntimeError("broken")


class TooFew(Counting):
    """Gives one verdict less than it is asked for."""

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        return super().grade(questions)[1:]


class Cancelled(Counting):
    """Is asked ahead and cancels."""

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        future: Future[Verdict] = Future()
        future.cancel()
        return future


class Failed(Counting):
    """Is asked ahead, and its future ends in an error."""

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        future: Future[Verdict] = Future()
        future.set_exception(SystemExit("gone"))
        return future


FAULTS: "list[tuple[type[Counting], str]]" = [
    (Raising, "RuntimeError: broken"),
    (RaisingAhead, "RuntimeError: broken"),
    (TooFew, "verdicts on"),
    (Cancelled, "cancelled"),
    (Failed, "SystemExit: gone"),
]
"""Each way of failing, and what the reason must say."""
