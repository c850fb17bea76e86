"""The reward suite where training or evaluation is done by something else.

One suite, one word for every failure: what could not be scored is left out where a trainer can leave it out, and stops
the run where it cannot, unless a value is stated for it. It never becomes a 0 in silence.

| where | how | unscored |
|---|---|---|
| TRL | ``reward_funcs=TRLReward(suite)`` | None |
| verl | ``compute_score = VerlReward(suite)`` in a file | stops, or the stated value |
| EasyR1 | ``compute_score = EasyR1Reward(suite)`` in a file | stops, or the stated value |
| a script | ``MetricCollection({"reward": suite, ...})`` | left out of the means, counted beside them |

If the chat template opens the reasoning in the prompt, completions begin inside it: give every adapter
``prompt_prefix="<think>"`` (TRL: found out where the prompt shows it). A tag that a tokenizer marks as a special token
is not in the text that these trainers decode: give ``TRLReward`` the tokenizer; for verl and EasyR1, mark the tags as
ordinary tokens (``python -m medix doctor`` says which are special).

A script needs no adapter, because a suite is a torchmetrics metric:

```python
from torchmetrics import MetricCollection
from medix.rewards import RewardSuite
metrics = MetricCollection({"reward": RewardSuite.from_spec("rewards_medical")}, prefix="test/")
metrics.update(completions=completions, references=references, questions=questions, modalities=modalities)
metrics.compute()["test/reward/judge/CT_SCAN"]
```
"""

from medix.rewards.adapters.easyr1 import EasyR1Reward
from medix.rewards.adapters.trl import TRLReward
from medix.rewards.adapters.verl import VerlReward

__all__ = ["EasyR1Reward", "TRLReward", "VerlReward"]
