"""Specs, read and checked by the source of their classes, before Lightning and models are imported."""
