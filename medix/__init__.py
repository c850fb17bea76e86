"""Group-based reinforcement learning for medical vision-language models, and judged evaluation.

Research software: never for clinical decisions.
"""

__version__ = "0.1.0"
