"""Where samples come from before they are shards."""

from medix.data.sources.jsonl import JsonlError, JsonlSource
from medix.data.sources.phantoms import PhantomSource

__all__ = ["JsonlError", "JsonlSource", "PhantomSource"]
