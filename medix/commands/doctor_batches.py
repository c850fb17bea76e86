"""Whether sizes and strategy of a spec go together with its ranks."""

from collections.abc import Iterator

from medix.commands.doctor_check import Check, Finding
from medix.commands.doctor_subject import Subject


class BatchesCheck(Check):
    """Batch sizes over the ranks, and the strategy: what ``fit`` would refuse after it has started every process."""

    name = "batches"

    def look(self, subject: Subject) -> Iterator[Finding]:
        """Sizes, then the strategy."""
        plan = subject.plan
        try:
            sizes = subject.module.batching(ranks=plan.ranks)
        except ValueError as error:
            yield self.problem(str(error), f"the sizes are for {plan.ranks} ranks: trainer.devices x trainer.num_nodes")
        else:
            each = sizes.prompts_per_update // sizes.ranks
            text = (
                f"{sizes.prompts_per_step} prompts x {sizes.completions_per_prompt} completions a step, "
                f"{sizes.prompts_per_update} prompts an update, {each} on each of {sizes.ranks} ranks"
            )
            yield self.ok(text)
        if plan.fault:
            yield self.problem(plan.fault, "correct trainer.strategy")
        else:
            on = "GPUs" if plan.on_gpu else "CPU processes"
            how = {"single": "one process", "ddp": "whole weights on each", "sharded": "weights shared out"}[plan.kind]
            yield self.ok(f"trainer.strategy: {plan.ranks} {on}, {how}, precision {plan.precision}")
