"""The suite as a reward function of EasyR1."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from medix.modality import TEXT_ONLY
from medix.rewards.adapters.rows import Row, RowReader, score_rows, values_in_means
from medix.rewards.adapters.unscored import UnscoredRule
from medix.rewards.suite import RewardSuite
from medix.types import CompletionScores

EasyR1Score = dict[str, float]
"""``overall`` is the reward; the mean of every other entry is logged."""

_OWN = ("overall", "accuracy", "unscored")


class EasyR1Reward:
    """A suite as EasyR1's reward function, of a batch or of one row.

    EasyR1 imports a file and takes a function out of it, so a run needs a file of three lines, ``my_reward.py``:

    ```python
    from medix.rewards import RewardSuite
    from medix.rewards.adapters import EasyR1Reward
    compute_score = EasyR1Reward(RewardSuite.from_spec("rewards_medical"))
    ```

    and ``worker.reward.reward_function=my_reward.py:compute_score``. It is called with a list; where the
    reward type is ``sequential``, the function is ``EasyR1Reward(...).single``.

    As read in EasyR1's main branch after 0.3.0 (``verl/workers/reward/function.py``): the batch manager passes a list
    of dictionaries with ``response``, ``response_length`` and ``ground_truth``, takes ``overall`` as the reward,
    collects the other entries by name, and logs the mean of each over the rows that have it as ``reward/<name>``. So an
    entry is only on rows it is about: a component where it scored and counts in means, ``total/<modality>`` on rows of
    that modality. The question is not passed; a fork that adds it names its field here.

    ``ground_truth`` is the public data's ``solution``: the tag on the first line, then the reference. Groups are not
    known here, so a suite with a ``normalisation`` stops at its first row.

    Args:
        suite: what scores; its running means count every row.
        question: field that holds the question; None asks the judge without one, which leaves yes/no answers ambiguous.
        modality: field that holds the modality; None takes the tag of the reference.
        aliases: field with further texts that count as the reference; rows may lack it.
        source: field that says where the sample comes from; rows may lack it.
        accuracy: component that is reported as ``accuracy`` too, the name EasyR1's own examples use.
        unscored: reward of a row that could not be scored; None stops the run at the first.
        window: rows of which at most the suite's ``max_unscored`` may be unscored.
        prompt_prefix: what the prompt holds of the completion at its end, ``<think>`` where the chat template
            opens the reasoning: completions are scored as if they began with it. A modality tag that a completion
            begins with stays in front of it.
    """

    def __init__(
        self,
        suite: RewardSuite,
        question: str | None = None,
        modality: str | None = None,
        aliases: str = "aliases",
        source: str = "source",
        accuracy: str | None = None,
        unscored: float | None = None,
        window: int = 128,
        prompt_prefix: str | None = "",
    ) -> None:
        taken = [name for name in suite.components if name in _OWN]
        if taken:
            raise ValueError(
                f"EasyR1Reward: the suite calls a component {taken[0]!r}, which EasyR1 has a meaning for; rename it"
            )
        if accuracy is not None and accuracy not in suite.components:
            raise ValueError(
                f"EasyR1Reward: accuracy={accuracy!r} is no component; there are {', '.join(suite.components)}"
            )
        self.suite = suite
        self.accuracy = accuracy
        self._reader = RowReader(
            "EasyR1Reward", suite.modalities, "ground_truth", question, modality, aliases, source, prompt_prefix
        )
        self._rule = UnscoredRule("EasyR1Reward", unscored, suite.max_unscored, window)

    def __call__(self, reward_inputs: Sequence[Mapping[str, Any]]) -> list[EasyR1Score]:
        """Score a batch.

        Raises:
            UnscoredLimitError: a row could not be scored, and no value stands for that; or too many lately.
            ValueError: a field is missing or unreadable.
        """
        rows = [
            self._reader.read(number, fields["response"], fields, token_count=int(fields["response_length"]))
            for number, fields in enumerate(reward_inputs)
        ]
        self._reader.warn_of_tags(rows)
        table = score_rows(self.suite, rows)
        rewards = self._rule(table)
        return [
            self._entry(reward, row, scores, values_in_means(table, number))
            for number, (reward, row, scores) in enumerate(zip(rewards, rows, table, strict=True))
        ]

    def single(self, reward_input: Mapping[str, Any]) -> EasyR1Score:
        """Score one row: slower, because the judge is asked one question at a time.

        Raises:
            UnscoredLimitError: as for a batch.
            ValueError: as for a batch.
        """
        return self([reward_input])[0]

    def _entry(self, reward: float, row: Row, scores: CompletionScores, values: dict[str, float]) -> EasyR1Score:
        values[f"total/{row.modality or TEXT_ONLY}"] = scores.total
        if self.accuracy is not None:
            values["accuracy"] = values[self.accuracy]
        known = {name: value for name, value in values.items() if not math.isnan(value)}
        return {"overall": reward, **known, "unscored": float(math.isnan(scores.total))}
