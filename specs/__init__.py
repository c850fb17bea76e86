"""Shipped specs: ``python -m medix fit --config NAME`` finds them by name."""
