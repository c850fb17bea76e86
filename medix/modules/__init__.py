"""The LightningModule of group RL and what it is made of."""

from medix.modules.group_rl import GroupRLModule, NoSignalError
from medix.modules.record import StepRecord
from medix.modules.update import Update

__all__ = ["GroupRLModule", "NoSignalError", "StepRecord", "Update"]
