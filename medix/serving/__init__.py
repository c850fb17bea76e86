"""Asynchronous clients, pools of servers, and how servers are started; for judges and rollouts."""
