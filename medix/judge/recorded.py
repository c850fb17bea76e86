"""A judge that replays the verdicts of a finished run."""

import copy
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace

from medix.judge import outcome
from medix.judge.base import Judge
from medix.judge.prompt import JudgePrompt
from medix.types import JudgeQuestion, Verdict


class RecordedJudge(Judge):
    """Replays recorded verdicts, so that a run can be scored again without its judge.

    A verdict is the recorded one with ``is_cached`` set. Questions without a recorded verdict, or with an unscored one,
    go to the fallback. Without a fallback both are unscored, the latter with the recorded reason.

    Args:
        verdicts: recorded verdicts by question.
        fallback: asked where there is no scored verdict on record; optional.
        by_prompt: recorded verdicts of other prompts (``asking``), by prompt version.
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
        """``recorded``, with the fallback; recorded verdicts name their original judge."""
        return "recorded" if self.fallback is None else f"recorded, else {self.fallback.identity}"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """Recorded verdicts; the rest is asked in one call."""
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
        """The recorded verdict; else the fallback is asked without waiting."""
        verdict = self._recorded(question)
        if verdict is None and self.fallback is not None:
            return outcome.submit(self.fallback, question)
        assert verdict is not None
        return outcome.finished(verdict)

    def asking(self, prompt: JudgePrompt) -> "RecordedJudge":
        """Recorded verdicts of another prompt, with the fallback asked with that prompt.

        Raises:
            ValueError: nothing is on record under the prompt, and there is no fallback.
        """
        if prompt.version not in self.by_prompt and self.fallback is None:
            known = ", ".join(sorted(self.by_prompt)) or "none"
            raise ValueError(
                f"no verdicts are on record under the prompt {prompt.version} (on record: {known}); "
                "give a judge to ask instead, or leave out what asks with this prompt"
            )
        other = copy.copy(self)
        other.fallback = None if self.fallback is None else self.fallback.asking(prompt)
        other.verdicts, other.by_prompt = self.by_prompt.get(prompt.version, {}), {}
        return other

    def without_cache(self) -> Judge:
        """The fallback without its cache, if there is one."""
        return self if self.fallback is None else self.fallback.without_cache()

    def close(self) -> None:
        """Close the fallback."""
        if self.fallback is not None:
            self.fallback.close()

    def _recorded(self, question: JudgeQuestion) -> Verdict | None:
        """The recorded or an unscored verdict; None if the fallback is to be asked."""
        verdict = self.verdicts.get(question)
        if self.fallback is not None and (verdict is None or not verdict.is_scored):
            return None
        if verdict is None:
            return outcome.unscored(self, "the question is not on record")
        return replace(verdict, is_cached=True)
