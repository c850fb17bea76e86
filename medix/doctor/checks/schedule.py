"""How long a step and a run take on the planned machines, and what the judge is asked."""

from collections.abc import Iterator
from dataclasses import replace

from medix.doctor.checks.base import Check
from medix.doctor.findings import Finding
from medix.doctor.measured_run import MeasuredRun
from medix.doctor.rank import Rank
from medix.doctor.step_time import Assumptions, StepTime
from medix.doctor.subject import Subject


class ScheduleCheck(Check):
    """States time and load, with the formula of each number; nothing of it is a problem.

    Args:
        assumed: what the spec does not say.
        measured: a run whose rates are taken; None computes all of them.
    """

    name = "schedule"

    def __init__(self, assumed: Assumptions, measured: MeasuredRun | None = None) -> None:
        self.assumed = assumed
        self.measured = measured

    def look(self, subject: Subject) -> Iterator[Finding]:
        """Seconds of a step, hours of the run, tokens a second; then the judge."""
        time = StepTime(Rank.of(subject), self.assumed, self.measured)
        seconds, steps, plan = time.seconds, subject.module.max_steps, subject.plan
        hours, rate = seconds * steps / 3600, time.tokens / seconds
        ranks = f"{plan.nodes} nodes x {plan.devices} = {plan.ranks} ranks"
        measured = [term.name for term in time.terms if term.basis == "measured"]
        source = f"{', '.join(measured)} measured, the rest assumed" if measured else "assumed, nothing measured"
        text = f"{ranks}: {seconds:,.0f} s a step, {rate:,.0f} trained tokens/s, {hours:,.1f} h for {steps} steps"
        beyond = ", reward is what they take beyond" if any(term.name == "reward" for term in time.terms) else ""
        sums = (
            f"a step: {seconds:,.1f} s, {time.how}; rewards and judge during sampling{beyond}",
            f"trained tokens/s: {time.tokens:,.0f} / {seconds:,.1f} s = {rate:,.0f}",
            f"hours: {steps} steps x {seconds:,.1f} s / 3600 = {hours:,.1f}, without validation and start",
        )
        lines = (*self._stated(time), *(term.line() for term in time.terms), *sums)
        yield replace(self.ok(f"{text} ({source})"), arithmetic=lines)
        if subject.judges:
            yield self._judge(time)

    def _judge(self, time: StepTime) -> Finding:
        sampling = time.terms[0].seconds
        load = time.questions / sampling
        text = (
            f"judge: about {time.questions:,.0f} questions a step, {load:,.1f} a second while completions are sampled"
        )
        basis = "assumed" if self.measured is None else "measured"
        line = (
            f"questions: {time.completions:,} completions / {time.with_signal:.3g} with signal ({basis}) = "
            f"{time.questions:,.0f}; / {sampling:,.1f} s of sampling = {load:,.1f} a second; fewer where answers of a "
            "group are equal, cached or decided by rule, more in steps with less signal; medix judge check measures "
            "what a judge answers"
        )
        return replace(self.ok(text), arithmetic=(line,))

    def _stated(self, time: StepTime) -> tuple[str, ...]:
        module = time.rank.module
        taken = {name for term in time.terms for name in term.assumes}
        values = "".join(f"{name} {value:g}, " for name, value in vars(self.assumed).items() if name in taken)
        whose = "" if self.measured is None or self.assumed.completion_tokens else " (of the run)"
        lines = [
            f"from the spec: {module.prompts_per_step} prompts x {module.engine.sampling.completions_per_prompt} "
            f"completions a step, {time.rank.plan.ranks} ranks",
            f"assumed (--assume NAME=NUMBER): {values}mean completion {time.completion_tokens:,.0f} tokens{whose}, "
            f"mean prompt {time.prompt_tokens:,.0f} tokens",
            "left out: attention over pairs of tokens, optimiser, rollout servers in a wider dtype than bfloat16, "
            "communication beyond what utilisation stands for",
        ]
        if self.measured is not None:
            run = self.measured
            servers = f", {run.servers} rollout servers" if run.servers else ""
            measured = f"measured: {run.steps} steps of {run.folder} on {run.ranks} ranks{servers}"
            lines[1:1] = [measured, *(f"damaged: {text}" for text in run.damage)]
        return tuple(lines)
