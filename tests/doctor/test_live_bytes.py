"""Live bytes: made and freed tensors, views, and tensors that hold others."""

import torch

from medix.doctor.live_bytes import LiveBytes

KB = 1024


def zeros(kilobytes: int) -> torch.Tensor:
    return torch.zeros(kilobytes * KB // 4)


def test_the_peak_is_what_was_alive_at_the_same_time() -> None:
    """4, then 4 + 8, then 4 + 2 KB: the 8 are freed before the 2 are made."""
    with LiveBytes() as live:
        first = zeros(4)
        second = zeros(8)
        del second
        third = zeros(2)
    assert (live.now, live.peak) == (6 * KB, 12 * KB)
    del first, third
    assert live.now == 0


def test_views_and_changes_in_place_are_no_further_bytes() -> None:
    with LiveBytes() as live:
        given = zeros(4)
        given.view(2, -1).add_(1)
        assert (live.now, live.peak) == (4 * KB, 4 * KB)


def test_what_was_there_before_counts_when_it_is_added() -> None:
    given = zeros(4)
    with LiveBytes() as live:
        live.add([given, given.view(-1)])
        given.add_(1)
        assert live.now == 4 * KB
        doubled = given * 2
        assert live.bytes_of(lambda shape: shape == (KB,)) == 8 * KB
    assert doubled.sum() == 2 * KB


def test_saved_tensors_live_until_the_backward_pass() -> None:
    """exp saves its result, 4 KB, which is not freed with the variable."""
    weight = zeros(4).requires_grad_()
    with LiveBytes() as live:
        total = weight.exp().sum()
        assert 4 * KB <= live.now < 5 * KB
        total.backward()
        assert live.peak >= 8 * KB, "the gradient is made while the result is there"
        del total
        assert live.now == 4 * KB, "the gradient"


def test_peaks_are_told_when_they_are_reached() -> None:
    told: list[int] = []
    live = LiveBytes(lambda: told.append(live.peak))
    with live:
        first = zeros(4)
        del first
        second = zeros(2)
        third = zeros(4)
    assert told == [4 * KB, 6 * KB]
    assert len(second) < len(third)


def test_the_parts_of_a_wrapper_count_and_not_the_wrapper() -> None:
    from torchao.optim.subclass_8bit import OptimState8bit

    moment = OptimState8bit.zeros((64, 256), signed=True)
    with LiveBytes() as live:
        wide = moment.lerp(torch.ones(64, 256), 0.5)
    assert wide.dtype == torch.float32
    assert live.peak >= 3 * 64 * 256 * 4, "codes as numbers, the moment and the ones in float32"
