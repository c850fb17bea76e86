"""Picking one token per row."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medix.rollout import token_picker
from medix.rollout.engine import Sampling
from medix.rollout.token_picker import Picks, TokenPicker


def _logits(*shares: float) -> torch.Tensor:
    return torch.tensor([shares]).log()


def _pick(
    logits: torch.Tensor, draw: float, sampling: Sampling | None = None, banned: tuple[int, ...] = ()
) -> tuple[int, float]:
    draws = torch.tensor([draw], dtype=torch.float64)
    picks = TokenPicker(Sampling() if sampling is None else sampling, banned).pick(logits, draws)
    return picks.token_ids[0], picks.logprobs[0]


@pytest.mark.parametrize(("draw", "token"), [(0.0, 0), (0.49, 0), (0.51, 1), (0.69, 1), (0.71, 3), (0.999999, 3)])
def test_a_token_is_the_first_whose_cumulative_share_passes_the_draw(draw: float, token: int) -> None:
    """Shares 0.5, 0.2, 0, 0.3: bounds 0.5, 0.7, 0.7, 1; the third token is never picked."""
    picked, logprob = _pick(_logits(0.5, 0.2, 0.0, 0.3), draw)
    assert picked == token
    assert math.exp(logprob) == pytest.approx((0.5, 0.2, 0.0, 0.3)[token])


def test_banned_tokens_leave_the_softmax() -> None:
    """Shares 0.5, 0.3, 0.2 without the first: 0.6 and 0.4."""
    picked, logprob = _pick(_logits(0.5, 0.3, 0.2), 0.5, banned=(0,))
    assert picked == 1
    assert math.exp(logprob) == pytest.approx(0.6)


def test_the_temperature_flattens_the_shares() -> None:
    """Shares 0.8 and 0.2 at temperature 2: square roots 0.894 and 0.447, so 2/3 and 1/3."""
    picked, logprob = _pick(_logits(0.8, 0.2), 0.7, Sampling(temperature=2.0))
    assert picked == 1
    assert math.exp(logprob) == pytest.approx(1 / 3)


def test_at_temperature_0_the_most_likely_token_is_picked_and_reported_at_temperature_1() -> None:
    picked, logprob = _pick(_logits(0.2, 0.7, 0.1), 0.95, Sampling(temperature=0))
    assert picked == 1
    assert math.exp(logprob) == pytest.approx(0.7)


def test_tokens_stay_where_they_were_made_and_come_back_as_numbers() -> None:
    picks = TokenPicker(Sampling(temperature=0), ()).pick(torch.eye(3), torch.zeros(3, dtype=torch.float64))
    assert isinstance(picks, Picks)
    assert picks.tokens.tolist() == picks.token_ids == [0, 1, 2]


def test_a_draw_that_rounds_up_to_one_still_picks_a_token_with_a_share() -> None:
    logits = _logits(0.7, 0.3, 0.0).expand(50, 3) + torch.linspace(0, 3, 50)[:, None]
    picks = TokenPicker(Sampling(), ()).pick(logits, torch.ones(50, dtype=torch.float64))
    assert picks.token_ids == [1] * 50


def test_scores_that_are_not_numbers_stop_the_run_with_a_remedy() -> None:
    for temperature in (0.0, 1.0):
        with pytest.raises(FloatingPointError, match=r"lower the learning rate.*or begin again where there is none"):
            _pick(torch.tensor([[0.0, math.nan, 1.0]]), 0.5, Sampling(temperature=temperature))


def test_the_scores_given_are_left_as_they_are() -> None:
    logits = _logits(0.5, 0.5)
    before = logits.clone()
    _pick(logits, 0.5, banned=(0,))
    assert torch.equal(logits, before)


def test_top_k_keeps_the_most_likely_and_top_p_the_nucleus() -> None:
    """Shares 0.5, 0.1, 0.3, 0.1. top_k 2 leaves 0.5 and 0.3. Of these the first has 0.625: top_p 0.6 keeps it alone."""
    logprobs = _logits(0.5, 0.1, 0.3, 0.1)

    def left(**settings: float) -> list[int]:
        kept = TokenPicker(Sampling(**settings), ()).filtered(logprobs)  # type: ignore[arg-type]
        return torch.isfinite(kept[0]).nonzero().flatten().tolist()

    assert left(top_k=2) == [0, 2]
    assert left(top_p=0.75) == [0, 2]
    assert left(top_p=0.85) == [0, 1, 2]
    assert left(top_k=2, top_p=0.6) == [0]
    assert left(top_p=0.01) == [0]
    assert left() == [0, 1, 2, 3]


@given(seed=st.integers(0, 1000), top_p=st.floats(0.05, 0.999), spread=st.sampled_from([0.5, 4.0]))
def test_a_few_candidates_give_the_nucleus_of_the_whole_vocabulary(seed: int, top_p: float, spread: float) -> None:
    """Scores in steps, so that many tokens are equally likely; flat ones need every token, steep ones few."""
    scores = (torch.randn(5, 60, generator=torch.Generator().manual_seed(seed)) * spread).round()
    logprobs = scores.log_softmax(dim=-1)
    picker = TokenPicker(Sampling(top_p=top_p), ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_picker, "CANDIDATES", 12)
        few = picker.filtered(logprobs)
    assert torch.equal(few, picker.filtered(logprobs))


def test_the_reported_logprob_is_that_of_the_whole_distribution() -> None:
    _, logprob = _pick(_logits(0.5, 0.1, 0.4), 0.9, Sampling(top_k=1))
    assert math.exp(logprob) == pytest.approx(0.5)


@given(
    scores=st.lists(st.floats(-8, 8), min_size=2, max_size=12),
    draw=st.floats(0, 1, exclude_max=True),
    top_p=st.floats(0.05, 1),
    top_k=st.integers(0, 12),
)
def test_a_picked_token_is_never_one_that_was_filtered(
    scores: list[float], draw: float, top_p: float, top_k: int
) -> None:
    picker = TokenPicker(Sampling(top_p=top_p, top_k=top_k), (0,))
    logits = torch.tensor([scores])
    picks = picker.pick(logits, torch.tensor([draw], dtype=torch.float64))
    logits[:, 0] = -torch.inf
    kept = picker.filtered(logits.log_softmax(dim=-1))
    assert torch.isfinite(kept[0, picks.tokens[0]])
    assert picks.logprobs[0] == logits.log_softmax(dim=-1)[0, picks.tokens[0]].item()


@given(seed=st.integers(0, 1000), block=st.integers(1, 9), vocabulary=st.integers(2, 30))
def test_blocks_pick_what_one_sum_over_the_vocabulary_picks(seed: int, block: int, vocabulary: int) -> None:
    """Many tokens have no share, some whole blocks have none, and a draw may be 0 or the largest below 1."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(40, vocabulary, generator=generator)
    logits[torch.rand(40, vocabulary, generator=generator) < 0.6] = -torch.inf
    logits[:, seed % vocabulary] = 0.0
    draws = torch.rand(40, generator=generator, dtype=torch.float64)
    draws[0], draws[1] = 0.0, math.nextafter(1, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_picker, "BLOCK", block)
        picks = TokenPicker(Sampling(), ()).pick(logits, draws)
    cumulative = logits.log_softmax(dim=-1).exp().double().cumsum(dim=-1)
    shares = cumulative / cumulative[:, -1:]
    for row, token in enumerate(picks.token_ids):
        assert logits[row, token] > -torch.inf
        assert shares[row, token] >= draws[row] - 1e-12
        assert token == 0 or shares[row, token - 1] <= draws[row] + 1e-12


def test_shares_come_out_as_often_as_they_should() -> None:
    """Ten thousand draws of 0.5, 0.2, 0.3: three standard deviations are 0.015."""
    draws = torch.rand(10_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    picks = TokenPicker(Sampling(), ()).pick(_logits(0.5, 0.2, 0.3).expand(10_000, 3), draws)
    shares = picks.tokens.bincount(minlength=3) / 10_000
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.2, 0.3]), rtol=0, atol=0.015)


def test_a_rare_token_at_the_end_of_a_large_vocabulary_is_found() -> None:
    """150,001 tokens; the last has a share of 1e-7, which a sum in float32 would lose."""
    logits = torch.zeros(1, 150_001)
    logits[0, -1] = math.log(150_000 * 1e-7)
    assert _pick(logits, 1 - 0.5e-7)[0] == 150_000
    assert _pick(logits, 1 - 2e-7)[0] == 149_999
