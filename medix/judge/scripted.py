"""A judge with predefined replies, for tests and trial runs."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence

from medix.judge.base import Judge
from medix.judge.verdict import ReplyRule, YesNoRule
from medix.types import JudgeQuestion, Verdict


class ScriptedJudge(Judge):
    """Returns predefined raw replies, which are read by the same rule as a served judge's.

    Args:
        default: reply to every answer that ``replies`` does not contain; None simulates a judge that cannot be reached.
        replies: raw reply per answer.
        rule: how replies are read; YES/NO if not given.
    """

    def __init__(
        self,
        default: str | None = "YES",
        replies: Mapping[str, str | None] | None = None,
        rule: ReplyRule | None = None,
    ) -> None:
        self.default = default
        self.replies = dict(replies or {})
        self.rule = rule or YesNoRule()
        self.asked: list[JudgeQuestion] = []
        """Every question so far, in order."""

    @property
    def identity(self) -> str:
        """``scripted/<8 hex digits>``: another script or rule is another judge."""
        rule = f"{type(self.rule).__module__}.{type(self.rule).__qualname__}"
        script = json.dumps([self.default, sorted(self.replies.items(), key=lambda entry: entry[0]), rule])
        return f"scripted/{hashlib.sha256(script.encode()).hexdigest()[:8]}"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """One verdict per question, read from its scripted reply."""
        identity = self.identity
        return [self._grade(question, identity) for question in questions]

    def _grade(self, question: JudgeQuestion, identity: str) -> Verdict:
        start = time.perf_counter()
        self.asked.append(question)
        reply = self.replies.get(question.answer, self.default)
        if reply is None:
            return Verdict(None, identity, reason="the scripted judge cannot be reached")
        read = self.rule.read(reply)
        return Verdict(
            credit=read.credit,
            judge=identity,
            reason=read.reason,
            reply=reply,
            explanation=read.explanation,
            latency=time.perf_counter() - start,
        )
