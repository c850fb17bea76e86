"""Whether a server answers a question that no server should fail at."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from medix.judge.serving.chat import Request
from medix.judge.serving.chat_completion import complete_chat
from medix.serving.endpoint import Endpoint
from medix.serving.outcome import Outcome
from medix.serving.request_error import RequestError
from medix.serving.session import Session


@dataclass(frozen=True)
class ChatCheck:
    """Asks the model itself for one token: a list of models is served by those that cannot answer, too.

    Some servers answer the questions that they are for and not this one: programs around a model that index the first
    image of a request fail without one. So where it fails for another reason than silence or a refusal, the last
    request that the server answered is asked again. A server that answered none yet is found out by the requests that
    it was not asked (``medix.serving.pool``).

    Args:
        model: its name as the servers know it.
        limit: seconds for the answer.
        remedies: what is added to the cause of an error, by its status.
    """

    model: str
    limit: float
    remedies: Mapping[int, str] = field(default_factory=dict)

    async def __call__(self, session: Session, endpoint: Endpoint) -> None:
        """Raises RequestError where there is no answer; a server that declines such a request is up."""
        try:
            await self._ask(session, endpoint, _Hello(self.model))
        except RequestError as error:
            if error.is_silence or error.outcome is Outcome.REFUSED or endpoint.example is None:
                raise
            await self._ask(session, endpoint, _Again(endpoint.example))

    async def _ask(self, session: Session, endpoint: Endpoint, request: Request) -> None:
        try:
            await complete_chat(session, endpoint, request, self.limit, is_check=True)
        except RequestError as error:
            error.cause += self.remedies.get(error.status, "")
            if error.outcome is not Outcome.DECLINED:
                raise


@dataclass(frozen=True)
class _Hello:
    """The shortest request."""

    model: str
    max_tokens: int = 1

    @property
    def optional_fields(self) -> tuple[str, ...]:
        """The older name of the limit of tokens."""
        return ("max_tokens",)

    def content(self, fields: Collection[str]) -> dict[str, Any]:
        """The body of the request."""
        limit = "max_tokens" if "max_tokens" in fields else "max_completion_tokens"
        return {"model": self.model, "messages": [{"role": "user", "content": "Hi"}], limit: self.max_tokens}


@dataclass(frozen=True)
class _Again:
    """A request as before, for one token."""

    request: Request
    max_tokens: int = 1

    @property
    def optional_fields(self) -> tuple[str, ...]:
        """Those of the request."""
        return self.request.optional_fields

    def content(self, fields: Collection[str]) -> dict[str, Any]:
        """The body of the request."""
        content = self.request.content(fields)
        limits = content.keys() & {"max_tokens", "max_completion_tokens"}
        return content | dict.fromkeys(limits, self.max_tokens)
