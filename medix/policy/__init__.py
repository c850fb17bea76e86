"""Models under training: log-probabilities, decoding, reference policy, export."""

from medix.policy.base import Policy
from medix.policy.lora import LoRA
from medix.policy.tiny import TinySize, build_tiny
from medix.policy.vision_language import VisionLanguagePolicy

__all__ = ["LoRA", "Policy", "TinySize", "VisionLanguagePolicy", "build_tiny"]
