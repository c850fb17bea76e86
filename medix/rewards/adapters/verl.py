"""The suite as a reward function of verl."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from medix.modality import TEXT_ONLY
from medix.rewards.adapters.queue import RowQueue
from medix.rewards.adapters.rows import Row, RowReader, score_rows, values_in_means
from medix.rewards.adapters.unscored import UnscoredRule
from medix.rewards.suite import RewardSuite
from medix.types import CompletionScores

VerlScore = dict[str, float | str | None]
"""What verl reads ``score`` of, and carries the rest along."""


class VerlReward:
    """A suite as verl's ``compute_score``, one row or one batch at a time.

    verl imports a file and takes a function out of it, so a run needs a file of three lines, ``my_reward.py``:

    ```python
    from medix.rewards import RewardSuite
    from medix.rewards.adapters import VerlReward
    compute_score = VerlReward(RewardSuite.from_spec("rewards_medical"), question="question")
    ```

    and ``reward.custom_reward_function.path=my_reward.py``. A suite with a served judge: give ``from_spec`` the judge.

    Checked against verl 0.9.1. Its reward loop (``naive``, ``dapo``, ``limited``) calls with the keywords
    ``data_source``, ``solution_str``, ``ground_truth`` and ``extra_info``, from a pool of threads, and adds
    ``reward_router_address`` and ``reward_model_tokenizer`` where a reward model is served; rows that wait at the same
    time are scored together. The manager ``batch`` calls with the plural names: the function is
    ``VerlReward(...).batch``.

    A dictionary with ``score`` is the reward; verl takes the names of all other entries from the first row and requires
    them of every row, so every row has all of them: ``reward/total``, ``reward/<component>``,
    ``reward/total/<modality>`` for each modality, ``reward/unscored`` (0 or 1) and ``reason``. What a row has nothing
    to say about is None, which verl's validation leaves out of its means: ``val-aux/<source>/reward/total/CT_SCAN/…``
    is the mean over CT rows alone. Training logs no such means; ``suite.compute()`` has them, per process.

    ``ground_truth`` may open with its tag (``<CT_SCAN>``, line break, reference). Groups are not known here, so a suite
    with a ``normalisation`` stops at its first row; verl's own estimators can normalise by the entries instead.

    Args:
        suite: what scores; its running means count every row.
        question: entry of ``extra_info`` that holds the question; None asks the judge without one, which leaves
            yes/no answers ambiguous.
        modality: entry of ``extra_info`` that holds the modality; None takes the tag of the reference.
        aliases: entry of ``extra_info`` with further texts that count as the reference; rows may lack it.
        unscored: reward of a row that could not be scored; None stops the run at the first.
        window: rows of which at most the suite's ``max_unscored`` may be unscored; one with ``unscored`` set stops
            above that.
        absent: stands for None; verl before 0.9.1 takes means without leaving None out and needs a number there, such
            as NaN.
        prompt_prefix: what the prompt holds of the completion at its end, ``<think>`` where the chat template
            opens the reasoning: completions are scored as if they began with it. A modality tag that a completion
            begins with stays in front of it.
    """

    def __init__(
        self,
        suite: RewardSuite,
        question: str | None = "question",
        modality: str | None = None,
        aliases: str = "aliases",
        unscored: float | None = None,
        window: int = 128,
        absent: float | None = None,
        prompt_prefix: str | None = "",
    ) -> None:
        self.suite = suite
        self.absent = absent
        self._reader = RowReader(
            "VerlReward", suite.modalities, "ground_truth", question, modality, aliases, "data_source", prompt_prefix
        )
        self._rule = UnscoredRule("VerlReward", unscored, suite.max_unscored, window)
        self._queue = RowQueue(self._score)

    def __call__(
        self,
        data_source: str,
        solution_str: str,
        ground_truth: str,
        extra_info: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> VerlScore:
        """Score one row, from any thread.

        Raises:
            UnscoredLimitError: it could not be scored, and no value stands for that; or too many lately.
            ValueError: a field is missing or unreadable.
        """
        return self._queue(self._row(0, data_source, solution_str, ground_truth, extra_info))

    def batch(
        self,
        data_sources: Sequence[str],
        solution_strs: Sequence[str],
        ground_truths: Sequence[str],
        extra_infos: Sequence[Mapping[str, Any] | None] | None = None,
        **_: Any,
    ) -> list[VerlScore]:
        """Score a batch in one go.

        Raises:
            UnscoredLimitError: as for one row.
            ValueError: as for one row.
        """
        given = [None] * len(solution_strs) if extra_infos is None else list(extra_infos)
        columns = zip(data_sources, solution_strs, ground_truths, given, strict=True)
        return self._score([self._row(number, *fields) for number, fields in enumerate(columns)])

    def _row(self, number: int, source: str, completion: str, reference: str, extra: Mapping[str, Any] | None) -> Row:
        fields = {**(extra or {}), "data_source": source, "ground_truth": reference}
        return self._reader.read(number, completion, fields)

    def _score(self, rows: Sequence[Row]) -> list[VerlScore]:
        self._reader.warn_of_tags(rows)
        table = score_rows(self.suite, rows)
        rewards = self._rule(table)
        return [
            self._entry(*entry, values_in_means(table, number))
            for number, entry in enumerate(zip(rewards, rows, table, table.reason, strict=True))
        ]

    def _entry(
        self, reward: float, row: Row, scores: CompletionScores, reason: str, values: dict[str, float]
    ) -> VerlScore:
        total = self._or_absent(scores.total)
        entry: VerlScore = {"score": reward, "reward/total": total}
        entry |= {f"reward/{name}": self._or_absent(value) for name, value in values.items()}
        for modality in (*self.suite.modalities, TEXT_ONLY):
            entry[f"reward/total/{modality}"] = total if modality == (row.modality or TEXT_ONLY) else self.absent
        return entry | {"reward/unscored": float(math.isnan(scores.total)), "reason": reason}

    def _or_absent(self, value: float) -> float | None:
        return self.absent if math.isnan(value) else value
