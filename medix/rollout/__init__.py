"""From prompts to groups of completions, and to the groups an update learns from."""

from medix.rollout.buffer import GroupBuffer
from medix.rollout.colocated import ColocatedEngine
from medix.rollout.engine import EvaluationSampling, RolloutEngine, RolloutError, Sampling, StaleEngineError
from medix.rollout.local import LocalEngine
from medix.rollout.served import ServedEngine
from medix.rollout.serving.channel import FolderChannel
from medix.rollout.serving.nccl_channel import NCCLChannel
from medix.rollout.signal import GroupFilter, KeepScored, SpreadFilter

__all__ = [
    "ColocatedEngine",
    "EvaluationSampling",
    "FolderChannel",
    "GroupBuffer",
    "GroupFilter",
    "KeepScored",
    "LocalEngine",
    "NCCLChannel",
    "RolloutEngine",
    "RolloutError",
    "Sampling",
    "ServedEngine",
    "SpreadFilter",
    "StaleEngineError",
]
