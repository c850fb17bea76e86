"""Callbacks: one behaviour per file. Imported as ``medix.callbacks``."""

from medix.callbacks.check_judge import CanaryError, CheckJudge
from medix.callbacks.dry_run import DryRun, DryRunError
from medix.callbacks.judge_validation import JudgeValidation, UnscoredError
from medix.callbacks.log_rewards import LogRewards
from medix.callbacks.record_completions import RecordCompletions
from medix.callbacks.save_checkpoint import SaveCheckpoint, latest
from medix.callbacks.show_progress import ShowProgress
from medix.callbacks.watch_signal import WatchSignal
from medix.callbacks.write_report import WriteReport

__all__ = [
    "CanaryError",
    "CheckJudge",
    "DryRun",
    "DryRunError",
    "JudgeValidation",
    "LogRewards",
    "RecordCompletions",
    "SaveCheckpoint",
    "ShowProgress",
    "UnscoredError",
    "WatchSignal",
    "WriteReport",
    "latest",
]
