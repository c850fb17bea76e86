"""Time a training step of a vision-language model, compared with the plain pass and with TRL in the same run.

python -m tools.bench_step --json FILE
"""
