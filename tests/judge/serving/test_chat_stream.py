"""Replies that come in parts, cut anywhere, and streams that are none."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.serving.chat_reply import ChatReply
from medix.judge.serving.chat_stream import ChatStream


def event(finish_reason: str | None = None, index: object = 0, **delta: object) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    return f"data: {json.dumps({'choices': [choice]}, ensure_ascii=False)}\n\n".encode()


DONE = b"data: [DONE]\n\n"


def read(*data: bytes) -> ChatReply:
    stream = ChatStream()
    for part in data:
        list(stream.feed(part))
    return stream.close()


@given(st.lists(st.integers(0, 400), max_size=8))
def test_a_reply_is_the_same_wherever_the_stream_is_cut(cuts: list[int]) -> None:
    whole = b": hello\r\n\r\n" + event(role="assistant", content="") + event(reasoning_content="größer")
    whole += event(content="le") + event(content="ft é") + event("stop") + DONE
    ends = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    reply = read(*(whole[start:end] for start, end in itertools.pairwise(ends)))
    assert (reply.text, reply.reasoning, reply.finish_reason, reply.fault) == ("left é", "größer", "stop", "")


def test_the_reply_so_far_is_there_after_each_part_that_adds_to_it() -> None:
    stream = ChatStream()
    grown = list(stream.feed(b"".join(event(content=part) for part in ("", "le", "ft"))))
    assert [(reply.text, reply.is_cut) for reply in grown] == [("le", True), ("left", True)]
    assert not list(stream.feed(event("stop") + DONE))


@pytest.mark.parametrize(
    ("finish_reason", "delta", "fault"),
    [
        ("content_filter", {"content": "le"}, "a content filter ended the reply"),
        ("stop", {"refusal": "I cannot"}, "the model refuses: I cannot"),
        ("tool_calls", {"tool_calls": [{"index": 0}]}, "calls a tool"),
        ("length", {"content": "le"}, ""),
    ],
)
def test_faults_are_those_of_any_reply(finish_reason: str, delta: dict[str, object], fault: str) -> None:
    reply = read(event(**delta), event(finish_reason), DONE)
    assert fault in reply.fault
    assert bool(reply.fault) == bool(fault)


def test_a_server_that_knows_no_streams_sends_the_whole() -> None:
    body = json.dumps({"choices": [{"message": {"content": "left"}, "finish_reason": "stop"}]}).encode()
    assert read(b"\n", body[:9], body[9:]).text == "left"


def test_other_choices_are_kept_apart_and_events_without_one_add_nothing() -> None:
    statistics = b'data: {"choices": [], "usage": {"total_tokens": 3}}\n\n'
    other = [event(index=1, content="ri"), event(index=1, content="ght"), event("content_filter", index=1)]
    reply = read(event(content="left"), *other, event("stop"), statistics, DONE)
    assert (reply.text, reply.fault) == ("left", "")
    assert [(one.text, "a content filter" in one.fault) for one in reply.others] == [("right", True)]


def test_an_index_may_be_a_text_and_is_named_where_it_is_no_number() -> None:
    parts = [event(content="le", index="0"), event(content="NO", index="1"), event("stop", content="ft", index=0)]
    reply = read(*parts, event("stop", index=1), DONE)
    assert [one.text for one in (reply, *reply.others)] == ["left", "NO"]
    with pytest.raises(ValueError, match="index: a choice has 'x'"):
        read(event(content="le", index="x"), DONE)


def test_the_end_of_another_choice_is_not_that_of_the_reply() -> None:
    with pytest.raises(ValueError, match="broke off"):
        read(event(content="le"), event("stop", index=1, content="right"))


def test_two_replies_in_one_stream_are_none() -> None:
    replies = event(content="YES") + event("stop") + event(content="NO") + event("stop") + DONE
    assert "text follows the end" in read(replies).fault
    beside_each = event("stop", content="le") + event("stop", content="ft") + DONE  # as some servers write
    assert (read(beside_each).text, read(beside_each).fault) == ("left", "")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (event(content="le"), "broke off"),
        (b"", "broke off"),
        (b'data: {"error": {"message": "out of memory"}}\n\n', "out of memory"),
        (b"data: {le\n\n", "Expecting"),
        (event("error", content="le"), "error"),
        (event("", content="le") + event("", content="ft"), "broke off"),
        (event(content="le") + b'event: error\ndata: {"type": "error", "message": "overloaded"}\n\n', "overloaded"),
        (event(content="le") + b"event: error\r\ndata: overloaded\r\n\r\n", "an error: overloaded"),
        (event(content="le") + b'data: {"object": "error", "message": "oom"}\n\n', "an error: oom"),
        (event(content="le") + b'data: {"code": 500, "message": "oom"}\n\n', "an error: code 500, oom"),
        (b'data: {"choices": [{"delta": {"content": "YES", "content": "NO"}}]}\n\n' + DONE, "content more than once"),
        (b'{"choices": []}', "no choices"),
        (b'data: {"choices": 5}\n\n' + DONE, "no choices"),
        (b'data: {"choices": [5]}\n\n' + DONE, "no choices"),
        (b"".join(event(index=index, content="YES") for index in range(5)) + DONE, "5 choices"),
    ],
)
def test_what_is_no_reply_is_an_error(data: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read(data)


def test_a_server_that_never_stops_sending_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medix.judge.serving.chat_stream._LONGEST", 100)
    with pytest.raises(ValueError, match="longer than 100 bytes"):
        read(event(content="a" * 100))


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: b"\xef\xbb\xbf" + whole,
        lambda whole: whole.replace(b"\n", b"\r"),
        lambda whole: whole.replace(b"\n", b"\r\n"),
        lambda whole: b"data:\n\n" + whole.replace(b"\n\n", b"\ndata: \n\n"),
        lambda whole: whole.replace(b"data:", b"event: message\ndata:"),
    ],
    ids=["byte order mark", "CR", "CR LF", "empty data", "named events"],
)
@pytest.mark.parametrize("size", [1, 10_000])
def test_all_forms_of_events_are_read(change: Callable[[bytes], bytes], size: int) -> None:
    whole = change(event("", content="le") + event("", content="ft") + event("stop") + DONE)
    reply = read(*(whole[start : start + size] for start in range(0, len(whole), size)))
    assert (reply.text, reply.finish_reason, reply.fault) == ("left", "stop", "")


def test_a_byte_order_mark_before_a_whole_reply_costs_nothing() -> None:
    body = b"\xef\xbb\xbf" + json.dumps({"choices": [{"message": {"content": "left"}}]}).encode()
    assert read(body[:2], body[2:]).text == "left"


@pytest.mark.parametrize(
    ("field", "fault"),
    [
        ({"finish_reason": "content_filter"}, "a content filter ended the reply"),
        ({"native_finish_reason": "SAFETY"}, "native_finish_reason 'SAFETY'"),
        ({"content_filter_results": {"hate": {"filtered": True}}}, "a content filter changed the reply"),
    ],
)
def test_a_fault_stays_whatever_is_said_after_it(field: dict[str, Any], fault: str) -> None:
    later = {"finish_reason": "stop", "native_finish_reason": "STOP", "content_filter_results": {"hate": {}}}
    choices = [{"delta": {"content": "left"}, **field}, {"delta": {}, **later}]
    events = [f"data: {json.dumps({'choices': [choice]})}\n\n".encode() for choice in choices]
    reply = read(*events, DONE)
    assert reply.text == "left"
    assert fault in reply.fault


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}


@pytest.mark.parametrize(
    ("deltas", "fields"),
    [
        ([{"content": "left"}], {"content_filter_results": {"violence": {"filtered": True}}}),
        ([{"content": "left"}], {"native_finish_reason": "SAFETY"}),
        ([{"content": "left"}], {"stop_reason": "refusal"}),
        ([{"content": "left"}], {"error": {"message": "oom"}}),
        ([{"content": "left", "error": {"message": "oom"}}], {}),
        ([{"audio": {"data": "x"}}], {}),
        ([{"content": [{"type": "text", "text": "le"}]}, {"content": [{"type": "text", "text": "ft"}]}], {}),
        ([{"content": [{"type": "image_url", "image_url": {"url": "x"}}]}], {}),
        ([{"content": 7}], {}),
    ],
)
def test_what_is_said_beside_the_text_is_read_as_of_a_whole_reply(
    deltas: list[dict[str, Any]], fields: dict[str, Any]
) -> None:
    parts = [part for delta in deltas if isinstance(delta.get("content"), list) for part in delta["content"]]
    message = {**deltas[-1], **({"content": parts} if parts else {})}
    choice = {"index": 0, "message": message, "finish_reason": "stop", **fields}
    last = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", **fields}]})
    streamed = [*(event(**delta) for delta in deltas), f"data: {last}\n\n".encode(), DONE]
    assert _read_or_refused(*streamed) == _read_or_refused(json.dumps({"choices": [choice]}).encode())


def _read_or_refused(*data: bytes) -> ChatReply | str:
    try:
        return read(*data)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("said", [{"success": False}, {"promptFeedback": {"blockReason": "SAFETY"}}, {"code": 500}])
def test_what_an_event_says_of_the_whole_counts(said: dict[str, Any]) -> None:
    found = _read_or_refused(event(content="left"), f"data: {json.dumps(said)}\n\n".encode(), event("stop"), DONE)
    assert "it reports an error" in found if isinstance(found, str) else "a content filter" in found.fault


def test_reasoning_in_parts_is_one_text_and_grows() -> None:
    more = {"type": "thinking", "thinking": [{"type": "text", "text": "m"}]}
    stream = ChatStream()
    data = b"".join([event(content=[THOUGHT]), event(content=[more]), event(content="le"), event(content="ft")])
    grown = list(stream.feed(data))
    assert [(reply.text, reply.reasoning) for reply in grown] == [("", "h"), ("", "hm"), ("le", "hm"), ("left", "hm")]
    list(stream.feed(event("stop") + DONE))
    reply = stream.close()
    assert (reply.text, reply.reasoning, reply.fault) == ("left", "hm", "")
