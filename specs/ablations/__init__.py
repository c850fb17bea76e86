"""Grids of runs that differ in some keys."""
