"""Talking to servers: addresses, requests, how much each bears, and the thread that asks."""
