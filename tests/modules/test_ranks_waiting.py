"""What some ranks lack or wait for: the others go on without it and count it, or all end with the cause.

The rows of the table in ``medix.modules.time_limits`` that take more than one process. Prompts are dealt to the ranks
by their number, so a selector gives odd ranks others than even ones.
"""

import csv
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from medix.data.build import write_shards
from medix.data.manifest import DataStatement
from medix.policy.tiny import build_tiny
from medix.types import Sample
from tests.support import judges, rollout_servers
from tests.support.fault_server import Act, refuses
from tests.support.rank_fits import SHARDED
from tests.support.ranks import Said, run_on_ranks
from tests.support.runs import MANIFESTS, small_spec, write_spec

MODULE = '''\
"""What odd ranks lack."""

import hashlib
import os
import time
from datetime import timedelta
from pathlib import Path

import torch
from lightning.pytorch import Callback
from torch import distributed

from medix.data.selectors.selector import EpochSelector
from medix.rewards import ComponentScores, RewardComponent
from medix.types import Status

IS_ODD = int(os.environ.get("RANK", 0)) % 2 == 1
os.environ["WHO_ASKS"] = "odd" if IS_ODD else "even"  # sent as the key, by which a server knows


class OtherPromptsForOddRanks(EpochSelector):
    """The last manifest is theirs alone."""

    def locate(self, index):
        shards = self.stream.shards.shards
        odd = [number for number, shard in enumerate(shards) if shard.manifest is shards[-1].manifest]
        shard = odd[0] if index % 2 else 0
        return type(super().locate(index))(shard, index // 2 % self.stream.order.counts[shard])


class Spread(RewardComponent):
    """Totals without ties."""

    def score(self, batch):
        digests = [hashlib.sha256(text.encode()).hexdigest() for text in batch.completions]
        return ComponentScores.of([int(digest[:6], 16) / 2**24 for digest in digests])


class FlatOnOddRanks(Spread):
    def score(self, batch):
        return ComponentScores.of([0.5] * len(batch.completions)) if IS_ODD else super().score(batch)


class UnscoredOnOddRanks(Spread):
    def score(self, batch):
        if not IS_ODD:
            return super().score(batch)
        rows = len(batch.completions)
        unscored = torch.full((rows,), float("nan"), dtype=torch.float64)
        return ComponentScores(unscored, (Status.UNSCORED,) * rows, ("nobody judged it",) * rows)


class BrokenOnRank3(Spread):
    def score(self, batch):
        if os.environ.get("RANK") == "3":
            raise ValueError("this reward is broken")
        return super().score(batch)


class HangsOnRank1(Callback):
    """In the first update, until rank 0 has ended; the others wait 3 s for it instead of half an hour."""

    def on_phase_start(self, trainer, module, name):
        folder = Path(trainer.default_root_dir)
        if folder.name != "hangs" or name != "update":
            return
        if trainer.global_rank == 1:
            while (other := int((folder / "rank0").read_text())) and Path(f"/proc/{other}").exists():
                time.sleep(0.05)
            os._exit(0)
        distributed.distributed_c10d._set_pg_timeout(timedelta(seconds=3))

    def on_fit_start(self, trainer, module):
        if trainer.global_rank == 1 and Path(trainer.default_root_dir).name == "no-room":
            module.engine.rollout = self.without_room

    def without_room(self, prompts, **options):
        raise RuntimeError("there is no room for the prompts of this rank")

    def on_train_start(self, trainer, module):
        if trainer.global_rank == 0:
            (Path(trainer.default_root_dir) / "rank0").write_text(str(os.getpid()))
'''

TEXTS = [Sample(f"t{i}", f"What is {i} and {i * i}?", str(i), None) for i in range(16)]
LONG = [Sample(f"l{i}", "Is it? " * 400, str(i), None) for i in range(16)]


def spec(folder: Path, name: str, reward: str = "odd_ranks.Spread", odd: str = "", **model: Any) -> str:
    """8 prompts a rollout, 4 groups a step; odd ranks have their prompts from the folder ``odd``, if it is given."""
    sizes = {"prompts_per_rollout": 8, "prompts_per_step": 4, "update": {"prompts_per_update": 4}}
    made = small_spec(folder, folder / "policy", model={**sizes, "prompting": {"max_prompt_tokens": 1000}, **model})
    made["trainer"]["callbacks"] += [
        {"class_path": name} for name in ("odd_ranks.HangsOnRank1", "medix.callbacks.WatchSignal")
    ]
    component = {"reward": {"class_path": reward}, "weight": 1.0}
    if reward.endswith("JudgeReward"):
        component["reward"]["init_args"] = {"answer_rule": {"class_path": "medix.rewards.PublishedAnswer"}}
    made["model"]["rewards"] = {"components": {"one": component}, "max_unscored": 0.6}
    made["data"]["train"] = [str(MANIFESTS / "tiny_train-ct_scan.yaml")]
    if odd:
        made["data"]["train"].append(str(folder / odd))
        made["data"] |= {"selector": {"class_path": "odd_ranks.OtherPromptsForOddRanks"}, "on_long": "skip"}
    return str(write_spec(folder, made, f"{name}.yaml"))


def fit(file: str, run: str, *words: str) -> list[str]:
    return ["fit", "--config", file, "--trainer.default_root_dir", run, *words]


def replicated(ranks: int) -> tuple[str, ...]:
    return ("--trainer.strategy", "ddp", "--trainer.devices", str(ranks))


def sharded(ranks: int) -> tuple[str, ...]:
    return tuple(str(ranks) if word == "2" else word for word in SHARDED)


def only_even(act: Act, otherwise: Act) -> Act:
    """What a server does for even ranks, and for odd ones."""
    return lambda request: (act if request.headers["Authorization"] == "Bearer even" else otherwise)(request)


def decides(request: Any) -> None:
    """YES to about half of the answers."""
    text = request.body["messages"][-1]["content"]
    judges.says("YES" if sum(map(ord, str(text))) % 2 else "NO")(request)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("waiting")
    build_tiny("qwen3_vl", folder / "policy")
    (folder / "odd_ranks.py").write_text(MODULE)
    for name, samples in (("texts", TEXTS), ("long", LONG)):
        write_shards(samples, folder / name, DataStatement(name, "CC0-1.0", "no persons"))
    return folder


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Callable[[int], list[list[str]]]]:
    """Makes fits on some ranks, for the odd ones of which a judge, then an engine, has no answer."""
    refusal = refuses(503, "not for you")
    with ExitStack() as stack:
        judge = stack.enter_context(judges.serving(only_even(decides, refusal)))
        writer = stack.enter_context(rollout_servers.serving(only_even(rollout_servers.completes, refusal)))
        asks = {"model": "m", "api_key_env": "WHO_ASKS", "retries": 1, "backoff": 0.01, "timeout": 20}
        words = ["--judge=medix.judge.ServedJudge"]
        words += [f"--judge.{key}={value}" for key, value in (asks | {"base_url": judge.url}).items()]
        sampling = {"completions_per_prompt": 3, "max_completion_tokens": 6}
        arguments = {"sampling": sampling, "base_url": writer.url, "api_key_env": "WHO_ASKS", "patience": 1}
        engine = {"class_path": "medix.rollout.ServedEngine", "init_args": arguments}
        files = spec(folder, "judge", "medix.rewards.JudgeReward"), spec(folder, "engine", engine=engine)
        yield lambda ranks: [
            fit(files[0], f"judge-{ranks}", *replicated(ranks), *words),
            fit(files[1], f"engine-{ranks}", *replicated(ranks)),
        ]


@pytest.fixture(scope="module")
def two(folder: Path, served: Callable[[int], list[list[str]]]) -> Said:
    long, no_room = spec(folder, "long", odd="long"), spec(folder, "no-room")
    # The last one ends the process group.
    commands = [fit(long, "long-2", *sharded(2)), *served(2), fit(no_room, "no-room", *sharded(2))]
    return run_on_ranks(folder, commands, 2)


@pytest.fixture(scope="module")
def four(folder: Path, served: Callable[[int], list[list[str]]]) -> Said:
    closes = {"prompts_per_step": 8, "update": {"prompts_per_update": 8}, "close_after_rollouts": 1}
    commands = [
        fit(spec(folder, "flat", "odd_ranks.FlatOnOddRanks"), "flat", *replicated(4)),
        fit(spec(folder, "unscored", "odd_ranks.UnscoredOnOddRanks"), "unscored", *replicated(4)),
        fit(spec(folder, "closes", "odd_ranks.FlatOnOddRanks", **closes), "closes", *replicated(4)),
        fit(spec(folder, "texts", odd="texts"), "texts", *sharded(4)),
        fit(spec(folder, "long", odd="long"), "long", *sharded(4)),
        fit(spec(folder, "broken", "odd_ranks.BrokenOnRank3"), "broken", *sharded(4)),
        *served(4),
        fit(spec(folder, "hangs"), "hangs", *replicated(4)),  # the last one: it ends the process group
    ]
    return run_on_ranks(folder, commands, 4)


def logged(run: Path) -> dict[int, dict[str, float]]:
    """Numbers of each step, of all callbacks."""
    found: dict[int, dict[str, float]] = {}
    with (run / "logs" / "version_0" / "metrics.csv").open() as file:
        for row in csv.DictReader(file):
            found.setdefault(int(row["step"]), {}).update({key: float(value) for key, value in row.items() if value})
    return found


def part(said: Said, number: int) -> str:
    """What the ranks said of a command."""
    return said.output.split("STATUS")[number]


@pytest.fixture(scope="module")
def said(two: Said, four: Said) -> dict[int, Said]:
    return {2: two, 4: four}


@pytest.mark.parametrize(("ranks", "number"), [(2, 1), (4, 6)])
def test_a_judge_that_does_not_answer_some_ranks_leaves_their_completions_unscored(
    folder: Path, said: dict[int, Said], ranks: int, number: int
) -> None:
    """All but those that have no answer."""
    assert said[ranks].status[number] == 0, said[ranks].output
    steps = logged(folder / f"judge-{ranks}")
    assert sorted(steps) == [1, 2]
    for numbers in steps.values():
        assert 0.3 < numbers["reward/total/unscored"] <= 0.5
        assert numbers["train/grad_norm"] > 0


@pytest.mark.parametrize(("ranks", "number"), [(2, 2), (4, 7)])
def test_an_engine_that_does_not_answer_some_ranks_ends_all_with_their_prompts_and_cause(
    said: dict[int, Said], ranks: int, number: int
) -> None:
    assert said[ranks].status[number] == 1
    prompts = 8 // ranks
    cause = f"RolloutError: no completions for {prompts} of {prompts} prompts, of the samples 'phantom-"
    assert f"rank 1 stopped, and all others with it: {cause}" in said[ranks].output
    last = [line for line in said[ranks].output.splitlines() if line.startswith("medix: error: ")]
    assert sum("status 503: not for you" in line for line in last) == ranks


def test_a_rank_all_of_whose_prompts_are_too_long_trains_its_share_of_the_others(folder: Path, two: Said) -> None:
    assert two.status[0] == 0, two.output
    for numbers in logged(folder / "long-2").values():
        assert (numbers["train/prompts_too_long"], numbers["train/completions"]) == (4, 12)


@pytest.mark.parametrize("run", ["flat", "unscored", "closes", "texts", "long"])
def test_four_ranks_train_on_what_even_ones_have(folder: Path, four: Said, run: str) -> None:
    number = ["flat", "unscored", "closes", "texts", "long"].index(run)
    assert four.status[number] == 0, part(four, number)
    steps = logged(folder / run)
    expected = {
        "flat": {"signal/without": 0.5, "reward/total/unscored": 0.0, "train/completions": 24},
        "unscored": {"signal/without": 0.5, "reward/total/unscored": 0.5, "train/completions": 24},
        "closes": {"signal/without": 0.5, "train/groups": 4, "train/rollouts": 1, "train/completions": 24},
        "texts": {"signal/without": 0.0, "train/prompts_too_long": 0, "train/completions": 24},
        "long": {"signal/without": 0.0, "train/prompts_too_long": 4, "train/completions": 12},
    }[run]
    assert sorted(steps) == [1, 2]
    for numbers in steps.values():
        assert {name: numbers[name] for name in expected} == expected
        assert numbers["train/grad_norm"] > 0


def test_what_is_left_out_is_told_once(four: Said) -> None:
    assert part(four, 4).count("It is left out, as later ones (data.on_long: skip)") == 1


def test_an_error_of_one_of_four_ranks_is_the_last_message_of_all(four: Said) -> None:
    assert four.status[5] == 1
    cause = "ValueError: this reward is broken"
    assert four.output.count(f"medix: error: rank 3 stopped, and all others with it: {cause}\n") == 3
    assert f"\n{cause}\n" in four.output  # the end of the traceback of rank 3


def test_an_error_in_a_rollout_for_which_the_ranks_gather_weights_is_the_last_message_of_both(two: Said) -> None:
    """Rank 0 waits for weights of rank 1 meanwhile."""
    assert two.status[3] == 1
    cause = "RuntimeError: there is no room for the prompts of this rank"
    assert f"medix: error: rank 1 stopped, and all others with it: {cause}\n" in two.output, two.output[-6000:]
    assert two.ended == {0: 0, 1: 0}


def test_a_rank_that_hangs_ends_the_others_with_its_number(four: Said) -> None:
    assert four.status[8] == 1
    said = four.output
    assert said.count("medix: error: rank 1 took longer") == 3, said
    assert "rank 1 took longer than the time limit of the ranks and left no error (Timed out waiting 3000ms" in said
