"""The parts of what a validation was measured with: how each is told, and which of them only rewards depend on."""

from collections.abc import Mapping

PARTS: Mapping[str, str] = {
    "rewards": "other rewards",
    "encoder": "another encoder",
    "judge": "another judge",
    "own_judges": "another judge",
    "sampling": "other sampling",
    "prompts": "other prompts",
    "template": "other prompts",
    "precision": "another precision",
    "data": "other samples",
}
"""How a part that differs is told, by its name in ``GroupRLModule.suite``."""

OF_REWARDS = ("rewards", "encoder", "judge", "own_judges")
"""Parts that decide what completions are rewarded with, and nothing else that is measured: the judge of the accuracy
stands beside the suite."""
