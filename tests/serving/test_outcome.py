"""What a status says about a server."""

import pytest

from medix.serving.outcome import Outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Outcome.DECLINED), (402, Outcome.DECLINED), (413, Outcome.DECLINED), (422, Outcome.DECLINED),
        (401, Outcome.REFUSED), (403, Outcome.REFUSED), (404, Outcome.REFUSED),
        (408, Outcome.OVERLOADED), (429, Outcome.OVERLOADED), (503, Outcome.OVERLOADED), (504, Outcome.OVERLOADED),
        (409, Outcome.FAILED), (425, Outcome.FAILED), (500, Outcome.FAILED), (502, Outcome.FAILED),
    ],
)  # fmt: skip
def test_a_status_is_the_requests_the_keys_or_the_servers_fault(status: int, outcome: Outcome) -> None:
    assert Outcome.of_status(status) is outcome


def test_what_may_pass_and_what_counts_against_a_server() -> None:
    assert {one for one in Outcome if one.may_pass} == {Outcome.OVERLOADED, Outcome.FAILED}
    assert {one for one in Outcome if one.is_failure} == {Outcome.OVERLOADED, Outcome.FAILED, Outcome.REFUSED}
