"""One chat completion, without the optional request fields that its server rejects."""

from collections.abc import Callable, Sequence
from typing import Any

from medix.judge.serving.chat import Request, fields_named, next_dropped
from medix.judge.serving.chat_reply import ChatReply
from medix.judge.serving.chat_stream import ChatStream
from medix.serving.endpoint import Endpoint
from medix.serving.request_error import RequestError
from medix.serving.session import Session

_FIELD_REJECTED = frozenset((400, 422))
_FIELD_FORBIDDEN = 403  # OpenAI's status for "no logprobs from this model"; also for a wrong key
# bytes: each token asked for may come with its log-probability and ten alternatives, about 1 kB
_LONGEST_REPLY = 2**20
_LONGEST_TOKEN = 2**11
_PATH = "/chat/completions"

OnReply = Callable[[ChatReply], None]
"""Called with the reply so far whenever it has grown."""


async def complete_chat(
    session: Session,
    endpoint: Endpoint,
    request: Request,
    limit: float,
    on_reply: OnReply | None = None,
    *,
    is_check: bool = False,
) -> ChatReply:
    """One reply, with fewer optional fields each time the server rejects some; what it accepts is remembered.

    Args:
        session: sends the requests.
        endpoint: the server.
        request: what is asked.
        limit: seconds for all of it.
        on_reply: asks for the reply while it is written; None for all of it at its end.
        is_check: whether it only tries the server; of others the last one answered is kept, to try the server with.

    Raises:
        RequestError: there is no reply.
    """
    rejected: set[str] = set()
    async with session.attempt(limit):
        while True:
            fields = [one for one in request.optional_fields if one not in endpoint.rejected_fields | rejected]
            longest = _LONGEST_REPLY + _LONGEST_TOKEN * request.max_tokens * ("logprobs" in fields)
            content = request.content(fields)
            try:
                if on_reply is None:
                    data = await session.fetch(endpoint.address, "POST", _PATH, content, longest=longest)
                    reply = ChatReply.read(data)
                else:
                    reply = await _streamed(session, endpoint, content, on_reply)
            except RequestError as error:
                dropped = _dropped(fields, endpoint, error)
                if not dropped:
                    raise
                rejected |= dropped
                continue
            endpoint.rejected_fields |= rejected
            endpoint.accepted_fields.update(fields)
            if not is_check:
                endpoint.example = request
            return reply


async def _streamed(session: Session, endpoint: Endpoint, content: dict[str, Any], on_reply: OnReply) -> ChatReply:
    stream = ChatStream()
    async with session.request(endpoint.address, "POST", _PATH, {**content, "stream": True}) as answer:
        async for data in answer.content.iter_any():
            for reply in stream.feed(data):
                on_reply(reply)
    return stream.close()


def _dropped(fields: Sequence[str], endpoint: Endpoint, error: RequestError) -> frozenset[str]:
    """The fields to drop. One that was accepted before is not what the server rejects now."""
    doubtful = [field for field in fields if field not in endpoint.accepted_fields]
    named = fields_named(doubtful, error.message)
    if error.status == _FIELD_FORBIDDEN:
        return named
    if error.status not in _FIELD_REJECTED or not doubtful:
        return frozenset()
    return named or next_dropped(doubtful)
