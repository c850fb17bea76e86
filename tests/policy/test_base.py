"""The contract of a policy."""

import pytest

from medix.policy.base import Policy


def test_a_policy_must_say_how_it_scores_and_what_it_is() -> None:
    missing = {"load", "processor", "banned_token_ids", "fingerprint", "logprobs", "reference_logprobs"}
    assert Policy.__abstractmethods__ == missing
    with pytest.raises(TypeError, match="abstract"):
        Policy()  # type: ignore[abstract]
