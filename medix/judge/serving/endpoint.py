"""One server of a judge: its address, what it is known to take, how many questions it bears, whether it is up."""

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from medix.judge.serving.address import Address
from medix.judge.serving.chat import ChatReply, ChatRequest, StatusError, named, next_given_up

if TYPE_CHECKING:
    import aiohttp

_FIELD_REFUSED = frozenset((400, 422))
_FIELD_FORBIDDEN = 403  # OpenAI's word for "no logprobs from this model"; also "no such key"
# bytes: a server that sends without end must not fill the memory, nor what it sent take long to read. Each token asked
# for may come with its probability and ten alternatives, about 1 kB.
_LONGEST_REPLY = 2**20
_LONGEST_TOKEN = 2**11
_RISE = 4.0


class Outcome(Enum):
    """What an attempt says about its endpoint."""

    ANSWERED = auto()
    """It spoke the protocol."""
    OVERLOADED = auto()
    """It did not answer, for want of time or of room (429, 503, time-out)."""
    FAILED = auto()
    """It did not answer, for another reason."""
    REFUSED = auto()
    """It will not have this model or key."""
    DECLINED = auto()
    """It is up and does not take this question (400)."""
    UNKNOWN = auto()
    """The question was called off."""


_FAILURES = frozenset((Outcome.OVERLOADED, Outcome.FAILED, Outcome.REFUSED))


@dataclass(eq=False)
class Endpoint:
    """What is known of one server.

    Args:
        address: where it is.
        max_places: most questions at the same time.
        set_aside_after: failures in a row after which it is set aside.
        pause: seconds until an endpoint set aside is tried again; doubled each time it fails again.
        longest_pause: no pause is longer.

    Attributes:
        limit: questions it is given at the same time. It falls to half when the server says that it has too much to do
            or runs out of time (once for the questions that were under way together), and rises by about four for each
            round of verdicts (additive increase, multiplicative decrease), between 1 and ``max_places``.
        in_use: questions under way.
        failures: failures in a row.
        resumes: when it is tried again with one question; None unless it is set aside.
        is_probed: whether that question is under way.
        cause: why it failed last.
        is_refusing: whether the last failure was a refusal of model or key, which waiting does not cure.
    """

    address: Address
    max_places: int
    set_aside_after: int = 5
    pause: float = 0.5
    longest_pause: float = 15.0
    limit: float = field(init=False)
    in_use: int = field(default=0, init=False)
    failures: int = field(default=0, init=False)
    resumes: float | None = field(default=None, init=False)
    is_probed: bool = field(default=False, init=False)
    cause: str = field(default="", init=False)
    is_refusing: bool = field(default=False, init=False)
    _lowered: float = field(default=float("-inf"), init=False)
    _pauses: int = field(default=0, init=False)
    _refused: set[str] = field(default_factory=set, init=False)
    _taken: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.limit = float(self.max_places)

    @property
    def free(self) -> int:
        """Questions that may be added."""
        return max(0, int(self.limit) - self.in_use)

    def is_open(self, now: float) -> bool:
        """Whether a question may be sent now, if only to see whether the server is back."""
        if self.resumes is None:
            return self.free > 0
        return not self.is_probed and now >= self.resumes

    def begin(self) -> bool:
        """Take a place; whether the question is the one that tries an endpoint set aside."""
        self.in_use += 1
        if self.resumes is None:
            return False
        self.is_probed = True
        return True

    def end(self, outcome: Outcome, *, began: float, now: float, was_probe: bool, cause: str) -> None:
        """Give the place back and learn from the attempt."""
        self.in_use -= 1
        if was_probe:
            self.is_probed = False
        if outcome is Outcome.OVERLOADED and began >= self._lowered:
            self.limit, self._lowered = max(1.0, self.limit / 2), now
        if outcome in _FAILURES:
            self.cause, self.is_refusing = cause, outcome is Outcome.REFUSED
            self._fail(now, was_probe)
        elif outcome is not Outcome.UNKNOWN:
            self.failures, self._pauses, self.resumes, self.is_refusing = 0, 0, None, False
            if outcome is Outcome.ANSWERED:
                self.limit = min(float(self.max_places), self.limit + _RISE / self.limit)

    def _fail(self, now: float, was_probe: bool) -> None:
        self.failures += 1
        if self.resumes is None and self.failures >= self.set_aside_after:
            self._pauses = 0
            self._taken.clear()  # what comes back may be another server
        elif was_probe:
            self._pauses += 1
        else:
            return
        self.resumes = now + min(self.longest_pause, self.pause * 2.0**self._pauses)

    async def ask(self, session: "aiohttp.ClientSession", request: ChatRequest, key: str) -> ChatReply:
        """One reply, with fewer wishes each time the server refuses them; what it takes is remembered.

        Raises:
            StatusError: the server says no.
            aiohttp.ClientError, OSError: the server cannot be reached, or leaves.
            ValueError: the reply is not what the protocol asks for.
        """
        refused: set[str] = set()
        while True:
            wishes = [wish for wish in request.wishes if wish not in self._refused | refused]
            try:
                longest = _LONGEST_REPLY + _LONGEST_TOKEN * request.max_tokens * ("logprobs" in wishes)
                data = await self._post(session, request.body(wishes), key, longest)
            except StatusError as error:
                given_up = self._to_give_up(wishes, error)
                if not given_up:
                    raise
                refused |= given_up
                continue
            reply = ChatReply.read(data)
            self._refused |= refused
            self._taken.update(wishes)
            return reply

    def _to_give_up(self, wishes: list[str], error: StatusError) -> frozenset[str]:
        """What to do without next. A wish that was granted before is not what the server refuses now."""
        doubtful = [wish for wish in wishes if wish not in self._taken]
        spoken = named(doubtful, error.message)
        if error.status == _FIELD_FORBIDDEN:
            return spoken
        if error.status not in _FIELD_REFUSED or not doubtful:
            return frozenset()
        return spoken or next_given_up(doubtful)

    async def _post(self, session: "aiohttp.ClientSession", body: bytes, key: str, longest: int) -> bytes:
        headers = {"Authorization": self.address.authorization(key), "Content-Type": "application/json"}
        async with session.post(self.address.chat, data=body, headers=headers, proxy=self.address.proxy) as answer:
            data = bytearray()
            async for part in answer.content.iter_any():
                data += part
                if len(data) > longest:
                    raise ValueError(f"it is longer than {longest} bytes")
            if not answer.ok:
                raise StatusError.of(answer.status, bytes(data), answer.headers.get("Retry-After"))
            return bytes(data)
