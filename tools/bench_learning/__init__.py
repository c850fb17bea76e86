"""Time to a learnt policy, by ``medix fit`` and by TRL, in turns in one run.

python -m tools.bench_learning --json FILE
"""
