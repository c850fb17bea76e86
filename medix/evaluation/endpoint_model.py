"""A model behind an OpenAI-compatible endpoint."""

import asyncio
import hashlib
import queue
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from medix.data.picture import PictureError
from medix.data.prompting import Prompting, placed_images
from medix.evaluation.decoding import Decoding
from medix.evaluation.evaluated_model import Ask, EvaluatedModel, Reply
from medix.evaluation.model_arguments import Evaluated, ModelArguments, card_of, facts_of
from medix.evaluation.prompts import message_parts, prompting_of, sample_of
from medix.evaluation.sent_image import SentImages
from medix.judge.serving.chat_check import ChatCheck
from medix.judge.serving.chat_completion import complete_chat
from medix.judge.serving.chat_reply import ChatReply
from medix.serving.address import addresses_of
from medix.serving.attempts import Attempts, GaveUpError, RetryRules
from medix.serving.client import AsyncClient
from medix.serving.endpoint import Endpoint, EndpointSettings
from medix.serving.json_text import field as json_field
from medix.serving.json_text import read_json
from medix.serving.request_error import RequestError
from medix.serving.session import Session

_LONGEST_PATIENCE = 60.0
_CHECK = 30.0  # seconds


@dataclass(frozen=True)
class CompletionRequest:
    """The request for one completion.

    Attributes:
        model: name of the model as the server knows it.
        parts: of the user message.
        max_tokens: longest completion.
        settings: of sampling; a server that rejects them has not answered the question that was put.
        seed: of the random numbers; a server that does not know it draws its own.
    """

    model: str
    parts: Sequence[Mapping[str, Any]]
    max_tokens: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    @property
    def optional_fields(self) -> tuple[str, ...]:
        """The seed, and the older name of the limit of tokens."""
        return "seed", "max_tokens"

    def content(self, fields: Collection[str]) -> dict[str, Any]:
        """The body of the request."""
        limit = "max_tokens" if "max_tokens" in fields else "max_completion_tokens"
        seed = {"seed": self.seed} if "seed" in fields else {}
        message = {"role": "user", "content": list(self.parts)}
        return {"model": self.model, "messages": [message], limit: self.max_tokens, **self.settings, **seed}


class EndpointModel(EvaluatedModel):
    """Asks servers of the chat completions protocol, many questions at once.

    Servers that fail are retried and replaced as those of a judge (``medix.serving.attempts``). A completion that a
    filter, a refusal or a tool call took the place of is a failure with its reason. Reasoning that a server splits off
    is put back in front of its answer.

    Args:
        prompting: renders the prompts.
        base_url: the server, or several that serve the same model.
        model: its name there.
        revision: what else tells it apart, such as a commit: a server does not say which weights it serves.
        api_key_env: environment variable with the key.
        timeout: seconds for one completion, retries included.
        max_concurrency: most requests at the same time, for each server.
        retries: further attempts after the first, of failures that may be due to the question; where there is no
            connection, or the server has no room, ``timeout`` decides, and a minute without any sign of life.
        backoff: seconds before the first retry; doubled each time, up to 5 s.
    """

    def __init__(
        self,
        prompting: Prompting,
        base_url: str | list[str],
        model: str,
        revision: str = "",
        api_key_env: str = "OPENAI_API_KEY",
        timeout: float = 600.0,
        max_concurrency: int = 64,
        retries: int = 4,
        backoff: float = 0.5,
    ) -> None:
        super().__init__(prompting, {"name": model, "revision": revision, "engine": "endpoint"})
        for name, value in {"timeout": timeout, "concurrency": max_concurrency}.items():
            if not value > 0:
                raise ValueError(f"--{name} {value}: give more than 0")
        patience = min(timeout, _LONGEST_PATIENCE)
        settings = EndpointSettings(max_concurrency, pause=backoff, longest_pause=min(15.0, patience / 4))
        addresses = addresses_of(base_url, "model")
        self.model = model
        self._rules = RetryRules("completion", timeout, None, retries, backoff)
        check = ChatCheck(model, patience)
        self._client = AsyncClient(addresses, api_key_env, settings, patience, "medix-eval", check=check)
        self._at_once = 2 * max_concurrency * len(addresses)
        self._images = SentImages(prompting.pictures)

    def check(self) -> str:
        """Look whether a server answers, before anything is asked of it.

        Returns:
            A warning if no server lists the model; empty if one does, or lists none.

        Raises:
            ConnectionError: none can be reached.
        """

        async def listed(session: Session, endpoint: Endpoint) -> list[str]:
            content = read_json(await session.fetch(endpoint.address, "GET", "/models", limit=_CHECK))
            entries = json_field(content, "data")
            return [str(json_field(entry, "id")) for entry in entries] if isinstance(entries, list) else []

        async def look(session: Session) -> tuple[set[str], list[str]]:
            names, causes = set(), []
            for endpoint in session.pool.endpoints:
                try:
                    names.update(await listed(session, endpoint))
                except RequestError as error:
                    causes += [] if error.status else [f"{endpoint.address.shown}: {error.cause}"]
                except ValueError:
                    continue  # a server without such a list may answer questions all the same
            return names, causes

        names, causes = self._client.run(look)
        if len(causes) == len(self._client.addresses):
            raise ConnectionError(f"--base-url: {'; '.join(causes)}; start the server, or correct the address")
        if names and self.model not in names:
            return f"--model {self.model}: the server lists {', '.join(sorted(names))}"
        return ""

    def replies(self, asks: Sequence[Ask], decoding: Decoding) -> Iterator[tuple[Ask, Reply]]:
        """The reply to each, as it arrives."""
        done: queue.SimpleQueue[tuple[Ask, Reply]] = queue.SimpleQueue()
        waiting, under_way = iter(asks), 0
        try:
            while True:
                while under_way < self._at_once and (ask := next(waiting, None)) is not None:
                    self._submit(ask, decoding, done)
                    under_way += 1
                if not under_way:
                    return
                yield done.get()
                under_way -= 1
        finally:
            if under_way:  # interrupted
                self.close()

    def stream(self, ask: Ask, decoding: Decoding, on_text: Callable[[str], None]) -> Reply:
        """The reply to one, as its server writes it."""
        try:
            request = self._request(ask, decoding)
        except PictureError as error:
            return Reply(None, failure=str(error))
        return self._client.run(lambda session: self._answer(session, request, on_text))

    def close(self) -> None:
        """Cancel what is under way, and end the background thread."""
        self._client.close(self)

    def _submit(self, ask: Ask, decoding: Decoding, done: "queue.SimpleQueue[tuple[Ask, Reply]]") -> None:
        try:
            request = self._request(ask, decoding)
        except PictureError as error:
            done.put((ask, Reply(None, failure=str(error))))
            return

        def arrived(future: "Future[Reply]") -> None:
            done.put((ask, future.result()))

        cancelled = Reply(None, failure="the evaluation was stopped before the completion")
        future = self._client.submit(lambda session: self._answer(session, request), self, lambda: cancelled)
        future.add_done_callback(arrived)

    def _request(self, ask: Ask, decoding: Decoding) -> CompletionRequest:
        parts = []
        images = iter(placed_images(sample_of(ask.item, self.prompting.modalities)))
        for part in message_parts(self.prompting, ask.item):
            url = self._images.url(next(images)) if part["type"] == "image" else ""
            parts.append({"type": "image_url", "image_url": {"url": url}} if url else part)
        settings: dict[str, Any] = {"temperature": decoding.temperature, "top_p": decoding.top_p}
        if decoding.top_k:
            settings["top_k"] = decoding.top_k
        if decoding.stop:
            settings |= {"stop": list(decoding.stop), "include_stop_str_in_output": True}
        return CompletionRequest(
            self.model, parts, decoding.max_tokens, settings, _seed(decoding.seed, ask.item.id, ask.k)
        )

    async def _answer(
        self, session: Session, request: CompletionRequest, on_text: Callable[[str], None] | None = None
    ) -> Reply:
        attempts = Attempts()

        def grown(reply: ChatReply) -> None:
            if on_text is not None:
                on_text(_text(session, reply))

        async def send(endpoint: Endpoint, limit: float) -> ChatReply:
            return await complete_chat(session, endpoint, request, limit, None if on_text is None else grown)

        try:
            reply = await self._rules.ask(session, attempts, send)
        except GaveUpError as error:
            return Reply(None, failure=self._shown(session, attempts, str(error)), seconds=attempts.latency)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever breaks, a question gets a reply with its reason
            cause = f"{type(error).__name__}: {session.shown(str(error))}"
            return Reply(None, failure=self._shown(session, attempts, cause), seconds=attempts.latency)
        fault = reply.fault or ("several replies in place of one" if reply.others else "")
        if fault:
            return Reply(None, failure=self._shown(session, attempts, session.shown(fault)), seconds=attempts.latency)
        finish_reason = "length" if reply.is_cut else "stop"
        return Reply(_text(session, reply), finish_reason, seconds=attempts.latency)

    def _shown(self, session: Session, attempts: Attempts, cause: str) -> str:
        at = "" if attempts.at is None else f" at {attempts.at.address.shown}"
        return session.without_secrets(f"{self.model}{at}: {cause}")


def _text(session: Session, reply: ChatReply) -> str:
    """The completion, or what is written of it: the reasoning that the server split off, and the answer."""
    text = session.without_secrets(reply.text)
    if not reply.reasoning:
        return text
    end = "" if reply.is_cut and not text.strip() else "</think>"
    return f"<think>{session.without_secrets(reply.reasoning)}{end}{text}"


def _seed(seed: int, item: str, k: int) -> int:
    """A seed of its own for each completion, the same for every run and order."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{item}/{k}".encode("utf-8", "surrogatepass")).digest()[:4]) >> 1


def open_endpoint(arguments: ModelArguments) -> Evaluated:
    """The model at an endpoint, once a server answers.

    Raises:
        ValueError: an argument is out of range.
        ConnectionError: no server can be reached.
    """
    if arguments.base_url is None or arguments.model.endswith(".ckpt"):
        raise ValueError(f"--model {arguments.model}: with --base-url give the name that the endpoint knows")
    card = card_of(arguments.model)
    prompt = arguments.prompt or ("plain" if card is None else "medix")
    decoding = arguments.decoding() if card is None else arguments.decoding(card.max_completion_tokens, card.stop)
    model = EndpointModel(
        prompting_of(prompt, card),
        arguments.base_url,
        arguments.model,
        arguments.revision,
        arguments.api_key_env,
        arguments.timeout,
        arguments.concurrency,
    )
    return Evaluated(model, prompt, decoding, facts_of(arguments.model), model.check())
