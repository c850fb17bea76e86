"""Sources of samples for building shards."""

from medix.data.sources.jsonl import JsonlError, JsonlSource
from medix.data.sources.phantoms import PhantomSource

__all__ = ["JsonlError", "JsonlSource", "PhantomSource"]
