"""The LightningModule for group RL and its parts."""

from medix.modules.group_rl import GroupRLModule
from medix.modules.image_dependence import ImageDependence
from medix.modules.no_signal import NoSignalError
from medix.modules.record import StepRecord
from medix.modules.update import Update
from medix.modules.zero_strategy import ZeroStrategy

__all__ = ["GroupRLModule", "ImageDependence", "NoSignalError", "StepRecord", "Update", "ZeroStrategy"]
