"""Benchmark tasks, one file each; a file of your own in the same form needs no Python."""
