"""Fits by the command line whose completions a served vLLM writes, and what kills them or it in the middle."""

import re
import subprocess
from pathlib import Path
from typing import Any

from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.serving.asking import Asking, Given, Limits
from medix.rollout.serving.channel import FolderChannel
from medix.rollout.serving.client import EngineAddress, connected, run_apart
from medix.rollout.serving.server import Server
from medix.rollout.vllm_sampling import VLLMSampling
from medix.types import Prompt, RolloutGroup
from tests.support.rollout_fits import GREEDY, STOP, after_step, greedy_tokens
from tests.support.rollout_vllm import address
from tests.support.runs import medix, merged, small_spec, write_spec
from tests.support.tiny import mixed_prompts
from tests.support.vllm_server import Served

_KILLERS = '''\
"""Kill once, when the first completion comes of what the server writes during a step, and leave a file that says so."""

import os
import signal
from pathlib import Path

from lightning.pytorch import Callback


class _KillOnce(Callback):
    """With rollouts_ahead: 1 the server writes for step 5 during step 4, else for step 4."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_fit_start(self, trainer, pl_module) -> None:
        engine = pl_module.engine
        rollout = engine.rollout

        def watched(prompts, on_completion=None, sampling=None):
            is_meant = sampling is None and pl_module.step + 1 == self.step  # validation has a sampling of its own

            def told(prompt, completion):
                if is_meant and not Path("killed").exists():
                    Path("killed").touch()
                    self.kill()
                on_completion(prompt, completion)

            return rollout(prompts, on_completion and told, sampling)

        engine.rollout = watched


class KillTrainer(_KillOnce):
    def kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class KillServer(_KillOnce):
    def __init__(self, step: int, group: int) -> None:
        super().__init__(step)
        self.group = group

    def kill(self) -> None:
        os.killpg(self.group, signal.SIGKILL)
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
            "update": {"truncated": "leave_out"},
            "max_steps": steps,
        }
        spec = small_spec(self.folder, self.policy, model=merged(changes, model))
        if killer is not None:
            (self.folder / "killers.py").write_text(_KILLERS)
            spec["trainer"]["callbacks"].append({"class_path": f"killers.{killer}", "init_args": killer_arguments})
        write_spec(self.folder, spec)

    def fit(self, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """``python -m medix fit``: the same command to begin and to go on."""
        words = ("fit", "--config", "spec.yaml")
        return medix(self.folder, *words, check=check, HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="")

    def assert_server_has_the_policy_of(self, step: int) -> None:
        """The server, which is given nothing here, writes the greedy tokens of the policy in the checkpoint."""
        policy = after_step(self.policy, self.run, step)
        prompts = mixed_prompts(policy)
        version, groups = run_apart(lambda: _written_now(address(self.server), policy, prompts))
        assert re.fullmatch(rf"medix-[0-9a-f]{{8}}-{step}", version), version
        assert [group.completions[0].token_ids for group in groups] == greedy_tokens(policy, prompts)


async def _written_now(url: str, policy: VisionLanguagePolicy, prompts: list[Prompt]) -> tuple[str, list[RolloutGroup]]:
    """What the server says that its weights are, and what it writes by them.

    An engine would give it weights first.
    """
    server = Server(EngineAddress(url), places=4)
    async with connected("MEDIX_ENGINE_KEY") as client:
        version = await server.version(client)
    given = Given(version, policy_version=0, parcel=None, causes=("",))
    limits = Limits(request_seconds=60, publish_seconds=60, patience=5, attempts=2)
    asking = Asking([server], FolderChannel(), given, VLLMSampling(policy, GREEDY), limits, "MEDIX_ENGINE_KEY")
    return version, await asking.groups(prompts)
