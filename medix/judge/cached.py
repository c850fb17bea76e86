"""A judge whose verdicts are cached on disk."""

import copy
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
from medix.judge.own_arguments import own_arguments
from medix.judge.prompt import JudgePrompt
from medix.judge.verdict_store import VerdictStore
from medix.types import JudgeQuestion, Verdict


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """Counts of the questions put to one cache; a question repeated within one call counts once.

    Attributes:
        hits: found in the store.
        asked: put to the judge.
        shared: already in flight in another thread.
        stored: verdicts written.
        faults: failures to use the file, and stored verdicts that could not be read.
    """

    hits: int = 0
    asked: int = 0
    shared: int = 0
    stored: int = 0
    faults: int = 0


class CachedJudge(Judge):
    """Asks a judge only what is not on disk yet, and stores its verdicts.

    The key is the judge's identity (kind, model, prompt version), the arguments of a judge of one's own, the question,
    the reference, the aliases and the answer, hashed. Only scored verdicts are stored; unscored questions are asked
    again. A cached verdict is the original one with ``is_cached`` set and the latency of the look-up. A question that
    any thread of this process is already asking is waited for and not asked twice. Verdicts are written as they arrive,
    before the threads that wait for them continue, so that a killed run loses none that it acted on.

    The file is an SQLite database that several processes may share (``VerdictStore``); judging continues
    if it cannot be used. It holds the judge's replies, but no questions and no endpoint. Entries do not expire: if a
    served model changes without changing its name, use another file, or better a dated model name.

    Wrap the members of a panel rather than the panel: then each vote is stored, and only a missing one is asked again.

    Args:
        judge: asked for verdicts that are not stored.
        path: of the file, which is created if it does not exist.
        busy_timeout: seconds to wait for a lock that another process holds.
        retry_after: seconds until a file that could not be used is tried again.
        patience: seconds without any verdict after which ``grade`` returns the rest as unscored, in case the judge's
            own time limits fail.
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
        self._own = own_arguments(judge)  # once: a judge may change what it keeps while it is asked
        self._store = VerdictStore(path, busy_timeout, retry_after)
        self._in_flight = _InFlight()

    @property
    def identity(self) -> str:
        """That of the wrapped judge: caching does not change whose verdict it is."""
        return self.judge.identity

    @property
    def counts(self) -> CacheCounts:
        """Counts since construction; copies of this judge have counts of their own."""
        return CacheCounts(**self._in_flight.counts, stored=self._store.stored, faults=self._store.faults)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_in_flight": _InFlight()}

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """Look up all questions in one query, ask the missing ones together, and wait."""
        key_of = self._keys()
        wanted = {question: key_of(question) for question in dict.fromkeys(questions)}
        start = time.perf_counter()
        found = self._store.get(list(wanted.values()))
        latency = time.perf_counter() - start
        self._in_flight.count("hits", len(found))
        missing = {key: question for question, key in wanted.items() if key not in found}
        futures = self._ask(missing)
        outcome.wait(list(futures.values()), self.patience)
        verdicts = {key: replace(verdict, latency=latency) for key, verdict in found.items()}
        for key, future in futures.items():
            if not future.done():
                self._in_flight.resolve(key, future, self._gave_up())
            verdicts[key] = future.result()
        return [verdicts[wanted[question]] for question in questions]

    @property
    def asks_ahead(self) -> bool:
        """As the judge does."""
        return self.judge.asks_ahead

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        """Look up synchronously, ask in the background; the judge's own time limits apply."""
        key = self._keys()(question)
        start = time.perf_counter()
        found = self._store.get([key])
        if found:
            self._in_flight.count("hits", 1)
            return outcome.finished(replace(found[key], latency=time.perf_counter() - start))
        return self._ask({key: question})[key]

    def asking(self, prompt: JudgePrompt) -> "CachedJudge":
        """The judge with another prompt and the same file: the prompt is part of the key."""
        return self._around(self.judge.asking(prompt))

    def without_cache(self) -> Judge:
        """The wrapped judge."""
        return self.judge.without_cache()

    def close(self) -> None:
        """Close the judge and the file; both are opened again on next use."""
        self.judge.close()
        self._store.close()

    def _around(self, judge: Judge) -> "CachedJudge":
        other = copy.copy(self)
        other.judge, other._own, other._store = judge, own_arguments(judge), copy.copy(self._store)
        return other

    def _keys(self) -> Callable[[JudgeQuestion], bytes]:
        """A function that hashes questions together with the judge's present identity."""
        beginning = hashlib.sha256()
        for text in filter(None, (self.judge.identity, self._own)):
            _feed(beginning, text)

        def key_of(question: JudgeQuestion) -> bytes:
            digest = beginning.copy()
            for text in (question.question, question.reference, question.answer, *question.aliases):
                _feed(digest, text)
            return digest.digest()

        return key_of

    def _ask(self, missing: Mapping[bytes, JudgeQuestion]) -> "dict[bytes, Future[Verdict]]":
        """Futures of questions that are not in the store; those not already in flight are put to the judge."""
        futures, own = self._in_flight.join(missing)
        try:
            # another thread may have stored the same verdict between the look-up and ``join``
            known = self._store.get(own)
            self._in_flight.count("hits", len(known))
            for key, verdict in known.items():
                self._in_flight.resolve(key, futures[key], verdict)
            rest = [key for key in own if key not in known]
            self._in_flight.count("asked", len(rest))
            if self.judge.asks_ahead:
                for key in rest:
                    asked = outcome.submit(self.judge, missing[key])
                    asked.add_done_callback(partial(self._arrived, key, futures[key]))
            else:
                verdicts = dict(zip(rest, outcome.grade(self.judge, [missing[key] for key in rest]), strict=True))
                self._keep(verdicts)
                for key, verdict in verdicts.items():
                    self._in_flight.resolve(key, futures[key], verdict)
        except BaseException as error:
            for key in own:  # other threads wait for these
                reason = f"the request was interrupted: {type(error).__name__}: {error}"
                self._in_flight.resolve(key, futures[key], outcome.unscored(self.judge, reason))
            raise
        return futures

    def _arrived(self, key: bytes, future: "Future[Verdict]", asked: "Future[Verdict]") -> None:
        verdict = outcome.verdict_of(self.judge, asked)
        try:
            self._keep({key: verdict})
        finally:
            self._in_flight.resolve(key, future, verdict)

    def _keep(self, verdicts: Mapping[bytes, Verdict]) -> None:
        scored = {key: verdict for key, verdict in verdicts.items() if _is_stored(verdict)}
        self._store.put(scored, self.judge.identity)

    def _gave_up(self) -> Verdict:
        return outcome.unscored(self.judge, f"no verdict on any question for {self.patience:g} s")


def _feed(digest: Any, text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    digest.update(len(data).to_bytes(8, "big") + data)


def _is_stored(verdict: Verdict) -> bool:
    return verdict.credit is not None and math.isfinite(verdict.credit)


class _InFlight:
    """Questions in flight in this process, so that none is asked twice. A forked child starts with none."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._futures: dict[bytes, Future[Verdict]] = {}
        self._counts: Counter[str] = Counter()
        self._pid = os.getpid()  # set last: a thread that sees it finds the other attributes renewed

    @property
    def _locked(self) -> threading.Lock:
        """The lock of this process; after a fork, the child has a lock and futures of its own."""
        if self._pid != os.getpid():
            self._begin()
        return self._lock

    def __reduce__(self) -> "tuple[type[_InFlight], tuple[()]]":
        return _InFlight, ()

    def join(self, keys: Collection[bytes]) -> "tuple[dict[bytes, Future[Verdict]], list[bytes]]":
        """The future of each key, and the keys that are new, which the caller must resolve."""
        own = []
        with self._locked:
            for key in keys:
                if key not in self._futures:
                    self._futures[key] = outcome.pending()
                    own.append(key)
            self._counts["shared"] += len(keys) - len(own)
            return {key: self._futures[key] for key in keys}, own

    def resolve(self, key: bytes, future: "Future[Verdict]", verdict: Verdict) -> None:
        """Give a future its verdict; later ones are ignored."""
        with self._locked:
            if self._futures.get(key) is future:
                del self._futures[key]
        with suppress(InvalidStateError):
            future.set_result(verdict)  # outside the lock: a callback may ask again at once

    def count(self, what: str, number: int) -> None:
        with self._locked:
            self._counts[what] += number

    @property
    def counts(self) -> dict[str, int]:
        with self._locked:
            return dict(self._counts)
