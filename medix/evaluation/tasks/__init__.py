"""Benchmark tasks: typed specs, and a loader of their items."""
