"""Kills runs at random moments and compares what comes of them with a run that nobody disturbed."""
