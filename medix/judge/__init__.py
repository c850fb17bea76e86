"""Judges grade answers against references; every failure is an unscored verdict with its reason."""

from medix.judge.base import Judge
from medix.judge.cached import CacheCounts, CachedJudge
from medix.judge.canaries import (
    Canary,
    CanarySet,
    GradedCanary,
    read_canaries,
    run_canaries,
    shipped_canaries,
)
from medix.judge.erring import ErringJudge
from medix.judge.exact import ExactJudge
from medix.judge.hybrid import ExactFirstJudge, HybridJudge
from medix.judge.local import LocalJudge
from medix.judge.panel import PanelJudge
from medix.judge.prompt import JudgePrompt, YesNoPrompt
from medix.judge.prompt_explained import ExplainedYesNoPrompt
from medix.judge.prompt_rubric import ReportRubricPrompt
from medix.judge.recorded import RecordedJudge
from medix.judge.scripted import ScriptedJudge
from medix.judge.served import ServedJudge
from medix.judge.statement import StatementJudge
from medix.judge.verdict import ReadReply, ReplyRule, Score01Rule, Score05Rule, YesNoRule
from medix.types import JudgeQuestion, Verdict

__all__ = [
    "CacheCounts",
    "CachedJudge",
    "Canary",
    "CanarySet",
    "ErringJudge",
    "ExactFirstJudge",
    "ExactJudge",
    "ExplainedYesNoPrompt",
    "GradedCanary",
    "HybridJudge",
    "Judge",
    "JudgePrompt",
    "JudgeQuestion",
    "LocalJudge",
    "PanelJudge",
    "ReadReply",
    "RecordedJudge",
    "ReplyRule",
    "ReportRubricPrompt",
    "Score01Rule",
    "Score05Rule",
    "ScriptedJudge",
    "ServedJudge",
    "StatementJudge",
    "Verdict",
    "YesNoPrompt",
    "YesNoRule",
    "read_canaries",
    "run_canaries",
    "shipped_canaries",
]
