"""Judges and rewards inside the evaluation tools of others; each file needs the tool of its name."""
