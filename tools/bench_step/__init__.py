"""Time a training step on a vision-language model beside the plain pass and beside TRL, in one run.

python -m tools.bench_step --json FILE
"""
