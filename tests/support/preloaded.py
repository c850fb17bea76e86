"""What a fit imports before its first step, vLLM apart; imported once, by the process that others are forked from."""

import peft  # noqa: F401
import s3fs  # noqa: F401  # Lightning imports it to see whether a path is on S3
from PIL import Image
from transformers.models.auto.video_processing_auto import video_processor_class_from_name

import medix.__main__
import medix.callbacks
import medix.cli
import medix.policy.vision_language
import medix.rollout.local
import medix.spec.spec_early  # noqa: F401

Image.init()
video_processor_class_from_name("a name that none has")  # imports all, as the first processor that is read does
