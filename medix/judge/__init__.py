"""Judges grade answers against references; every failure is an unscored verdict with its reason."""

from medix.judge.base import Judge
from medix.judge.exact import ExactJudge
from medix.judge.prompt import YesNoPrompt
from medix.judge.scripted import ScriptedJudge
from medix.judge.served import ServedJudge
from medix.judge.verdict import ReadReply, ReplyRule, Score01Rule, Score05Rule, YesNoRule

__all__ = [
    "ExactJudge",
    "Judge",
    "ReadReply",
    "ReplyRule",
    "Score01Rule",
    "Score05Rule",
    "ScriptedJudge",
    "ServedJudge",
    "YesNoPrompt",
    "YesNoRule",
]
