"""A fit, its continuation, and its export."""

from collections.abc import Iterator
from functools import partial

import torch

from medix.export.checkpoint import export_checkpoint, trained
from medix.policy.vision_language import VisionLanguagePolicy
from tools.accelerator_check.demo import Demo, difference
from tools.accelerator_check.groups import groups
from tools.accelerator_check.part import Case, Numbers, Part
from tools.bench_step.workload import Shape


class Fit(Part):
    """The demo, straight and interrupted: on a CPU bit-equal; elsewhere the difference is stated."""

    def cases(self) -> Iterator[Case]:
        """Both precisions."""
        for precision in ("bf16-mixed", "32-true"):
            yield precision, partial(self._resumed, precision)

    def _resumed(self, precision: str) -> Numbers:
        demo = Demo(self.folder, self.device, self.tiny)
        words = ("--trainer.precision", precision)
        straight = demo.fit(f"{precision}-straight", 2 * demo.steps, *words)
        begun = demo.fit(f"{precision}-resumed", demo.steps, *words)
        resumed = demo.fit(f"{precision}-resumed", 2 * demo.steps, *words)
        found = difference(straight, resumed)
        if self.device == "cpu" and not found["bit_equal"]:
            raise RuntimeError(f"the continued run differs from the straight one by up to {found['largest']:.2g}")
        if not difference(begun, straight)["largest"]:
            raise RuntimeError("training moved no weight")
        return demo.result(f"{precision}-straight") | {f"resume_{name}": value for name, value in found.items()}


class Export(Part):
    """A trained checkpoint as a folder, which computes what the policy computed."""

    def cases(self) -> Iterator[Case]:
        """One case."""
        yield "export", self._export

    def _export(self) -> Numbers:
        demo = Demo(self.folder, self.device, self.tiny)
        demo.fit("run", 1)
        exported = self.folder / "exported"
        export_checkpoint(demo.checkpoint("run", 1), exported)
        with trained(demo.checkpoint("run", 1)) as found:
            before = self._logprobs(found.policy)
        policy = VisionLanguagePolicy(str(exported))
        policy.load()
        largest = float((self._logprobs(policy) - before).abs().max())
        if not largest <= 1e-4:
            raise RuntimeError(f"log-probabilities of the exported model differ by up to {largest:.2g}")
        return {"largest_difference": largest}

    def _logprobs(self, policy: VisionLanguagePolicy) -> torch.Tensor:
        policy.to(self.device)
        with torch.no_grad():
            return policy.logprobs(groups(policy, Shape("export", (2, 2), 12, 2, 6, 2)))
