"""From prompts to groups of completions, and to the groups an update learns from."""

from medix.rollout.buffer import GroupBuffer
from medix.rollout.engine import EvaluationSampling, RolloutEngine, Sampling
from medix.rollout.local import LocalEngine
from medix.rollout.signal import GroupFilter, KeepScored, SpreadFilter

__all__ = [
    "EvaluationSampling",
    "GroupBuffer",
    "GroupFilter",
    "KeepScored",
    "LocalEngine",
    "RolloutEngine",
    "Sampling",
    "SpreadFilter",
]
