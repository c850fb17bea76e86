"""Asks a model for a person: what it writes is told while it grows, then what became of it."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from medix.evaluation.completion_parts import completion_parts
from medix.evaluation.model_arguments import Evaluated
from medix.evaluation.single_question import SingleQuestion, ask_one, verdict_lines, verdict_on
from medix.judge.base import Judge
from medix.types import Sample, Verdict

Tell = Callable[[dict[str, Any]], None]
"""Told of each event: ``parts`` (what is written so far, kind and text of each part), ``yours`` (the verdict on what
the person answered, with ``reference``), ``notes``, ``verdict`` (on the model's answer) or ``failure``."""

_BETWEEN = 0.05


class Asker:
    """A model, and a judge if there is one. Questions of several threads are answered one after the other.

    Args:
        evaluated: the model, which is asked with the prompt and the decoding of an evaluation.
        judge: compares answers with references.
    """

    def __init__(self, evaluated: Evaluated, judge: Judge | None = None) -> None:
        self.evaluated = evaluated
        self.judge = judge
        self._turn = threading.Lock()

    def ask(self, question: SingleQuestion, references: Sequence[str], tell: Tell) -> None:
        """Ask the model one question.

        Args:
            question: what is asked.
            references: the reference, then other texts that count as it; without one there is no verdict.
            tell: told of what is written and of what became of it; what it raises ends the completion.
        """
        with self._turn:
            answer = ask_one(self.evaluated, question, self._grown(tell))
            event: dict[str, Any] = {"notes": answer.notes}
            if answer.read is None:
                event["failure"] = answer.reply.failure
            else:
                event["parts"] = self._parts(answer.reply.completion or "", is_whole=True)
                if self.judge is not None and references:
                    verdict = verdict_on(self.judge, question.text, answer.read.answer, references)
                    event["verdict"] = verdict_lines(verdict)
        tell(event)

    def practise(self, sample: Sample, written: str, tell: Tell) -> None:
        """Judge what a person answered, and then ask the model the same.

        Args:
            sample: the question, its pictures and its reference.
            written: what the person answered.
            tell: as in ``ask``.
        """
        assert self.judge is not None
        references = (sample.reference, *sample.aliases)
        with self._turn:
            if written.strip():
                verdict = verdict_on(self.judge, sample.question, written, references)
            else:
                verdict = Verdict(0.0, self.judge.identity, explanation="you wrote no answer: wrong")
        tell({"yours": verdict_lines(verdict), "credit": verdict.credit, "reference": sample.reference})
        self.ask(SingleQuestion(sample.question, sample.images), references, tell)

    def _grown(self, tell: Tell) -> Callable[[str], None]:
        told = 0.0

        def grow(text: str) -> None:
            nonlocal told
            if (now := time.monotonic()) - told >= _BETWEEN:
                told = now
                tell({"parts": self._parts(text, is_whole=False)})

        return grow

    def _parts(self, completion: str, is_whole: bool) -> list[dict[str, str]]:
        modalities = self.evaluated.model.prompting.modalities
        parts = completion_parts(completion, modalities, is_whole=is_whole)
        return [{"kind": part.kind, "text": part.text} for part in parts]
