"""The judge of a run that is over: it repeats what was said then."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace

from medix.judge import outcome
from medix.judge.base import Judge
from medix.judge.prompt import JudgePrompt
from medix.types import JudgeQuestion, Verdict


class RecordedJudge(Judge):
    """Repeats recorded verdicts, so that a run can be scored again without its judge.

    A verdict is the recorded one with ``is_cached`` set. A question that is not on record goes to the fallback, and so
    does one whose recorded verdict is unscored. Without a fallback the former is unscored as not on record, the latter
    as it was then.

    Args:
        verdicts: what was said, by question.
        fallback: who is asked what is not on record; nobody if not given.
        by_prompt: what was said under other prompts (``asking``), by prompt version.
    """

    def __init__(
        self,
        verdicts: Mapping[JudgeQuestion, Verdict],
        fallback: Judge | None = None,
        by_prompt: Mapping[str, Mapping[JudgeQuestion, Verdict]] | None = None,
    ) -> None:
        self.verdicts = verdicts
        self.fallback = fallback
        self.by_prompt = dict(by_prompt or {})

    @property
    def identity(self) -> str:
        """``recorded``, and who is asked the rest; a verdict on record names the judge of then."""
        return "recorded" if self.fallback is None else f"recorded, else {self.fallback.identity}"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """What is on record; the rest is asked at once."""
        known = {question: self._recorded(question) for question in dict.fromkeys(questions)}
        verdicts = {question: verdict for question, verdict in known.items() if verdict is not None}
        rest = [question for question, verdict in known.items() if verdict is None]
        if self.fallback is not None:
            verdicts |= dict(zip(rest, outcome.grade(self.fallback, rest), strict=True))
        return [verdicts[question] for question in questions]

    @property
    def asks_ahead(self) -> bool:
        """As the fallback does."""
        return self.fallback is not None and self.fallback.asks_ahead

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        """What is on record, here and now; else the fallback is asked without waiting."""
        verdict = self._recorded(question)
        if verdict is None and self.fallback is not None:
            return outcome.submit(self.fallback, question)
        assert verdict is not None
        return outcome.finished(verdict)

    def gave(self, verdict: Verdict) -> bool:
        """Its own, or the fallback's."""
        return super().gave(verdict) or (self.fallback is not None and self.fallback.gave(verdict))

    def asking(self, prompt: JudgePrompt) -> "RecordedJudge":
        """What was said under another prompt, else the fallback asked that way.

        Raises:
            ValueError: nothing is on record under the prompt, and there is no fallback.
        """
        if prompt.version not in self.by_prompt and self.fallback is None:
            known = ", ".join(sorted(self.by_prompt)) or "none"
            raise ValueError(
                f"no verdicts are on record under the prompt {prompt.version} (on record: {known}); "
                "give a judge to ask instead, or leave out what asks with this prompt"
            )
        fallback = None if self.fallback is None else self.fallback.asking(prompt)
        return RecordedJudge(self.by_prompt.get(prompt.version, {}), fallback)

    def without_cache(self) -> Judge:
        """Who can be asked: the fallback itself, if there is one."""
        return self if self.fallback is None else self.fallback.without_cache()

    def close(self) -> None:
        """Close the fallback."""
        if self.fallback is not None:
            self.fallback.close()

    def _recorded(self, question: JudgeQuestion) -> Verdict | None:
        """The verdict without asking anyone; None if the fallback is to be asked."""
        verdict = self.verdicts.get(question)
        if self.fallback is not None and (verdict is None or not verdict.is_scored):
            return None
        if verdict is None:
            return outcome.unscored(self, "the question is not on record")
        return replace(verdict, is_cached=True)
