"""Try everything that needs an accelerator: ``python -m tools.accelerator_check --json FILE --minutes 8``."""
