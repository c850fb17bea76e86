"""One server: how many requests it is given, and when it is set aside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.serving.address import Address
from medix.serving.endpoint import Endpoint, EndpointSettings
from medix.serving.outcome import Outcome
from medix.serving.request_error import RequestError

FAILURE = RequestError("why", is_silence=True)


def endpoint_of(max_concurrency: int = 64) -> Endpoint:
    settings = EndpointSettings(max_concurrency, set_aside_after=3, pause=1.0, longest_pause=5.0)
    return Endpoint(Address("http://127.0.0.1:9/v1"), settings)


def attempt(endpoint: Endpoint, outcome: Outcome, began: float, now: float) -> None:
    endpoint.end(outcome, FAILURE, began=began, now=now, was_probe=endpoint.begin(now))


def test_the_limit_is_halved_once_for_requests_that_were_under_way_together() -> None:
    """64, refused at time 1: 32. One more that began before that: still 32. One that began after it: 16."""
    endpoint = endpoint_of()
    for began, now, limit in ((0.0, 1.0, 32.0), (0.5, 1.1, 32.0), (1.2, 1.3, 16.0)):
        attempt(endpoint, Outcome.OVERLOADED, began, now)
        assert endpoint.limit == limit


def test_the_limit_rises_by_four_for_a_round_of_answers() -> None:
    """At 8, an answer adds 4 / 8: 8.5, so still 8 whole requests; the next adds 4 / 8.5."""
    endpoint = endpoint_of()
    endpoint.limit = 8.0
    attempt(endpoint, Outcome.ANSWERED, 0.0, 1.0)
    assert (endpoint.limit, endpoint.free) == (8.5, 8)
    attempt(endpoint, Outcome.ANSWERED, 0.0, 1.0)
    assert endpoint.limit == pytest.approx(8.5 + 4 / 8.5)


@given(st.lists(st.sampled_from(list(Outcome)), max_size=60), st.integers(1, 64))
def test_the_limit_stays_between_one_and_the_bound_and_leases_add_up(outcomes: list[Outcome], bound: int) -> None:
    endpoint = endpoint_of(bound)
    for moment, outcome in enumerate(outcomes):
        attempt(endpoint, outcome, float(moment), float(moment))
        assert 1.0 <= endpoint.limit <= bound
        assert endpoint.in_use == 0


def test_only_lack_of_time_or_room_lowers_the_limit() -> None:
    for outcome in Outcome:
        endpoint = endpoint_of()
        attempt(endpoint, outcome, 0.0, 0.0)
        assert (endpoint.limit < 64) == (outcome is Outcome.OVERLOADED)


def test_pauses_double_to_their_limit_and_an_answer_ends_them() -> None:
    """Set aside by the third failure at time 0; tried again after 1, then 2, 4 and 5 (not 8) seconds."""
    endpoint, now = endpoint_of(), 0.0
    for _ in range(2):
        attempt(endpoint, Outcome.FAILED, 0.0, now)
    assert endpoint.is_up
    attempt(endpoint, Outcome.FAILED, 0.0, now)
    for pause in (1.0, 2.0, 4.0, 5.0, 5.0):
        assert endpoint.resumes == now + pause
        assert not endpoint.is_due(now + pause - 0.01)
        now += pause
        assert endpoint.is_due(now)
        attempt(endpoint, Outcome.FAILED, now, now)
    now += 5
    attempt(endpoint, Outcome.ANSWERED, now, now)
    assert (endpoint.resumes, endpoint.failures) == (None, 0)
    for _ in range(3):
        attempt(endpoint, Outcome.FAILED, now, now)
    assert endpoint.resumes == now + 1.0


@pytest.mark.parametrize(("room_after", "pause"), [(0.0, 1.0), (3.0, 3.0), (60.0, 5.0)])
def test_a_server_without_room_is_tried_every_second_or_when_it_says(room_after: float, pause: float) -> None:
    """Not longer than any pause, which is 5 s here."""
    endpoint, now = endpoint_of(), 1.0
    for _ in range(3):
        attempt(endpoint, Outcome.OVERLOADED, 0.0, 0.0)
    for _ in range(3):
        was_probe = endpoint.begin(now)
        failure = RequestError("busy", Outcome.OVERLOADED, 503, retry_after=room_after)
        endpoint.end(Outcome.OVERLOADED, failure, began=now, now=now, was_probe=was_probe)
        assert endpoint.resumes == now + pause
        now += pause


def test_without_a_pause_a_server_is_not_tried_again_and_again() -> None:
    """Set aside at time 0 without a pause; a try that fails is followed by 0.1 s, then 0.2 s."""
    endpoint = Endpoint(Address("http://127.0.0.1:9/v1"), EndpointSettings(set_aside_after=1, pause=0.0))
    attempt(endpoint, Outcome.FAILED, 0.0, 0.0)
    for resumes in (0.0, 0.1, pytest.approx(0.3)):
        assert endpoint.resumes == resumes
        now = endpoint.resumes or 0.0
        attempt(endpoint, Outcome.FAILED, now, now)


def test_one_request_at_a_time_tries_a_server_set_aside() -> None:
    endpoint = endpoint_of()
    for _ in range(3):
        attempt(endpoint, Outcome.FAILED, 0.0, 0.0)
    assert endpoint.is_due(1.0)
    assert endpoint.begin(1.0)
    assert not endpoint.is_due(1.0)


@pytest.mark.parametrize(
    ("outcome", "seconds", "is_reply", "is_replying"),
    [
        (Outcome.FAILED, 0.1, True, True),
        (Outcome.FAILED, 20.0, True, True),
        (Outcome.FAILED, 0.1, False, False),
        (Outcome.OVERLOADED, 0.1, True, True),
        (Outcome.OVERLOADED, 20.0, True, False),  # a gateway's 504
        (Outcome.REFUSED, 0.1, True, False),
    ],
)
def test_a_server_set_aside_replies_if_its_last_failure_was_a_reply(
    outcome: Outcome, seconds: float, is_reply: bool, is_replying: bool
) -> None:
    endpoint = endpoint_of()
    for failures in range(1, 4):
        endpoint.begin(0.0)
        failure = RequestError("why", outcome, is_silence=not is_reply)
        endpoint.end(outcome, failure, began=0.0, now=seconds, was_probe=False)
        assert endpoint.is_replying is (is_replying and failures == 3)
    attempt(endpoint, Outcome.ANSWERED, 0.0, 0.0)
    assert not endpoint.is_replying


def test_late_failures_do_not_lengthen_the_pause() -> None:
    endpoint = endpoint_of()
    probes = [endpoint.begin(0.0) for _ in range(10)]
    for was_probe in probes:
        endpoint.end(Outcome.FAILED, FAILURE, began=0.0, now=0.0, was_probe=was_probe)
    assert endpoint.resumes == 1.0


@pytest.mark.parametrize("outcome", [Outcome.ANSWERED, Outcome.DECLINED])
def test_whatever_a_server_answers_shows_that_it_is_up(outcome: Outcome) -> None:
    endpoint = endpoint_of()
    for _ in range(2):
        attempt(endpoint, Outcome.FAILED, 0.0, 0.0)
    attempt(endpoint, outcome, 0.0, 0.0)
    attempt(endpoint, Outcome.FAILED, 0.0, 0.0)
    assert endpoint.resumes is None


def test_a_server_set_aside_by_its_user_recovers_and_what_it_accepted_is_forgotten() -> None:
    endpoint = endpoint_of()
    endpoint.accepted_fields.add("logprobs")
    endpoint.set_aside("no weights", now=3.0)
    assert (endpoint.is_up, endpoint.resumes, endpoint.cause, endpoint.accepted_fields) == (
        False,
        4.0,
        "no weights",
        set(),
    )
    endpoint.recover()
    assert endpoint.is_up


def test_a_server_that_is_set_aside_anew_no_longer_counts_as_refusing() -> None:
    endpoint = endpoint_of()
    for _ in range(3):
        attempt(endpoint, Outcome.REFUSED, 0.0, 0.0)
    assert (endpoint.is_up, endpoint.is_refusing) == (False, True)
    endpoint.set_aside("no weights", now=3.0)
    assert not endpoint.is_refusing
