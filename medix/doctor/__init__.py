"""What ``python -m medix doctor`` looks at: a spec against a machine."""
