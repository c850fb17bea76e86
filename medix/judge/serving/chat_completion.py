"""One chat completion, without the optional request fields that its server rejects."""

from collections.abc import Sequence

from medix.judge.serving.chat import Request, fields_named, next_dropped
from medix.judge.serving.chat_reply import ChatReply
from medix.serving.endpoint import Endpoint
from medix.serving.request_error import RequestError
from medix.serving.session import Session

_FIELD_REJECTED = frozenset((400, 422))
_FIELD_FORBIDDEN = 403  # OpenAI's status for "no logprobs from this model"; also for a wrong key
# bytes: each token asked for may come with its log-probability and ten alternatives, about 1 kB
_LONGEST_REPLY = 2**20
_LONGEST_TOKEN = 2**11


async def complete_chat(session: Session, endpoint: Endpoint, request: Request, limit: float) -> ChatReply:
    """One reply, with fewer optional fields each time the server rejects some; what it accepts is remembered.

    Args:
        session: sends the requests.
        endpoint: the server.
        request: what is asked.
        limit: seconds for all of it.

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
                data = await session.fetch(endpoint.address, "POST", "/chat/completions", content, longest=longest)
            except RequestError as error:
                dropped = _dropped(fields, endpoint, error)
                if not dropped:
                    raise
                rejected |= dropped
                continue
            reply = ChatReply.read(data)
            endpoint.rejected_fields |= rejected
            endpoint.accepted_fields.update(fields)
            return reply


def _dropped(fields: Sequence[str], endpoint: Endpoint, error: RequestError) -> frozenset[str]:
    """The fields to drop. One that was accepted before is not what the server rejects now."""
    doubtful = [field for field in fields if field not in endpoint.accepted_fields]
    named = fields_named(doubtful, error.message)
    if error.status == _FIELD_FORBIDDEN:
        return named
    if error.status not in _FIELD_REJECTED or not doubtful:
        return frozenset()
    return named or next_dropped(doubtful)
