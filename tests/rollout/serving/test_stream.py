"""Events of a stream put together to choices."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.rollout.serving.stream import Choice, ChoiceStream, StreamError
from tests.support.rollout_servers import chunk


def event(content: Any) -> bytes:
    return f"data: {content if isinstance(content, str) else json.dumps(content)}\n\n".encode()


def span(version: str) -> list[dict[str, Any]]:
    return [{"version": version, "start": 0, "end": 1}]


WHOLE = b"".join(
    (
        event(chunk(0, [5]) | {"prompt_token_ids": [1, 2]}),
        event(chunk(1, [7])),
        b": a comment\n\n",
        event(chunk(1, [8, 9], "length", weight_versions=span("v"))),
        event(chunk(0, [6], "stop", weight_versions=span("v"))),
        event("[DONE]"),
    )
)
CHOICES = [
    Choice(1, (7, 8, 9), (-0.5,) * 3, "length", ("v",)),
    Choice(0, (5, 6), (-0.5,) * 2, "stop", ("v",)),
]


def fed(*parts: bytes, count: int = 2, longest: int = 10_000) -> list[Choice]:
    stream = ChoiceStream(count, longest)
    return [choice for part in parts for choice in stream.feed(part)]


def test_choices_come_in_the_order_in_which_they_are_finished() -> None:
    stream = ChoiceStream(2, 10_000)
    assert list(stream.feed(WHOLE)) == CHOICES
    assert stream.prompt_token_ids == (1, 2)
    assert stream.is_done
    stream.close()


@given(st.lists(st.integers(0, len(WHOLE)), max_size=6))
def test_where_the_network_cuts_makes_no_difference(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(WHOLE)]
    assert fed(*(WHOLE[start:end] for start, end in pairwise(places))) == CHOICES


def test_an_index_may_be_a_text_and_is_named_where_it_is_no_number() -> None:
    one = chunk(0, [5], "stop")
    one["choices"][0]["index"] = "0"
    assert [choice.index for choice in fed(event(one))] == [0]
    for index, told in ((True, "index: a choice has True"), (0.5, "index: a choice has 0.5"), (None, "choice None of")):
        one["choices"][0]["index"] = index
        with pytest.raises(StreamError, match=told):
            fed(event(one))


def test_a_choice_written_by_two_versions_names_both() -> None:
    spans = [{"version": "a", "start": 0, "end": 1}, {"version": "b", "start": 1, "end": 2}]
    [choice] = fed(event(chunk(0, [5, 6], "stop", weight_versions=spans)))
    assert choice.versions == ("a", "b")


@pytest.mark.parametrize("version", [1, 0.5, True, None, [], {}])
def test_a_version_that_is_no_text_is_refused(version: object) -> None:
    with pytest.raises(StreamError, match="choice 0 names a version of weights that is no text"):
        fed(event(chunk(0, [5], "stop", weight_versions=[{"version": version, "start": 0, "end": 1}])))


def test_a_choice_that_says_no_version_has_none() -> None:
    [choice] = fed(event(chunk(0, [5], "stop")))
    assert choice.versions == ()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{]", "is no part of a completion"),
        ({"object": "list"}, "is no part of a completion"),
        ([], "is no part of a completion"),
        ({"error": {"message": "engine dead"}}, "the server says engine dead"),
        (chunk(2, [5]), "choice 2 of 2 was not asked for"),
        (chunk(0, [5], "abort"), "'abort': the server called it off"),
        (chunk(0, [], "stop"), "choice 0 has no tokens"),
        ({"choices": [{"index": 0, "token_ids": [5]}]}, "0 log-probabilities for 1 tokens"),
        (chunk(0, [5], logprobs={"content": [{"token_id": 6, "logprob": -1.0}]}), "log-probabilities for 1 tokens"),
        (chunk(0, [5], logprobs={"content": [{"token_id": 5, "logprob": -9999.0}]}), "its logits are NaN"),
        (chunk(0, [5], logprobs={"content": [{"token_id": 5, "logprob": None}]}), "is no part of a completion"),
    ],
)
def test_what_the_protocol_does_not_know_is_an_error_with_its_cause(content: Any, told: str) -> None:
    with pytest.raises(StreamError, match=told):
        fed(event(content))


def test_a_choice_that_comes_twice_is_an_error() -> None:
    with pytest.raises(StreamError, match="comes twice"):
        fed(event(chunk(0, [5], "stop")), event(chunk(0, [5], "stop")))


def test_what_is_no_event_is_an_error() -> None:
    with pytest.raises(StreamError, match="is no event"):
        fed(b"<html>\n\n")


def test_a_server_that_sends_without_end_is_stopped() -> None:
    with pytest.raises(StreamError, match="longer than 100 bytes"):
        fed(b"x" * 101, longest=100)


@pytest.mark.parametrize(("end", "how"), [(b"", "it broke off"), (event("[DONE]"), "it ended")])
def test_an_end_before_all_choices_counts_them(end: bytes, how: str) -> None:
    stream = ChoiceStream(2, 10_000)
    list(stream.feed(event(chunk(0, [5], "stop")) + end))
    with pytest.raises(StreamError, match=f"{how} with 1 of 2 completions"):
        stream.close()


@pytest.mark.parametrize(
    "number", ["1e999", "NaN", "9" * 400, "9" * 5000], ids=["infinite", "nan", "no float", "more than Python reads"]
)
@pytest.mark.parametrize(
    "text",
    [
        '{"choices": [{"index": #}]}',
        '{"prompt_token_ids": [#], "choices": [{}]}',
        '{"choices": [{"index": 0, "token_ids": [#]}]}',
        '{"choices": [{"index": 0, "token_ids": [1], "logprobs": {"content": [{"token_id": 1, "logprob": #}]}}]}',
    ],
)
def test_a_number_that_cannot_be_meant_is_an_error_of_the_stream(text: str, number: str) -> None:
    with pytest.raises(StreamError):
        fed(event(text.replace("#", number)))


def test_a_log_probability_above_zero_is_none() -> None:
    content = chunk(0, [5], "stop")
    content["choices"][0]["logprobs"]["content"][0]["logprob"] = 0.5
    with pytest.raises(StreamError, match=r"a token with 0\.5 as its log-probability"):
        fed(event(content))
