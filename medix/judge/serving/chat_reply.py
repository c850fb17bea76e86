"""Replies of the chat completions protocol of vLLM, OpenAI and others."""

import json
import re
from dataclasses import dataclass
from typing import Any

from medix.judge.serving.confidence import ReplyToken
from medix.serving.json_text import clean, field, index_of, read_json
from medix.serving.request_error import error_message

_COMPLETE = frozenset(("", "stop", "eos", "eos_token", "stop_sequence", "end_turn"))
_CUT = frozenset(("length", "max_tokens"))
_CODES = {"status": 400, "code": 400, "error_code": 1}  # in the body, the least that is an error
_FAILED = frozenset(("error", "failed", "abort", "aborted", "cancelled"))  # of the server: another attempt may succeed
_TOOLS = frozenset(("tool_calls", "tool_call", "tool_use", "function_call"))
_FILTERS = frozenset(("content_filter", "safety", "recitation", "prohibited_content", "blocklist"))
_REFUSALS = frozenset(("refusal", "refused"))
_FURTHER_REASONS = ("native_finish_reason", "stop_reason")  # of other protocols, which proxies pass on
_MOST_CHOICES = 4  # parsing blocks the event loop


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What the model wrote.

    Attributes:
        text: the reply; empty if there is none.
        reasoning: what the server split off as reasoning.
        finish_reason: ``stop``, ``length``, or what else the server says; empty where it says nothing, as some servers
            do of complete replies.
        logprobs: the tokens with their probabilities as they came; None where the server gives none.
        fault: why the text is not the complete reply of the model; empty if it is one, or was cut at the limit. It may
            repeat words of the server, in full: secrets are hidden before they are cut.
        others: further choices; none was asked for.
    """

    text: str
    reasoning: str = ""
    finish_reason: str = ""
    logprobs: Any = None
    fault: str = ""
    others: tuple["ChatReply", ...] = ()

    @classmethod
    def read(cls, data: bytes) -> "ChatReply":
        """The first choice of a reply by its index, with the others.

        Fields that are not needed may hold anything. Lone surrogates are replaced.

        Raises:
            ValueError: it does not follow the protocol, or reports an error of the server.
        """
        content = read_json(data)
        error = field(content, "error") or field(content, "errors") or field(content, "Error")
        if error:
            raise ValueError(f"it reports an error: {_said(error)}")
        if field(content, "object") == "error" or field(content, "success") is False:
            raise ValueError(f"it reports an error: {error_message(content) or 'without a word on which'}")
        if failed := _failed(content):
            raise ValueError(f"it reports an error: {failed}")
        choices = field(content, "choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            said = error_message(content)
            raise ValueError(f"it holds no choices: {said}" if said else "it holds no choices")
        if len(choices) > _MOST_CHOICES:
            raise ValueError(f"it holds {len(choices)} choices where one was asked for")
        if len(choices) > 1:  # else nothing depends on the index
            choices = sorted(choices, key=lambda choice: index_of(choice) or 0)
        first, *others = (cls._choice(choice) for choice in choices)
        fault = _blocked(content) or _unfinished(content) or first.fault
        return cls(first.text, first.reasoning, first.finish_reason, first.logprobs, fault, tuple(others))

    @classmethod
    def _choice(cls, choice: Any) -> "ChatReply":
        message = field(choice, "message")
        if not isinstance(message, dict):
            raise ValueError("its choice holds no message")
        ended = field(choice, "finish_reason")
        reason = "" if ended is None else _text(ended)
        reasons = {"finish_reason": reason} | {name: _text(field(choice, name)) for name in _FURTHER_REASONS}
        error = field(choice, "error") or field(message, "error")
        failed = next((f"{name} {said!r}" for name, said in reasons.items() if said.casefold() in _FAILED), "")
        if error or failed:
            raise ValueError(f"its choice reports an error: {_said(error) if error else failed}")
        text, thought, fault = content_of(field(message, "content"))
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        return cls(
            text=text,
            reasoning=clean(reasoning) if isinstance(reasoning, str) else thought,
            finish_reason=reason,
            logprobs=choice.get("logprobs"),
            fault=_ended(reason, message) or _filtered(choice) or _further(reasons) or fault or _sound(message),
        )

    @property
    def is_cut(self) -> bool:
        """Whether the limit of tokens cut it off."""
        return self.finish_reason.casefold() in _CUT

    @property
    def tokens(self) -> tuple[ReplyToken, ...]:
        """The tokens with their probabilities; none where the server sent none, or in an unknown form."""
        content = self.logprobs.get("content") if isinstance(self.logprobs, dict) else None
        try:
            return tuple(ReplyToken.of(entry) for entry in content or ())
        except (TypeError, ValueError, OverflowError, KeyError, AttributeError):
            return ()


def _ended(reason: str, message: dict[str, Any]) -> str:
    """Why a message is not the complete reply of the model."""
    kind = reason.casefold()
    refusal = field(message, "refusal")
    if refusal or kind in _REFUSALS:
        return f"the model refuses: {_text(refusal)}" if refusal else f"the model refuses (finish_reason {reason!r})"
    calls = field(message, "tool_calls") or field(message, "function_call")
    if calls or kind in _TOOLS:
        return "the model calls a tool in place of a reply"
    if kind in _FILTERS:
        return f"a content filter ended the reply (finish_reason {reason!r})"
    if kind not in _COMPLETE | _CUT:
        return f"the reply ended with finish_reason {reason!r}, which is not known to be that of a complete reply"
    return ""


def _further(reasons: dict[str, str]) -> str:
    """What a server says beside a ``finish_reason`` of ``stop``; only what is known to be no end of a reply counts."""
    for name, said in reasons.items():
        if said.casefold() in _REFUSALS:
            return f"the model refuses ({name} {said!r})"
        if said.casefold() in _FILTERS | _TOOLS:
            return f"the reply is not whole ({name} {said!r})"
    return ""


def _blocked(content: Any) -> str:
    """Why a server did not put the question to the model, as Gemini says beside a reply."""
    found = field(content, "promptFeedback") or field(content, "prompt_feedback")
    why = field(found, "blockReason") or field(found, "block_reason")
    return f"a content filter blocked the question (blockReason {_text(why)!r})" if why else ""


def _unfinished(content: Any) -> str:
    """That a server says beside a reply that it is not whole."""
    status = field(content, "status")
    is_whole = not isinstance(status, str) or status.casefold() != "incomplete"
    return "" if is_whole else f"the reply is not whole (status {status!r})"


def _sound(message: dict[str, Any]) -> str:
    is_sound = bool(field(message, "audio")) and not field(message, "content")
    return "the model replies with sound (audio) in place of text" if is_sound else ""


def _filtered(choice: Any) -> str:
    """What a content filter has removed, as Azure says beside a ``finish_reason`` of ``stop``."""
    results = field(choice, "content_filter_results")
    kinds = results.items() if isinstance(results, dict) else ()
    names = ", ".join(str(name) for name, found in kinds if isinstance(found, dict) and found.get("filtered") is True)
    return f"a content filter changed the reply (content_filter_results: {names})" if names else ""


def content_of(content: Any) -> tuple[str, str, str]:
    """Text, reasoning and fault of a message's content: a text, or a list of parts."""
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        fault = "" if content is None or isinstance(content, str) else f"its content is {_kind(content)} and no text"
        return (clean(content) if isinstance(content, str) else ""), "", fault
    texts: list[str] = []
    thoughts: list[str] = []
    fault = ""
    for part in content:
        kind, text = field(part, "type"), field(part, "text")
        if kind in ("thinking", "reasoning"):
            thoughts.append(content_of(part.get(kind))[0])
        elif kind == "refusal":
            fault = f"the model refuses: {_text(part.get('refusal'))}"
        elif kind in ("text", "output_text", None) and isinstance(text, str):
            texts.append(clean(text))
        else:
            fault = fault or f"its content holds a part of type {_text(kind)!r}, which is no text"
    return "".join(texts), "\n".join(filter(None, thoughts)), fault


def _kind(content: Any) -> str:
    if isinstance(content, list):
        return "a list of other things than parts"
    return "an object" if isinstance(content, dict) else f"{content!r:.40}"


def _failed(content: Any) -> str:
    """What a body says of a failure by a status or a number; empty if it says none."""
    status = field(content, "status")
    if isinstance(status, str) and status.casefold() in _FAILED:
        return f"status {status!r}"
    for name, least in _CODES.items():
        value = field(content, name)
        if isinstance(value, int | str) and re.fullmatch(r"-?[0-9]{1,9}", str(value)) and int(value) >= least:
            return f"{name} {value}" + (f", {said}" if (said := error_message(content)) else "")
    return ""


def _said(error: Any) -> str:
    return error_message({"error": error}) or json.dumps(error)


def _text(value: Any) -> str:
    return clean(value) if isinstance(value, str) else repr(value)
