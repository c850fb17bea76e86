"""Sources of samples for building shards, one class per kind of input behind one interface."""

from medix.data.sources.jsonl import JsonlSource
from medix.data.sources.phantoms import PhantomSource
from medix.data.sources.source import RowError, Source, SourceRow

__all__ = ["JsonlSource", "PhantomSource", "RowError", "Source", "SourceRow"]
