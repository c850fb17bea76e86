"""One-off programs and benchmarks: ``python -m tools.NAME``. Not part of the wheel."""
