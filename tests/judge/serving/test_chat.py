"""What is sent in the chat protocol."""

import pytest

from medix.judge.serving.chat import ChatRequest, fields_named, next_dropped

REQUEST = ChatRequest("m", "grade", 7, {"choice": ["YES", "NO"]})


def test_the_whole_request_is_greedy_constrained_with_probabilities_and_without_thinking() -> None:
    assert REQUEST.content(REQUEST.optional_fields) == {
        "model": "m",
        "messages": [{"role": "user", "content": "grade"}],
        "max_tokens": 7,
        "temperature": 0.0,
        "logprobs": True,
        "top_logprobs": 10,
        "structured_outputs": {"choice": ["YES", "NO"]},
        "chat_template_kwargs": {"enable_thinking": False},
    }


def test_the_bare_request_bounds_the_reply_by_the_newer_name() -> None:
    assert REQUEST.content(()) == {
        "model": "m",
        "messages": [{"role": "user", "content": "grade"}],
        "max_completion_tokens": 7,
    }


def test_fields_are_dropped_from_probabilities_to_bounds_and_the_bounds_together() -> None:
    left, order = list(REQUEST.optional_fields), []
    while left:
        order.append(sorted(next_dropped(left)))
        left = [name for name in left if name not in order[-1]]
    constraint = "structured_outputs choice"
    assert order == [["logprobs"], [constraint], ["chat_template_kwargs"], ["max_tokens", "temperature"]]


def test_a_constraint_is_a_field_by_its_kind_and_none_is_no_field() -> None:
    assert "structured_outputs json" in ChatRequest("m", "x", 7, {"json": {}}).optional_fields
    assert not any("structured" in wish for wish in ChatRequest("m", "x", 7).optional_fields)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("Unrecognized request argument supplied: structured_outputs", "structured_outputs choice"),
        ("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", "max_tokens"),
        ("Unsupported value: 'temperature' does not support 0.0 with this model.", "temperature"),
        ("You are not allowed to request logprobs from this model", "logprobs"),
        ("extra field chat_template_kwargs", "chat_template_kwargs"),
        ("The grammar cannot be compiled", "structured_outputs choice"),
    ],
)
def test_servers_name_what_they_refuse(message: str, field: str) -> None:
    assert fields_named(REQUEST.optional_fields, message) == {field}
    assert fields_named((), message) == frozenset()


def test_a_message_that_names_nothing_names_nothing() -> None:
    assert fields_named(REQUEST.optional_fields, "context too long") == frozenset()


def test_a_reply_that_is_drawn_has_a_temperature_and_a_seed_that_goes_first() -> None:
    drawn = ChatRequest("m", "grade", 7, temperature=0.3, seed=0)
    content = drawn.content(drawn.optional_fields)
    assert (content["temperature"], content["seed"]) == (0.3, 0)
    assert next_dropped(drawn.optional_fields) == {"seed"}
    assert fields_named(drawn.optional_fields, "unknown parameter: seed") == {"seed"}
