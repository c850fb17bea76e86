"""A judge whose verdicts are kept on disk."""

import hashlib
import math
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from medix.judge import outcome
from medix.judge.base import Judge
from medix.judge.prompt import JudgePrompt
from medix.judge.verdict_store import VerdictStore
from medix.types import JudgeQuestion, Verdict


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """What became of the questions put to one cache, each question of one call counted once.

    Attributes:
        hits: looked up.
        asked: put to the judge.
        shared: waited for, because another thread was asking the same.
        stored: verdicts written.
        faults: times that the file could not be used, and verdicts in it that could not be read.
    """

    hits: int = 0
    asked: int = 0
    shared: int = 0
    stored: int = 0
    faults: int = 0


class CachedJudge(Judge):
    """Asks a judge what is not on disk yet, and keeps what it says.

    The key is the judge's identity (kind, model, prompt version), the question, the reference, the aliases and the
    answer, hashed. Only scored verdicts are kept; a question without one is asked again. A looked-up verdict is the one
    that was given, with ``is_cached`` set and the latency of the look-up. A question that is being asked already, by
    whatever thread of this process, is waited for and not asked twice. Verdicts are written as they arrive, before
    anyone who waits for them goes on, so that a killed run loses none that it acted on.

    The file is an SQLite database that several processes may share (``VerdictStore``); whatever is wrong with it, the
    judging goes on. It holds the judge's replies, no questions and no endpoint. There is no age limit: a served model
    that changes behind its name needs another file, or better a dated name.

    Put it around the members of a panel rather than around the panel: then each vote is kept, and a missing one is
    asked again.

    Args:
        judge: who is asked what is not known.
        path: the file; made if there is none.
        busy_timeout: seconds to wait for another process that writes.
        retry_after: seconds until a file that could not be used is tried again.
        patience: seconds without any verdict after which ``grade`` gives the rest up as unscored; a backstop behind
            the judge's own limits.
    """

    def __init__(
        self,
        judge: Judge,
        path: str,
        busy_timeout: float = 2.0,
        retry_after: float = 60.0,
        patience: float = 600.0,
    ) -> None:
        values = {"busy_timeout": busy_timeout, "retry_after": retry_after, "patience": patience}
        for name, value in values.items():
            if not value > 0:
                raise ValueError(f"judge.{name} must be more than 0 seconds, got {value}; see medix.judge.CachedJudge")
        if not path:
            raise ValueError("judge.path is empty; name the file that verdicts are kept in, such as verdicts.sqlite")
        self.judge = judge
        self.path = path
        self.busy_timeout = busy_timeout
        self.retry_after = retry_after
        self.patience = patience
        self._store = VerdictStore(path, busy_timeout, retry_after)
        self._flights = _Flights()

    @property
    def identity(self) -> str:
        """The judge's own: where a verdict was kept does not change whose it is."""
        return self.judge.identity

    @property
    def counts(self) -> CacheCounts:
        """What became of the questions so far; copies of this judge count for themselves."""
        return CacheCounts(**self._flights.counts, stored=self._store.stored, faults=self._store.faults)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_flights": _Flights()}

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """Look all up at once, ask the rest at once, and wait."""
        key_of = self._keys()
        wanted = {question: key_of(question) for question in dict.fromkeys(questions)}
        start = time.perf_counter()
        found = self._store.get(list(wanted.values()))
        latency = time.perf_counter() - start
        self._flights.count("hits", len(found))
        missing = {key: question for question, key in wanted.items() if key not in found}
        flights = self._fly(missing)
        outcome.wait(list(flights.values()), self.patience)
        verdicts = {key: replace(verdict, latency=latency) for key, verdict in found.items()}
        for key, flight in flights.items():
            if not flight.done():
                self._flights.land(key, flight, self._gave_up())
            verdicts[key] = flight.result()
        return [verdicts[wanted[question]] for question in questions]

    @property
    def asks_ahead(self) -> bool:
        """As the judge does."""
        return self.judge.asks_ahead

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        """Look up here and now, ask in the background; the judge's own limits bound the wait."""
        key = self._keys()(question)
        start = time.perf_counter()
        found = self._store.get([key])
        if found:
            self._flights.count("hits", 1)
            return outcome.finished(replace(found[key], latency=time.perf_counter() - start))
        return self._fly({key: question})[key]

    def gave(self, verdict: Verdict) -> bool:
        """Its own, or any that the judge calls its own."""
        return super().gave(verdict) or self.judge.gave(verdict)

    def asking(self, prompt: JudgePrompt) -> "CachedJudge":
        """The judge asked another way, with its verdicts in the same file: the prompt is part of the key."""
        return self._around(self.judge.asking(prompt))

    def without_cache(self) -> Judge:
        """The judge itself."""
        return self.judge.without_cache()

    def close(self) -> None:
        """Close the judge and the file; either is opened again when next used."""
        self.judge.close()
        self._store.close()

    def _around(self, judge: Judge) -> "CachedJudge":
        return CachedJudge(judge, self.path, self.busy_timeout, self.retry_after, self.patience)

    def _keys(self) -> Callable[[JudgeQuestion], bytes]:
        """Hashes questions for the judge as it is called now."""
        beginning = hashlib.sha256()
        _feed(beginning, self.judge.identity)

        def key_of(question: JudgeQuestion) -> bytes:
            digest = beginning.copy()
            for text in (question.question, question.reference, question.answer, *question.aliases):
                _feed(digest, text)
            return digest.digest()

        return key_of

    def _fly(self, missing: Mapping[bytes, JudgeQuestion]) -> "dict[bytes, Future[Verdict]]":
        """Have questions answered that were not found: by who asks them already, else by the judge."""
        flights, own = self._flights.board(missing)
        try:
            # who asked the same may have landed between the look-up and the boarding
            known = self._store.get(own)
            self._flights.count("hits", len(known))
            for key, verdict in known.items():
                self._flights.land(key, flights[key], verdict)
            rest = [key for key in own if key not in known]
            self._flights.count("asked", len(rest))
            if self.judge.asks_ahead:
                for key in rest:
                    asked = outcome.submit(self.judge, missing[key])
                    asked.add_done_callback(partial(self._arrived, key, flights[key]))
            else:
                verdicts = dict(zip(rest, outcome.grade(self.judge, [missing[key] for key in rest]), strict=True))
                self._keep(verdicts)
                for key, verdict in verdicts.items():
                    self._flights.land(key, flights[key], verdict)
        except BaseException as error:
            for key in own:  # others wait for these
                reason = f"asking was broken off: {type(error).__name__}: {error}"
                self._flights.land(key, flights[key], outcome.unscored(self.judge, reason))
            raise
        return flights

    def _arrived(self, key: bytes, flight: "Future[Verdict]", asked: "Future[Verdict]") -> None:
        verdict = outcome.verdict_of(self.judge, asked)
        try:
            self._keep({key: verdict})
        finally:
            self._flights.land(key, flight, verdict)

    def _keep(self, verdicts: Mapping[bytes, Verdict]) -> None:
        scored = {key: verdict for key, verdict in verdicts.items() if _is_kept(verdict)}
        self._store.put(scored, self.judge.identity)

    def _gave_up(self) -> Verdict:
        return outcome.unscored(self.judge, f"no verdict on any question for {self.patience:g} s")


def _feed(digest: Any, text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    digest.update(len(data).to_bytes(8, "big") + data)


def _is_kept(verdict: Verdict) -> bool:
    return verdict.credit is not None and math.isfinite(verdict.credit)


class _Flights:
    """Questions under way in this process, so that none is asked twice; a child process begins with none."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[bytes, Future[Verdict]] = {}
        self._counts: Counter[str] = Counter()
        self._pid = os.getpid()  # last: whoever sees it finds the rest renewed

    @property
    def _locked(self) -> threading.Lock:
        """The lock to hold, of this process: what a parent asked never lands in its child, nor is its lock let go."""
        if self._pid != os.getpid():
            self._begin()
        return self._lock

    def __reduce__(self) -> "tuple[type[_Flights], tuple[()]]":
        return _Flights, ()

    def board(self, keys: Collection[bytes]) -> "tuple[dict[bytes, Future[Verdict]], list[bytes]]":
        """The future of each key, and which of them the caller must land."""
        own = []
        with self._locked:
            for key in keys:
                if key not in self._flights:
                    self._flights[key] = outcome.begun()
                    own.append(key)
            self._counts["shared"] += len(keys) - len(own)
            return {key: self._flights[key] for key in keys}, own

    def land(self, key: bytes, flight: "Future[Verdict]", verdict: Verdict) -> None:
        """Give a flight its verdict; the first one counts."""
        with self._locked:
            if self._flights.get(key) is flight:
                del self._flights[key]
        with suppress(InvalidStateError):
            flight.set_result(verdict)  # outside the lock: whoever waits may ask again at once

    def count(self, what: str, number: int) -> None:
        with self._locked:
            self._counts[what] += number

    @property
    def counts(self) -> dict[str, int]:
        with self._locked:
            return dict(self._counts)
