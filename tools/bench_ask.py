"""Time rewards that ask judge and encoder from every rank against those that ask once per node (``rewards.ask``).

    python -m tools.bench_ask --json FILE

Ranks are processes of this machine, one thread each. A judge server on the loopback answers every question after
50 ms; every rank has its own share of the groups of ``tools.bench_rewards`` and submits their completions one after the
other, as an engine does, before it closes the step. ``rank`` and ``node`` take turns. Reported are the seconds of the
slowest rank from the first completion to the scores, the questions that each rank has sent to the server, and how many
ranks have loaded the encoder. Both sides must give the same totals, otherwise the run fails.
"""

import argparse
import json
import multiprocessing
import socket
import statistics
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

import torch
from torch import distributed

from medix.distributed import gather
from medix.judge.served import ServedJudge
from medix.rewards import EmbeddingReward, FormatReward, JudgeReward, RewardSuite, Weighted
from medix.rewards.encoder import SentenceEncoder
from medix.types import Completion, FinishReason, JudgeQuestion, Prompt, RolloutGroup, Sample
from tools.bench_rewards import ENCODER, GROUP_SIZE, SHAPES, serving, workload

SIDES: tuple[Literal["rank", "node"], ...] = ("rank", "node")


class CountingJudge(ServedJudge):
    """Counts the questions that it sends."""

    asked = 0

    def submit(self, question: JudgeQuestion) -> Any:
        """Ask in the background."""
        self.asked += 1
        return super().submit(question)


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, default=2, help="default: 2")
    parser.add_argument("--groups", type=int, default=64, help="groups of 5 of each rank (default: 64)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds in which the sides take turns (default: 3)")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args(words)
    found = measure(arguments.ranks, arguments.groups, arguments.rounds)
    print(json.dumps(found, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


def measure(ranks: int, groups: int, rounds: int) -> dict[str, Any]:
    """The numbers of both sides.

    Raises:
        RuntimeError: the sides gave different totals.
    """
    context = multiprocessing.get_context("spawn")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with serving(0.05) as port:
        pipes = [context.Pipe() for _ in range(ranks)]
        processes = [
            context.Process(target=_rank, args=(address, ranks, rank, port, groups, rounds, pipe[1]), daemon=True)
            for rank, pipe in enumerate(pipes)
        ]
        for process in processes:
            process.start()
        for pipe in pipes:
            pipe[1].close()  # so that a rank that fails ends the reading
        parts = [pipe[0].recv() for pipe in pipes]
        for process in processes:
            process.join()
    for part in parts:
        if part["rank"]["totals"] != part["node"]["totals"]:
            raise RuntimeError("asked per rank and per node, the same completions had different totals")
    return {"ranks": ranks, "groups": groups, "rounds": rounds} | {side: _both(parts, side) for side in SIDES}


def _both(parts: Sequence[dict[str, Any]], side: str) -> dict[str, Any]:
    sides = [part[side] for part in parts]
    slowest = [max(seconds) for seconds in zip(*(one["seconds"] for one in sides), strict=True)]
    return {
        "seconds": round(statistics.median(slowest), 2),
        "questions": [one["questions"] for one in sides],
        "encoders": sum(one["has_encoder"] for one in sides),
    }


def _rank(address: str, ranks: int, rank: int, port: int, groups: int, rounds: int, out: Connection) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=address, world_size=ranks, rank=rank)
    work, found = _groups(rank, groups), {}
    suites = {}
    for side in SIDES:
        suites[side] = _suite(port, side)
        totals = _step(suites[side], work)[1]  # loads the encoder
        parts: Any = suites[side].components
        found[side] = {
            "totals": totals,
            "questions": parts["judge"].judge.asked,
            "has_encoder": parts["embedding"].encoder._loaded is not None,
            "seconds": [],
        }
    for _ in range(rounds):
        for side in SIDES:
            found[side]["seconds"].append(_step(suites[side], work)[0])
    out.send(found)
    distributed.destroy_process_group()


def _suite(port: int, side: Literal["rank", "node"]) -> RewardSuite:
    judge = CountingJudge(f"http://127.0.0.1:{port}/v1", "m")
    parts = {
        "format": Weighted(FormatReward(), 0.1),
        "judge": Weighted(JudgeReward(judge), 0.5),
        "embedding": Weighted(EmbeddingReward(SentenceEncoder(ENCODER, device="cpu")), 0.4),
    }
    return RewardSuite(parts, ask=side)


def _step(suite: RewardSuite, work: Sequence[RolloutGroup]) -> tuple[float, list[tuple[float, ...]]]:
    gather(None)
    start = time.perf_counter()
    scoring = suite.open()
    for group in work:
        for completion in group.completions:
            scoring.submit(group.prompt, completion)
    scored = scoring.close(work, gather)
    return time.perf_counter() - start, [group.totals for group in scored]


def _groups(rank: int, count: int) -> list[RolloutGroup]:
    work = workload(SHAPES, seed=rank + 1, groups=count)
    groups = []
    for start in range(0, len(work.completions), GROUP_SIZE):
        sample = Sample(f"{rank} {start}", work.questions[start], work.references[start], "X_RAY")
        texts = work.completions[start : start + GROUP_SIZE]
        completions = tuple(Completion(text, (1,), (0.0,), FinishReason.STOP) for text in texts)
        groups.append(RolloutGroup(Prompt(sample, (1,)), completions, 0))
    return groups


if __name__ == "__main__":
    raise SystemExit(main())
