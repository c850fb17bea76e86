"""Errors of prompts cross the border of a worker process whole, and can be skipped."""

import pickle

import pytest

from medix.data.prompt_errors import MarkerError, PictureShapeError, PromptTooLongError, UnusablePromptError


@pytest.mark.parametrize("kind", [PromptTooLongError, PictureShapeError, MarkerError])
def test_they_are_unusable_prompts_and_survive_pickling(kind: type[UnusablePromptError]) -> None:
    error = pickle.loads(pickle.dumps(kind("sample 'a': why")))
    assert isinstance(error, UnusablePromptError)
    assert (type(error), str(error)) == (kind, "sample 'a': why")
