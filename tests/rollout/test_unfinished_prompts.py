"""A runner that samples as vLLM's does, with a generator per request. The real one: ``test_colocated_vllm``."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from medix.rollout.unfinished_prompts import hold_generators_back


def runner_class() -> type:
    class Runner:
        """Draws a number for each row with a generator, and fails as a CPU's generator does if one is wound back."""

        def __init__(self, unfinished: list[bool], fails: bool = False) -> None:
            rows = len(unfinished)
            generators = {row: torch.Generator().manual_seed(row) for row in range(rows)}
            self.input_batch = SimpleNamespace(num_reqs=rows, generators=generators)
            self.discard_request_mask = SimpleNamespace(np=np.array([*unfinished, True]))  # one slot more than rows
            self.fails = fails

        def sample_tokens(self, grammar_output: Any) -> dict[int, int]:
            if self.fails:
                raise RuntimeError("no memory")
            generators = self.input_batch.generators
            drawn = {row: int(torch.randint(0, 2**31, (1,), generator=one)) for row, one in generators.items()}
            for row in np.flatnonzero(self.discard_request_mask.np[: self.input_batch.num_reqs]):
                if row in generators:
                    generators[row].set_offset(generators[row].get_offset() - 4)
            return drawn

    return Runner


def test_the_runner_as_it_is_fails_for_an_unfinished_prompt() -> None:
    """Else there would be nothing to mend."""
    with pytest.raises(RuntimeError, match="offset"):
        runner_class()([True]).sample_tokens(None)


def test_a_prompt_read_in_parts_draws_what_one_read_at_once_does() -> None:
    kind = runner_class()
    hold_generators_back(kind)
    at_once = kind([False, False]).sample_tokens(None)
    parts = kind([False, True])
    assert parts.sample_tokens(None) == {0: at_once[0]}
    parts.discard_request_mask.np[1] = False
    assert parts.sample_tokens(None)[1] == at_once[1]


def test_a_second_call_changes_nothing() -> None:
    kind = runner_class()
    hold_generators_back(kind)
    once = kind.sample_tokens  # type: ignore[attr-defined]
    hold_generators_back(kind)
    assert kind.sample_tokens is once  # type: ignore[attr-defined]


def test_generators_are_back_after_an_error() -> None:
    kind = runner_class()
    hold_generators_back(kind)
    runner = kind([True, False], fails=True)
    with pytest.raises(RuntimeError, match="no memory"):
        runner.sample_tokens(None)
    assert set(runner.input_batch.generators) == {0, 1}


def test_requests_without_a_seed_have_no_generator_to_hold_back() -> None:
    kind = runner_class()
    hold_generators_back(kind)
    runner = kind([True, False])
    runner.input_batch.generators.clear()
    assert runner.sample_tokens(None) == {}
