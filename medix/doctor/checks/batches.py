"""Whether batch sizes and strategy of a spec fit the number of ranks, and whether its precision is supported."""

from collections.abc import Iterator

import torch

from medix.doctor.checks.base import Check
from medix.doctor.findings import Finding
from medix.doctor.plan import Plan
from medix.doctor.subject import Subject
from medix.modules.zero_strategy import check_optimizer


class BatchesCheck(Check):
    """Batch sizes, precision and strategy: what ``fit`` rejects, some of it after it has started all processes."""

    name = "batches"

    def look(self, subject: Subject) -> Iterator[Finding]:
        """Batch sizes, then the precision and the strategy."""
        plan = subject.plan
        try:
            sizes = subject.module.batching(ranks=plan.ranks)
        except ValueError as error:
            remedy = (
                f"fit it to {plan.ranks} ranks (trainer.devices x trainer.num_nodes), or change the number of ranks"
            )
            yield self.problem(str(error), remedy)
        else:
            per_rank = sizes.prompts_per_update // sizes.ranks
            text = (
                f"{sizes.prompts_per_step} prompts x {sizes.completions_per_prompt} completions per step, "
                f"{sizes.prompts_per_update} prompts per update, {per_rank} per rank on {_count(sizes.ranks, 'rank')}"
            )
            yield self.ok(text)
        if plan.precision_fault:
            found, _, remedy = plan.precision_fault.partition(". Set ")
            yield self.problem(found, f"set {remedy}")
        if plan.fault:
            yield self.problem(plan.fault, "correct trainer.strategy")
        else:
            ranks = _count(plan.ranks, "GPU" if plan.on_gpu else "CPU rank")
            yield self.ok(f"trainer.strategy: {ranks}, {_how(plan)}, precision {plan.precision}")
            if plan.offloads_optimizer or plan.offloads_parameters:
                text = "trainer.strategy: offloading to main memory was tested on a CPU alone, where it moves nothing"
                yield self.warning(text, "try a step on this machine first")
            yield from self._optimizer(subject)

    def _optimizer(self, subject: Subject) -> Iterator[Finding]:
        if subject.plan.zero is None:
            return
        try:
            check_optimizer(subject.module.optimizer, torch.device("cpu"))
        except ValueError as error:
            found, _, remedy = str(error).partition("; ")
            yield self.problem(found, remedy)


def _how(plan: Plan) -> str:
    """Where weights, gradients and optimizer state lie."""
    if plan.zero is None:
        return {"single": "no data parallelism", "ddp": "weights replicated", "sharded": "weights sharded"}[plan.kind]
    divided = ("optimizer state", "gradients", "weights")[: plan.zero.stage]
    kept = "".join(
        f", {name} in main memory"
        for name, is_kept in (
            ("optimizer state", plan.zero.offloads_optimizer),
            ("parts of weights", plan.zero.offloads_parameters),
        )
        if is_kept
    )
    return f"{', '.join(divided)} divided (ZeRO-{plan.zero.stage}){kept}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
