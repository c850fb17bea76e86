"""One kind of run that is killed again and again."""

import hashlib
import json
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psutil
import torch

from medix.policy.tiny import TinySize, build_tiny
from tests.support import rollout_servers, rollout_vllm, warm
from tests.support.runs import _command, small_spec, write_spec
from tools.soak.moment import Moment, moments

HANGS = 300.0
"""Seconds after which a run counts as hanging; the longest takes a twentieth of it."""
MARK = "MEDIX_SOAK"
"""Environment variable that names the folder of a run, also in all processes that it starts."""


@dataclass(frozen=True)
class Setting:
    """What is run: an engine (``local``, ``server``, ``vllm``) on a number of processes."""

    engine: str
    ranks: int

    def __str__(self) -> str:
        return f"{self.engine}, {self.ranks} process{'es' if self.ranks > 1 else ''}"

    @property
    def is_repeatable(self) -> bool:
        """Whether completions depend on nothing but weights, prompt and seed: vLLM's also on what it batches."""
        return self.engine != "vllm"


@dataclass
class Outcome:
    """What came of the kills of one setting.

    Attributes:
        kills: by phase and signal.
        runs: that reached their last step and were compared.
        seconds_straight: wall time of the run that nobody disturbed.
        seconds_lost: wall time of the others beyond it, in all.
        faults: everything that was not as it must be.
    """

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    seconds_straight: float = 0.0
    seconds_lost: float = 0.0
    faults: list[str] = field(default_factory=list)


class Trial:
    """Runs of one setting, each in a folder of its own below ``folder``."""

    def __init__(self, setting: Setting, folder: Path, steps: int, seed: int) -> None:
        self.setting = setting
        self.folder = folder
        self.steps = steps
        self.moments = moments(Random(seed), setting.ranks)
        self.due = next(self.moments)
        self.outcome = Outcome()

    def run(self, kills: int) -> Iterator[Moment]:
        """Kill ``kills`` times; yields each moment when it is over, and fills ``outcome``."""
        self.folder.mkdir(parents=True)
        # attention of vLLM on a CPU knows no smaller heads than of 32
        size = TinySize(width=64, vision_width=64) if self.setting.engine == "vllm" else TinySize()
        policy = build_tiny("qwen3_vl", self.folder / "policy", size)
        warm.run(_nothing, folder=self.folder, limit=HANGS)  # what is imported once belongs to no run
        with _server(self.setting.engine, policy) as url:
            began = time.perf_counter()
            straight = self._write("straight", policy, url)
            statuses, said = self._fit(straight)
            assert set(statuses) == {0}, f"{self.setting}: the run that nobody disturbed ended with {statuses}\n{said}"
            self.outcome.seconds_straight = time.perf_counter() - began
            while self.outcome.kills.total() < kills:
                name = f"killed-{self.outcome.runs}"
                yield from self._killed(self._write(name, policy, url), straight, kills)

    def _killed(self, folder: Path, straight: Path, kills: int) -> Iterator[Moment]:
        """One run, killed until it is complete."""
        began, is_whole = time.perf_counter(), True
        (folder / "durations.json").write_text((straight / "durations.json").read_text())
        while True:
            moment = self.due if self.outcome.kills.total() < kills else None
            if moment is not None:
                moment.write(folder / "moment.json")
            statuses, said = self._fit(folder)
            (folder / "moment.json").unlink(missing_ok=True)
            sent = list(folder.glob("sent-*"))
            for path in sent:
                path.unlink()
            if moment is None or not sent:
                if is_whole:  # a run from its first step does not come to such a moment
                    self.due = next(self.moments)
                break
            is_whole = False
            self._check_end(folder, moment, statuses, said)
            self.outcome.kills[f"{moment.phase} {moment.signal}"] += 1
            self.due = next(self.moments)
            yield moment
        self.outcome.runs += 1
        self.outcome.seconds_lost += time.perf_counter() - began - self.outcome.seconds_straight
        if set(statuses) != {0}:
            self._fault(folder, f"ended with {statuses} and no signal:\n{said[-2000:]}")
        else:
            self._compare(folder, straight)

    def _check_end(self, folder: Path, moment: Moment, statuses: list[int], said: str) -> None:
        """The end that a signal leads to, and that nothing of the run lives on."""
        # after the last step it may come when a process has ended its work, and has its handlers no more
        allowed = {143, 0, -15} if _last_checkpoint(folder, self.steps).exists() else {143}
        if moment.signal == "SIGTERM" and set(statuses) - allowed:
            self._fault(folder, f"{moment} ended with {statuses}, not 143:\n{said[-2000:]}")
        left = _processes_of(folder, patience=30.0)
        if left:
            self._fault(folder, f"{moment} left processes behind: {left}")

    def _compare(self, folder: Path, straight: Path) -> None:
        one, other = (_last(each, self.steps) for each in (straight, folder))
        if self.setting.is_repeatable:
            for name in ("state_dict", "optimizer_states", "medix"):
                if not _same(one[name], other[name]):
                    self._fault(folder, f"{name} of the last checkpoint differs from that of the undisturbed run")
        drawn = [_prompts(each, self.setting.ranks) for each in (straight, folder)]
        if drawn[0] != drawn[1]:
            self._fault(folder, "its recorded prompts differ from those of the undisturbed run")
        names = [_names(each, self.steps) for each in (straight, folder)]
        if names[0] != names[1]:
            self._fault(folder, f"files left or missing: {sorted(names[0] ^ names[1])}")
        if "Finished" not in (folder / "run" / "report.html").read_text():
            self._fault(folder, "its report does not say that it has finished")
        left = sorted(os.listdir(folder / "tmp"))
        if left:
            self._fault(folder, f"left in the temporary folder: {left}")

    def _fault(self, folder: Path, text: str) -> None:
        self.outcome.faults.append(f"{self.setting}, {folder.name}: {text}")

    def _write(self, name: str, policy: Path, url: str | None) -> Path:
        folder = self.folder / name
        (folder / "tmp").mkdir(parents=True)
        changes: dict[str, Any] = {
            "evaluation": {"completions_per_prompt": 1, "max_completion_tokens": 4},
            "update": {"prompts_per_update": 2},
            "max_steps": self.steps,
        }
        if url is not None:
            sampling = {"completions_per_prompt": 3, "max_completion_tokens": 6}
            arguments = {"sampling": sampling, "base_url": url, "request_seconds": 60, "patience": 30}
            changes["engine"] = {"class_path": "medix.rollout.ServedEngine", "init_args": arguments}
            changes["max_mismatch"] = 1000.0  # log-probabilities of the test server are invented
        spec = small_spec(folder, policy, model=changes, data={"limit_val": 3})
        spec["trainer"]["callbacks"] += [
            {"class_path": "medix.callbacks.JudgeValidation", "init_args": {"every_n_steps": 2, "judge": None}},
            {"class_path": "medix.callbacks.WriteReport", "init_args": {"table": False}},
            {
                "class_path": "tools.soak.end_at.EndAt",
                "init_args": {"moment": "moment.json", "durations": "durations.json"},
            },
        ]
        if self.setting.ranks > 1:
            spec["trainer"] |= {"devices": self.setting.ranks, "strategy": "ddp"}
        write_spec(folder, spec)
        return folder

    def _fit(self, folder: Path) -> tuple[list[int], str]:
        """``python -m medix fit`` on all ranks: how each ended, and what they said."""
        said = folder / "said.txt"
        said.write_text("")
        processes = []
        for environment in _environments(folder, self.setting.ranks):
            words = ("fit", "--config", "spec.yaml")
            processes.append(warm.start(_command, *words, folder=folder, stdout=said, stderr=said, **environment))
        end = time.monotonic() + HANGS
        for process in processes:
            process.join(max(0.0, end - time.monotonic()))
        if any(process.exitcode is None for process in processes):
            self._fault(folder, f"still runs after {HANGS:g} s:\n{said.read_text(errors='replace')[-2000:]}")
        for process in processes:
            process.kill()
            process.join()
        statuses = [128 if process.exitcode is None else process.exitcode for process in processes]
        return statuses, said.read_text(errors="replace")


def _environments(folder: Path, ranks: int) -> Iterator[dict[str, str]]:
    """As torchrun sets them."""
    common = {MARK: str(folder), "TMPDIR": str(folder / "tmp"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    if ranks == 1:
        yield common
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for rank in range(ranks):
        numbers = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks, "GROUP_RANK": 0}
        yield (
            common
            | {name: str(value) for name, value in numbers.items()}
            | {
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "TORCHELASTIC_RUN_ID": "soak",
            }
        )


@contextmanager
def _vllm(policy: Path) -> Iterator[str]:
    served = rollout_vllm.start(policy)
    try:
        yield rollout_vllm.address(served)
        assert served.process.poll() is None, "vLLM did not outlive its trainers"
    finally:
        served.stop()


@contextmanager
def _test_server() -> Iterator[str]:
    with rollout_servers.serving(_varied) as server:
        yield server.url


def _varied(request: rollout_servers.Request) -> None:
    """Completions that are a function of the prompt, the seed and their number, so that groups have spread."""
    asked = request.body["sampling_params"]
    request.begin_stream()
    for number in range(asked["n"]):
        key = repr((request.body["token_ids"], asked.get("seed"), number))
        tokens = [40 + byte % 60 for byte in hashlib.sha256(key.encode()).digest()[: asked["max_tokens"]]]
        first = {"prompt_token_ids": request.body["token_ids"]} if number == 0 else {}
        versions = [{"version": request.server.version, "start": 0, "end": 1}]
        request.event(rollout_servers.chunk(number, tokens, "length", weight_versions=versions) | first)
    request.event("[DONE]")


def _server(engine: str, policy: Path) -> AbstractContextManager[str | None]:
    if engine == "vllm":
        return _vllm(policy)
    return _test_server() if engine == "server" else nullcontext()


def _last(folder: Path, steps: int) -> dict[str, Any]:
    saved: dict[str, Any] = torch.load(_last_checkpoint(folder, steps), weights_only=True)
    return saved


def _last_checkpoint(folder: Path, steps: int) -> Path:
    return folder / "run" / "checkpoints" / f"step-{steps:06d}.ckpt"


def _prompts(folder: Path, ranks: int) -> list[list[tuple[int, str, str]]]:
    """Step, data set and id of every recorded row, in order, for each rank."""
    files = [folder / "run" / "completions" / f"train.rank{rank}.jsonl" for rank in range(ranks)]
    lines = [[json.loads(line) for line in path.read_text().splitlines()] for path in files]
    return [[(line["step"], line.get("dataset", ""), line["id"]) for line in rank] for rank in lines]


def _names(folder: Path, steps: int) -> set[str]:
    """Files of a run, without the logs, of which every start has its own, and checkpoints of steps before the last."""
    run = folder / "run"
    names = {path.relative_to(run).as_posix() for path in run.rglob("*")}
    earlier = {f"checkpoints/step-{step:06d}.ckpt" for step in range(steps)}
    return {name for name in names - earlier if not name.startswith("logs/")}


def _nothing() -> int:
    return 0


def _processes_of(folder: Path, patience: float) -> list[str]:
    """Command lines of the processes of a run that still live after so many seconds."""
    end = time.monotonic() + patience
    while (left := list(_living(folder))) and time.monotonic() < end:
        time.sleep(0.1)
    return left


def _living(folder: Path) -> Iterator[str]:
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                yield " ".join(process.cmdline())
        except psutil.Error:
            continue


def _same(one: Any, other: Any) -> bool:
    """Equal, tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
