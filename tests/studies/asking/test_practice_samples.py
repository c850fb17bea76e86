"""Samples to practise with."""

from contextlib import closing
from pathlib import Path

import pytest

from medix.studies.asking.practice_samples import PracticeSamples


def ids(folder: Path, seed: int) -> list[str]:
    with closing(PracticeSamples([folder], seed)) as samples:
        return [samples[place].id for place in range(len(samples))]


def test_all_are_there_once_in_an_order_of_the_seed(phantoms: Path) -> None:
    orders = [ids(phantoms, seed) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])
    assert len(set(orders[0])) == 6


@pytest.mark.parametrize("place", [-1, 6])
def test_outside_there_is_nothing(place: int, phantoms: Path) -> None:
    with closing(PracticeSamples([phantoms])) as samples, pytest.raises(IndexError):
        samples[place]
