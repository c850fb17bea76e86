"""Blocks that specs share, each the value of one key."""
