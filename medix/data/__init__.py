"""Shards, manifests, sample order and prompts.

``ShardDataModule`` imports Lightning and is therefore not re-exported; import it from ``medix.data.datamodule``.
"""

from medix.data.build import write_shards
from medix.data.manifest import DataStatement, Manifest, ManifestError, ShardEntry, read_manifests
from medix.data.mixture import Mixture
from medix.data.picture import PictureError, PictureReader
from medix.data.prompt_errors import MarkerError, PictureShapeError, PromptTooLongError, UnusablePromptError
from medix.data.prompting import Prompting
from medix.data.selectors.curriculum import CurriculumSelector, Milestone
from medix.data.selectors.difficulty import DifficultySelector
from medix.data.selectors.mixture import MixtureSelector
from medix.data.selectors.selector import EpochSelector, Outcome, Selector
from medix.data.selectors.spread import SpreadSelector
from medix.data.selectors.worst_group import WorstGroupSelector
from medix.data.shard_writer import ShardWriter
from medix.data.shards import Shard, ShardError
from medix.data.stream import SampleOrder, Stream

__all__ = [
    "CurriculumSelector",
    "DataStatement",
    "DifficultySelector",
    "EpochSelector",
    "Manifest",
    "ManifestError",
    "MarkerError",
    "Milestone",
    "Mixture",
    "MixtureSelector",
    "Outcome",
    "PictureError",
    "PictureReader",
    "PictureShapeError",
    "PromptTooLongError",
    "Prompting",
    "SampleOrder",
    "Selector",
    "Shard",
    "ShardEntry",
    "ShardError",
    "ShardWriter",
    "SpreadSelector",
    "Stream",
    "UnusablePromptError",
    "WorstGroupSelector",
    "read_manifests",
    "write_shards",
]
