"""Which errors mean that memory is exhausted."""

import pytest

from medix.callbacks.memory_errors import is_memory_error


@pytest.mark.parametrize(
    ("error", "about_memory"),
    [
        (OSError(12, "Cannot allocate memory"), True),
        (OSError(2, "No such file: out of memory.txt"), False),
        (RuntimeError("could not create a primitive"), True),
        (RuntimeError("can't start new thread"), True),
        (RuntimeError("could not create a folder"), False),
    ],
)
def test_errors_that_mean_memory_are_known(error: Exception, about_memory: bool) -> None:
    assert is_memory_error(error) is about_memory
