"""Names for the contents of tensors."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from medix.policy.digest import content_sums, digests


def _sums(value: Tensor) -> tuple[int, ...]:
    return tuple(content_sums(value).tolist())


def test_equal_contents_have_one_digest_and_any_difference_another() -> None:
    base = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor([1, 2])}
    others = [
        {**base, "a": base["a"].view(3, 2)},
        {**base, "a": base["a"].double()},
        {**base, "a": base["a"].flip(0)},
        {**base, "b": torch.tensor([2, 1])},
        {"a": base["a"], "c": base["b"]},
        {"a": base["a"]},
    ]
    same = {"b": base["b"].clone(), "a": base["a"].t().contiguous().t()}
    first, again, *rest = digests([base, same, *others])
    assert first == again
    assert len({first, *rest}) == 1 + len(others)


def test_tensors_without_elements_or_dimensions_have_digests() -> None:
    assert len(set(digests([{"a": torch.zeros(0)}, {"a": torch.zeros(())}, {"a": torch.zeros(0, 2)}]))) == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.uint8])
def test_the_sums_of_an_accelerator_tell_contents_apart(dtype: torch.dtype) -> None:
    """One bit, one exchange of neighbours, of rows of the sum, a shift: 10,000 elements are more than two rows."""
    base = torch.randint(0, 200, (10_000,), generator=torch.Generator().manual_seed(0)).to(dtype)
    bit = base.clone()
    bit[5000] += 1
    swapped = base.clone()
    swapped[0], swapped[1] = 3, 4
    back = swapped.clone()
    back[0], back[1] = 4, 3
    rows = torch.cat([base[4096:8192], base[:4096], base[8192:]])
    found = {_sums(each) for each in (base, bit, swapped, back, rows, base.roll(1))}
    assert len(found) == 6
    assert _sums(base.clone()) in found


@settings(max_examples=20)
@given(place=st.integers(0, 99), bit=st.integers(0, 30))
def test_any_single_bit_changes_both_sums(place: int, bit: int) -> None:
    base = torch.arange(100, dtype=torch.int32)
    changed = base.clone()
    changed[place] ^= 1 << bit
    assert all(one != other for one, other in zip(_sums(base), _sums(changed), strict=True))
