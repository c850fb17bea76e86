"""Fits by the command line whose completions a served vLLM writes, and what kills them or it in the middle."""

import re
from pathlib import Path
from typing import Any

from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.serving.channel import FolderChannel, PublishedWeights
from medix.rollout.serving.dispatcher import Dispatcher, Limits
from medix.rollout.serving.server import Server
from medix.rollout.vllm_sampling import VLLMSampling
from medix.serving.session import Session
from medix.types import Prompt, RolloutGroup
from tests.support.clients import run
from tests.support.inside import Outcome, working_in
from tests.support.rollout_fits import GREEDY, STOP, after_step, greedy_tokens, largest_difference
from tests.support.rollout_vllm import address
from tests.support.runs import medix, merged, small_spec, write_spec
from tests.support.tiny import loaded, mixed_prompts
from tests.support.vllm_server import Served

_WORDS = ("fit", "--config", "spec.yaml")

_KILLERS = '''\
"""Kill once in the middle of what is sampled during a step, and leave a file that says so."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from threading import Timer

from lightning.pytorch import Callback

from medix.rollout.serving.dispatcher import Dispatcher


class _KillOnce(Callback):
    """With rollouts_ahead: 1 the server writes for step 5 during step 4, else for step 4."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_fit_start(self, trainer, pl_module) -> None:
        engine = pl_module.engine
        rollout = engine.rollout

        def watched(prompts, on_completion=None, sampling=None):
            is_training = sampling is None  # validation has a sampling of its own
            if is_training and pl_module.step + 1 == self.step and not Path("killed").exists():
                return self.killed(rollout, engine.sampling, prompts, on_completion)
            return rollout(prompts, on_completion, sampling)

        engine.rollout = watched

    def kill(self, kill, number) -> None:
        Path("killed").touch()
        kill(number, signal.SIGKILL)


class KillTrainer(_KillOnce):
    """Itself, when the first completion comes."""

    def killed(self, rollout, sampling, prompts, on_completion):
        def told(prompt, completion):
            self.kill(os.kill, os.getpid())

        return rollout(prompts, told)


class KillServer(_KillOnce):
    """The server, as soon as it has been asked for completions of up to 800 tokens."""

    def __init__(self, step: int, group: int) -> None:
        super().__init__(step)
        self.group = group

    def killed(self, rollout, sampling, prompts, on_completion):
        ask, timers = Dispatcher._ask, []

        async def watched(dispatcher, *arguments):
            if not timers:  # the server has its weights by now; a fast one writes short completions in 50 ms
                timers.append(Timer(0.01, self.kill, [os.killpg, self.group]))
                timers[0].start()
            return await ask(dispatcher, *arguments)

        Dispatcher._ask = watched
        try:
            return rollout(prompts, on_completion, replace(sampling, max_completion_tokens=800, stop=()))
        finally:
            Dispatcher._ask = ask
'''


class ServedFit:
    """A fit in a folder of its own.

    Args:
        folder: where spec, modules and run lie; a file ``killed`` in it tells when something was killed.
        policy: the folder of the policy that is trained.
        server: writes the completions.
    """

    def __init__(self, folder: Path, policy: Path, server: Served) -> None:
        self.folder = folder
        self.policy = policy
        self.server = server

    @property
    def run(self) -> Path:
        """Where the run writes."""
        return self.folder / "run"

    def write(self, steps: int, model: dict[str, Any], killer: str | None = None, **killer_arguments: int) -> None:
        """The spec: completions end with a stop text, those that the limit cuts leave the loss, DAPO.

        Args:
            steps: to train, each of one rollout.
            model: changes to the model.
            killer: ``KillTrainer`` or ``KillServer``.
            killer_arguments: ``step``, and the ``group`` of the server's processes.
        """
        arguments = {
            "sampling": {"completions_per_prompt": 4, "max_completion_tokens": 12, "stop": [STOP]},
            "base_url": address(self.server), "request_seconds": 60, "patience": 5,
        }  # fmt: skip
        changes = {
            "engine": {"class_path": "medix.rollout.ServedEngine", "init_args": arguments},
            "group_filter": {"class_path": "medix.rollout.KeepScored"},
            "update": {"truncated": "leave_out", "prompts_per_update": 4},  # of two, none might have ended
            "optimizer": {"init_args": {"lr": 0.0005}},
            "max_steps": steps,
        }
        spec = small_spec(self.folder, self.policy, model=merged(changes, model))
        if killer is not None:
            (self.folder / "killers.py").write_text(_KILLERS)
            spec["trainer"]["callbacks"].append({"class_path": f"killers.{killer}", "init_args": killer_arguments})
        write_spec(self.folder, spec)

    def fit(self, is_apart: bool = False) -> Outcome:
        """``python -m medix fit``: the same command to begin and to go on.

        Args:
            is_apart: in a process of its own, which takes half a minute longer on a busy machine and can be killed.
        """
        if is_apart:
            environment = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
            ended = medix(self.folder, *_WORDS, check=False, **environment)
            return Outcome(ended.returncode, ended.stdout, ended.stderr)
        with working_in(self.folder) as run:
            return run(*_WORDS)

    def assert_server_has_the_policy_of(self, step: int) -> None:
        """The server, which is given nothing here, writes the greedy tokens of the policy in the checkpoint.

        Their log-probabilities are those of that policy, and not those of the one that the run began with.
        """
        policy = after_step(self.policy, self.run, step)
        prompts = mixed_prompts(policy)
        version, groups = run(address(self.server), lambda session: _written_now(session, policy, prompts))
        assert re.fullmatch(rf"medix-[0-9a-f]{{8}}-{step}", version), version
        assert [group.completions[0].token_ids for group in groups] == greedy_tokens(policy, prompts)
        assert largest_difference(policy, groups, 1.0) < 1e-4
        assert largest_difference(loaded(self.policy), groups, 1.0) > 1e-2


async def _written_now(
    session: Session, policy: VisionLanguagePolicy, prompts: list[Prompt]
) -> tuple[str, list[RolloutGroup]]:
    """The version of the weights that the server reports, and what it writes with them.

    An engine would give it weights first.
    """
    version = await Server(session, session.pool.endpoints[0].address).version()
    limits = Limits(request_seconds=120, publish_seconds=120, attempts=2)
    published = PublishedWeights(version, manifest=None, causes=("",))
    dispatcher = Dispatcher(FolderChannel(), published, 0, VLLMSampling(policy, GREEDY), limits)
    return version, await dispatcher.groups(session, prompts)
