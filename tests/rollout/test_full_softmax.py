"""Scores turned into log-probabilities, as both of vLLM's model runners call for it."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from medix.numerics.logprobs import token_logprobs

pytestmark = pytest.mark.vllm


def processor(rows: int, second_runner: bool) -> Any:
    from medix.rollout.full_softmax import FullSoftmax

    device = torch.device("cpu")
    config = SimpleNamespace(use_v2_model_runner=second_runner, scheduler_config=SimpleNamespace(max_num_seqs=rows))
    return FullSoftmax(config, SimpleNamespace(max_num_reqs=rows, device=device) if second_runner else device)


def params(temperature: float) -> Any:
    return SimpleNamespace(temperature=temperature)


# Derived by hand.


def test_divided_by_the_temperature_the_scores_are_log_probabilities() -> None:
    """Scores ln 1, ln 4, ln 16 at temperature 2 weigh 1, 2, 4: log-probabilities of 1/7, 2/7, 4/7."""
    one = processor(2, second_runner=True)
    one.add_request(0, params(2.0))
    one.apply_staged_writes()
    scores = torch.tensor([[1.0, 4.0, 16.0]]).log()
    shifted = one.apply(scores, SimpleNamespace(expanded_idx_mapping=torch.tensor([0])))
    assert torch.allclose((shifted / 2).exp(), torch.tensor([[1 / 7, 2 / 7, 4 / 7]]))


# Properties.


def test_rows_keep_their_temperatures_when_they_move(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first runner: two rows come, the first goes and the second takes its place."""
    one = processor(4, second_runner=False)
    from vllm.v1.sample.logits_processor.interface import BatchUpdate, MoveDirectionality

    came: list[Any] = [(0, params(0.5), None, []), (1, params(0.0), None, [])]
    one.update_state(BatchUpdate(batch_size=2, removed=[], added=came, moved=[]))
    scores = torch.randn(2, 7)
    wanted = torch.stack([(scores[0] / 0.5).log_softmax(0) * 0.5, scores[1].log_softmax(0)])
    assert torch.allclose(one.apply(scores.clone()), wanted, atol=1e-6)
    moved = [(1, 0, MoveDirectionality.UNIDIRECTIONAL)]
    one.update_state(BatchUpdate(batch_size=1, removed=[0], added=[], moved=moved))
    assert torch.allclose(one.apply(scores[1:].clone()), wanted[1:], atol=1e-6)
    one.update_state(None)
    assert torch.allclose(one.apply(scores[1:].clone()), wanted[1:], atol=1e-6)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 1.7])
def test_they_are_those_of_the_policy_with_banned_tokens_left_out(temperature: float) -> None:
    one = processor(4, second_runner=True)
    for row in range(4):
        one.add_request(row, params(temperature))
    one.apply_staged_writes()
    scores, tokens = torch.randn(4, 11) * 5, torch.tensor([0, 3, 9, 10])
    biased = scores.clone()
    biased[:, [2, 7]] += -1e30
    rows = SimpleNamespace(expanded_idx_mapping=torch.tensor([3, 1, 0, 2]))
    found = (one.apply(biased, rows) / temperature).gather(1, tokens[:, None]).squeeze(1)
    assert torch.allclose(found, token_logprobs(scores, tokens, temperature, (2, 7)), atol=1e-5)


def test_greedy_rows_are_served_too() -> None:
    assert processor(1, second_runner=False).is_argmax_invariant() is False
