"""Checks a judge: reachability, models listed by its servers, latency, and whether it reaches verdicts."""

import http.client
import json
import os
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from medix.evaluation.server_statement import ServerStatement, statement_of
from medix.judge import outcome
from medix.judge.base import Judge
from medix.judge.canaries import Canary, shipped_canaries
from medix.judge.served import ServedJudge
from medix.judge.served_judges import served_judges
from medix.reporting.table import Table
from medix.serving.address import Address
from medix.types import Verdict

QUESTIONS = 5


@dataclass(frozen=True)
class EndpointCheck:
    """Check of one address of a served judge.

    Attributes:
        address: address without user, password or query.
        model: name of the model that the judge requests.
        models: names of the models that the server lists.
        seconds: response time of the list.
        problem: why the address cannot be used; empty if it can.
        is_down: whether that is because no server answers there.
        stated: what the server states about its weights.
        left_out: what of it the identity of the judge leaves out, as keys of a spec.
    """

    address: str
    model: str
    models: tuple[str, ...] = ()
    seconds: float = 0.0
    problem: str = ""
    is_down: bool = False
    stated: ServerStatement = field(default_factory=ServerStatement)
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class JudgeCheck:
    """Check of one judge.

    Attributes:
        judge: identity of the judge.
        endpoints: its addresses; empty for a judge that needs no server.
        replies: whether the server constrains replies to the options, and how many replies are exactly one of them.
        verdicts: verdicts on a few canaries, asked one after another.
    """

    judge: str
    endpoints: tuple[EndpointCheck, ...]
    replies: str
    verdicts: tuple[tuple[Canary, Verdict], ...]

    @property
    def problems(self) -> list[str]:
        """One sentence for each problem."""
        found = [f"{endpoint.address}: {endpoint.problem}" for endpoint in self.endpoints if endpoint.problem]
        return found + list(dict.fromkeys(verdict.reason for _, verdict in self.verdicts if not verdict.is_scored))

    @property
    def notes(self) -> list[str]:
        """One sentence for each server that states what the identity of the judge leaves out."""
        return [
            f"{one.address} states what the identity of the judge leaves out; add {', '.join(one.left_out)} to the spec"
            for one in self.endpoints
            if one.left_out
        ]

    @property
    def is_usable(self) -> bool:
        """Whether every endpoint responds and every question has a verdict."""
        return bool(self.verdicts) and not self.problems

    def tables(self) -> Iterator[Table]:
        """Endpoints, then the judge as a whole."""
        if self.endpoints:
            rows = [
                [
                    endpoint.address,
                    "no" if endpoint.problem else "yes",
                    f"{1000 * endpoint.seconds:.0f} ms",
                    ", ".join(endpoint.models[:4]) + (" …" if len(endpoint.models) > 4 else "") or "none",
                    endpoint.stated.shown,
                ]
                for endpoint in self.endpoints
            ]
            yield Table("Endpoints", ["", "Usable", "Response time", "Models listed", "States"], rows)
        scored = [verdict for _, verdict in self.verdicts if verdict.is_scored]
        rows = [["Identity", self.judge], ["Replies", self.replies]]
        rows += [["Questions scored", f"{len(scored)} of {len(self.verdicts)}"]]
        if scored:
            seconds = [verdict.latency for verdict in scored]
            rows += [["Latency", f"median {_ms(statistics.median(seconds))}, longest {_ms(max(seconds))}"]]
            rows += [["Example verdict", self._example()]]
        yield Table("Judge", ["", "Result"], rows)

    def _example(self) -> str:
        canary, verdict = next(row for row in self.verdicts if row[1].is_scored)
        word = "YES" if verdict.credit == 1 else "NO" if verdict.credit == 0 else f"credit {verdict.credit:g}"
        confidence = "" if verdict.confidence is None else f", confidence {verdict.confidence:.3f}"
        return (
            f"{word} to {canary.question.answer!r} for {canary.question.reference!r} "
            f"(expected {canary.expected}){confidence}"
        )


def check(judge: Judge, timeout: float = 30.0) -> JudgeCheck:
    """Query every endpoint, then ask a few questions one after another, bypassing the cache.

    Args:
        judge: any judge.
        timeout: seconds for the model list of one endpoint; questions have the judge's own limits.
    """
    uncached = judge.without_cache()
    served = list(served_judges(uncached))
    endpoints = check_endpoints(uncached, timeout)
    verdicts: list[tuple[Canary, Verdict]] = []
    if not endpoints or any(not endpoint.problem for endpoint in endpoints):
        canaries = shipped_canaries().canaries
        right_answers = [canary for canary in canaries if canary.is_right]
        for canary in (*right_answers[: QUESTIONS - 2], *canaries[:2]):
            verdicts += [(canary, outcome.grade(uncached, [canary.question])[0])]
    return JudgeCheck(
        judge.identity, endpoints, _replies(served, [verdict for _, verdict in verdicts]), tuple(verdicts)
    )


def check_endpoints(judge: Judge, timeout: float = 30.0) -> tuple[EndpointCheck, ...]:
    """Query every address of the served judges that a judge consists of, all at the same time.

    Args:
        judge: any judge; one without a server has no addresses.
        timeout: seconds for the model list of one address.
    """
    served = served_judges(judge)
    targets = {
        (url, one.model, one.api_key_env, one.revision, one.precision): one for one in served for url in _urls(one)
    }
    with ThreadPoolExecutor(max(1, len(targets))) as pool:
        checks = [pool.submit(_check_endpoint, url, one, timeout) for (url, *_), one in targets.items()]
        return tuple(one.result() for one in checks)


def _urls(judge: ServedJudge) -> list[str]:
    return [judge.base_url] if isinstance(judge.base_url, str) else list(judge.base_url)


def _replies(served: list[ServedJudge], verdicts: list[Verdict]) -> str:
    if not served:
        return "by rule, or by a judge without a server"
    constrained = "constrained" if all(judge.constrained for judge in served) else "not constrained"
    if len(served) > 1 or "choice" not in served[0].prompt.constraint:
        return constrained
    options = served[0].prompt.options
    exact = sum(verdict.reply in options for verdict in verdicts)
    return f"{constrained}; {exact} of {len(verdicts)} are exactly {' or '.join(options)}"


def _check_endpoint(url: str, judge: ServedJudge, timeout: float) -> EndpointCheck:
    address, model, key_name = Address(url), judge.model, judge.api_key_env
    headers = {"Authorization": address.authorization(os.environ.get(key_name) or "none")}
    start = time.perf_counter()
    try:
        request = urllib.request.Request(address.at("/models"), headers=headers)
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            listed = json.load(reply)
        entries = {str(entry["id"]): entry for entry in listed["data"]}
    except urllib.error.HTTPError as error:
        remedy = f"; set a valid key in the environment variable {key_name}" if error.code in (401, 403) else ""
        return EndpointCheck(address.shown, model, problem=f"GET /models returns status {error.code}{remedy}")
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        remedy = f"start it: python -m medix judge serve --model {model}"
        return EndpointCheck(address.shown, model, problem=f"cannot be reached ({reason}); {remedy}", is_down=True)
    except (ValueError, KeyError, TypeError):
        problem = "GET /models returns no list of models; check base_url (it ends in /v1)"
        return EndpointCheck(address.shown, model, problem=problem)
    seconds = time.perf_counter() - start
    models = tuple(entries)
    if model not in entries:
        problem = f"does not list the model {model!r} but {', '.join(models) or 'none'}; correct judge.model"
        return EndpointCheck(address.shown, model, models, seconds, problem)
    stated = statement_of(url, entries[model], headers["Authorization"], timeout)
    left_out = tuple(stated.left_out(judge))
    return EndpointCheck(address.shown, model, models, seconds, stated.against(judge), stated=stated, left_out=left_out)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"
