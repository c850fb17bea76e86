"""Decoding of an evaluation."""

import pytest

from medix.evaluation.decoding import Decoding


def test_the_number_of_samples_changes_no_completion() -> None:
    assert Decoding(samples=2, temperature=0.6, stop=("x",)).to_dict() == {
        "temperature": 0.6, "top_p": 1.0, "top_k": 0, "max_tokens": 2048, "seed": 1, "stop": ["x"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"temperature": -1.0}, "--temperature -1.0: give 0"),
        ({"temperature": float("nan")}, "--temperature nan"),
        ({"top_p": 0.0}, "--top-p 0.0"),
        ({"samples": 3}, "--samples 3 at temperature 0 would all be the same"),
    ],
)
def test_decoding_out_of_range_is_refused(arguments: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Decoding(**arguments)
