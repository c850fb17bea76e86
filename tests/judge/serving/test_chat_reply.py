"""What is read in the chat protocol: the text of the model, whatever stands in the fields beside it."""

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.serving.chat_reply import ChatReply


def body_of(message: dict[str, Any] | None = None, **choice: Any) -> bytes:
    return json.dumps({"choices": [{"message": {"content": "NO"} | (message or {}), **choice}]}).encode()


def test_a_reply_is_text_reasoning_and_why_it_ended() -> None:
    choice = {"message": {"content": "YES", "reasoning": "same"}, "finish_reason": "stop"}
    reply = ChatReply.read(json.dumps({"choices": [choice]}).encode())
    assert (reply.text, reply.reasoning, reply.finish_reason, reply.tokens) == ("YES", "same", "stop", ())


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("", "Expecting value"),
        ("{", "Expecting"),
        ("[]", "no choices"),
        ('{"choices": []}', "no choices"),
        ('{"choices": [3]}', "no choices"),
        ('{"choices": [{}]}', "no message"),
        ('{"error": {"message": "engine died"}}', "engine died"),
        ('{"error": {"message": "engine died"}, "choices": [{"message": {"content": "NO"}}]}', "an error: engine died"),
        ('{"errors": ["engine died"], "choices": [{"message": {"content": "NO"}}]}', "an error: .*engine died"),
        ('{"status": "error", "choices": [{"message": {"content": "NO"}}]}', "an error: status 'error'"),
        ('{"status": 500, "choices": [{"message": {"content": "NO"}}]}', "an error: status 500"),
        ('{"code": "503", "message": "busy", "choices": [{"message": {"content": "NO"}}]}', "code 503, busy"),
        ('{"error_code": 17, "choices": [{"message": {"content": "NO"}}]}', "an error: error_code 17"),
        ('{"Error": {"message": "died"}, "choices": [{"message": {"content": "NO"}}]}', "an error: .*died"),
        ('{"error": true, "choices": [{"message": {"content": "NO"}}]}', "an error: true"),
        ('{"choices": [{"message": {"content": "NO"}, "error": {"code": 502}}]}', "an error: .*502"),
        ('{"choices": [{"message": {"content": "NO", "error": {"code": 502}}}]}', "an error: .*502"),
        ('{"choices": [{"message": {"content": "NO"}, "finish_reason": "error"}]}', "finish_reason 'error'"),
        ('{"choices": [{"message": {"content": "NO"}, "finish_reason": "abort"}]}', "finish_reason 'abort'"),
        ('{"object": "error", "message": "died", "choices": [{"message": {"content": "NO"}}]}', "an error: died"),
        ('{"success": false, "choices": [{"message": {"content": "NO"}}]}', "an error"),
        ('{"choices": [{"message": {"content": "NO"}, "native_finish_reason": "error"}]}', "native_finish_reason"),
        ('data: {"choices": []}\n\ndata: [DONE]', "a stream of events"),
        ('id: 3\ndata: {"choices": []}', "a stream of events"),
        ('retry: 10\n\ndata: {"choices": []}', "a stream of events"),
        ('{"choices": []}\n{"choices": []}', "several JSON texts"),
        ("<!DOCTYPE html><html>", "a web page"),
        ('{"choices": [{"message": {"content": "NO", "content": "YES"}}]}', "content more than once"),
        ('{"choices": [], "choices": [{"message": {"content": "YES"}}]}', "choices more than once"),
        (json.dumps({"choices": [{"message": {"content": "YES"}}] * 5}), "5 choices"),
        ("[" * 100_000, "Expecting"),
        ("\xff", "Expecting value"),
    ],
)
def test_what_is_no_reply_says_why(body: str, cause: str) -> None:
    with pytest.raises(ValueError, match=cause):
        ChatReply.read(body.encode("latin-1"))


@pytest.mark.parametrize("content", [None, 3, ["x"], {"a": 1}])
def test_a_content_of_another_kind_is_an_empty_reply(content: object) -> None:
    body = json.dumps({"choices": [{"message": {"content": content}}]})
    assert ChatReply.read(body.encode()).text == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["token", "logprob", "bytes",
        "top_logprobs", "content"]), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@given(JSON)
def test_probabilities_of_any_form_cost_no_verdict(logprobs: object) -> None:
    body = json.dumps({"choices": [{"message": {"content": "YES"}, "logprobs": logprobs}]})
    reply = ChatReply.read(body.encode())
    assert reply.text == "YES"
    assert isinstance(reply.tokens, tuple)


@pytest.mark.parametrize(
    "entry",
    [{"token": "Y", "logprob": -(10**400)}, {"token": "Y", "bytes": 10**10, "logprob": -0.5}],
    ids=["a number of 400 digits", "a number of bytes"],
)
def test_probabilities_that_cannot_be_read_are_ignored(entry: dict[str, object]) -> None:
    choice = {"message": {"content": "YES"}, "logprobs": {"content": [entry]}}
    reply = ChatReply.read(json.dumps({"choices": [choice]}).encode())
    assert (reply.text, reply.tokens) == ("YES", ())


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (body_of(finish_reason="content_filter"), "content filter"),
        (body_of(finish_reason="SAFETY"), "content filter"),
        (body_of(finish_reason="stop", content_filter_results={"hate": {"filtered": True}}), "content filter"),
        (body_of(finish_reason="who knows"), "'who knows'"),
        (body_of(finish_reason=3), "'3'"),
        (body_of(finish_reason="tool_calls"), "a tool"),
        (body_of({"content": None, "tool_calls": [{"type": "function"}]}), "a tool"),
        (body_of({"function_call": {"name": "f"}}, finish_reason="stop"), "a tool"),
        (body_of({"content": None, "refusal": "I will not"}), "refuses: I will not"),
        (body_of({"content": [{"type": "refusal", "refusal": "no way"}]}), "refuses: no way"),
        (body_of({"content": [{"type": "text", "text": "NO"}, {"type": "image_url"}]}), "'image_url'"),
        (body_of({"content": [{"type": "text", "text": 3}]}), "'text'"),
        (body_of({"content": ["N", "O"]}), "a list of other things than parts and no text"),
        (body_of({"content": {"type": "text", "text": "NO"}}), "an object and no text"),
        (body_of({"content": None, "audio": {"data": "UklG"}}), "sound"),
        (body_of(finish_reason="stop", stop_reason="refusal"), "refuses .stop_reason 'refusal'"),
        (body_of(finish_reason="stop", native_finish_reason="SAFETY"), "native_finish_reason 'SAFETY'"),
        (b'{"status": "incomplete", "choices": [{"message": {"content": "NO"}}]}', "not whole .status 'incomplete'"),
        (b'{"promptFeedback": {"blockReason": "OTHER"}, "choices": [{"message": {"content": "NO"}}]}', "blocked the"),
    ],
)
def test_what_is_no_complete_reply_is_named(body: bytes, cause: str) -> None:
    assert re.search(cause, ChatReply.read(body).fault)


@pytest.mark.parametrize("reason", ["stop", "STOP", "eos_token", "stop_sequence", "end_turn", "", None])
def test_a_reply_is_complete_if_the_server_says_so_or_nothing(reason: str | None) -> None:
    reply = ChatReply.read(body_of({"tool_calls": [], "refusal": None, "function_call": None}, finish_reason=reason))
    assert (reply.text, reply.fault, reply.is_cut) == ("NO", "", False)
    assert ChatReply.read(body_of(content_filter_results={"hate": {"filtered": False}})).fault == ""
    assert (
        ChatReply.read(
            b'{"error": null, "errors": [], "status": "ok", "choices": [{"error": {}, "message": {"content": "NO"}}]}'
        ).fault
        == ""
    )


@pytest.mark.parametrize("reason", ["length", "MAX_TOKENS"])
def test_a_reply_that_was_cut_is_no_fault(reason: str) -> None:
    reply = ChatReply.read(body_of(finish_reason=reason))
    assert (reply.fault, reply.is_cut) == ("", True)


def test_a_content_in_parts_is_their_text() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "the side"}]},
        {"type": "text", "text": "N"},
        {"type": "output_text", "text": "O"},
    ]
    reply = ChatReply.read(body_of({"content": parts}))
    assert (reply.text, reply.reasoning, reply.fault) == ("NO", "the side", "")


def test_all_choices_are_read() -> None:
    choices = [{"message": {"content": "NO"}}, {"message": {"content": "YES"}, "finish_reason": "length"}]
    reply = ChatReply.read(json.dumps({"choices": choices}).encode())
    assert [(one.text, one.is_cut) for one in (reply, *reply.others)] == [("NO", False), ("YES", True)]


@pytest.mark.parametrize("indexes", [(1, 0), ("1", "0"), ("1", 0), (1, None), ("10", 9)])
def test_the_first_choice_is_that_of_the_least_index(indexes: tuple[object, object]) -> None:
    texts = zip(("YES", "NO"), indexes, strict=True)
    choices = [{"message": {"content": text}, "index": index} for text, index in texts]
    reply = ChatReply.read(json.dumps({"choices": choices}).encode())
    assert [one.text for one in (reply, *reply.others)] == ["NO", "YES"]
    with pytest.raises(ValueError, match="index: a choice has 'x'"):
        ChatReply.read(json.dumps({"choices": [choices[0], {**choices[1], "index": "x"}]}).encode())


CHOICE = '"choices": [{"message": {"content": "YES"}, "finish_reason": "stop"'


@pytest.mark.parametrize(
    "body",
    [
        f'{{"usage": {"[" * 100_000}{"]" * 100_000}, {CHOICE}}}]}}',
        f'{{"usage": {"9" * 5000}, {CHOICE}}}]}}',
        f'{{"usage": -{"9" * 900_000}, {CHOICE}}}]}}',
        f'{{"usage": [NaN, -Infinity, 1e999999], {CHOICE}}}]}}',
        f'{{"usage": 1, "usage": 2, {CHOICE}, "index": 0, "index": 1}}]}}',
        f'{{"model": "\\ud800", {CHOICE}}}]}}',
        f'{{"model": "\xe9", {CHOICE}}}]}}',
        f'{{{CHOICE}, "logprobs": {{"content": [{{"token": "Y", "logprob": {"1" * 5000}}}]}}}}]}}',
        f'{{{CHOICE}, "logprobs": {{"content": [{{"token": "Y", "logprob": -1, "bytes": 10000000000}}]}}}}]}}',
        f'{{{CHOICE}, "logprobs": {{"content": [{{"token": ["Y"], "logprob": -1}}]}}}}]}}',
        f'{{{CHOICE}, "logprobs": {{"content": [{{"token": "Y", "logprob": 3}}]}}}}]}}',
        f'{{{CHOICE}, "logprobs": {{"content": [{{"token": "Y", "logprob": NaN}}]}}}}]}}',
        f'{{{CHOICE}, "logprobs": {{"content": [{{"token": "Y", "logprob": "-1"}}]}}}}]}}',
        f'{{{CHOICE}, "logprobs": {{"content": [{{"token": "Y", "logprob": -1, "top_logprobs": 7}}]}}}}]}}',
    ],
    ids=range(14),
)
def test_a_field_that_is_not_needed_costs_neither_time_nor_the_verdict(body: str) -> None:
    start = time.process_time()
    reply = ChatReply.read(body.encode("latin-1"))
    assert (reply.text, reply.fault, reply.tokens) == ("YES", "", ())
    assert time.process_time() - start < 2


def test_texts_in_other_encodings_and_with_lone_surrogates_are_read() -> None:
    assert ChatReply.read('{"choices": [{"message": {"content": "YES"}}]}'.encode("utf-16")).text == "YES"
    reply = ChatReply.read(
        b'{"choices": [{"message": {"content": "NO \\ud800", "reasoning": "\\udfff\\ud83d\\ude00"}}]}'
    )
    assert (reply.text, reply.reasoning) == ("NO \ufffd", "\ufffd\U0001f600")


@pytest.mark.parametrize("beside", ['"status": 200', '"code": 0', '"code": "ok"', '"error_code": 0', '"status": null'])
def test_a_status_of_success_is_no_error(beside: str) -> None:
    content = f'{{{beside}, "choices": [{{"message": {{"content": "NO"}}}}]}}'
    assert ChatReply.read(content.encode()).text == "NO"
