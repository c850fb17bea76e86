"""How long a step and a run take, and what they ask of the judge: from operations and bytes, or from a measured run."""

import math
from dataclasses import dataclass, field, fields, replace

from medix.doctor.measured_run import MeasuredRun, servers_in
from medix.doctor.model_size import Layer
from medix.doctor.rank import Rank
from medix.modules.rollouts import RolloutsAhead


@dataclass(frozen=True)
class Assumptions:
    """What no spec says. The defaults are assumed, not measured: peak rates of one H100 SXM, and shares of these.

    Attributes:
        tflops: of one GPU of training, at most, in the precision of the computation.
        utilisation: share of it that passes of the policy reach.
        terabytes_per_second: that one GPU of sampling reads from its memory, at most.
        sampling_utilisation: share of it that decoding reaches.
        gpus_per_server: of a rollout server.
        sequences: that one server decodes at the same time, at most.
        completion_tokens: mean length of a completion; 0 takes that of the measured run, else half of the limit.
        prompt_tokens: mean length of a prompt, image tokens included; 0 takes half of the limit.
        with_signal: share of the groups whose totals have a spread; the others are sampled and judged for nothing. That
            of the measured run comes before it.
        gigabytes_per_second: at which weights are published.
        scaling: share of the rate of a measured run that is left on another number of ranks.
    """

    tflops: float = 989.0
    utilisation: float = 0.3
    terabytes_per_second: float = 3.35
    sampling_utilisation: float = 0.3
    gpus_per_server: float = 1.0
    sequences: float = 256.0
    completion_tokens: float = 0.0
    prompt_tokens: float = 0.0
    with_signal: float = 0.7
    gigabytes_per_second: float = 5.0
    scaling: float = 0.9

    def __post_init__(self) -> None:
        for one in fields(self):
            value, shares = getattr(self, one.name), ("utilisation", "sampling_utilisation", "with_signal", "scaling")
            if value < 0 or (value == 0 and not one.name.endswith("_tokens")) or (one.name in shares and value > 1):
                kind = "a share above 0, at most 1" if one.name in shares else "a positive number"
                raise ValueError(f"--assume {one.name}={value:g}: must be {kind}")

    @classmethod
    def of(cls, pairs: list[str]) -> "Assumptions":
        """Defaults with changes.

        Args:
            pairs: ``NAME=NUMBER``.

        Raises:
            ValueError: no such name, or no number.
        """
        known = [one.name for one in fields(cls)]
        found = {}
        for pair in pairs:
            name, _, text = pair.partition("=")
            try:
                found[name] = float(text)
            except ValueError:
                name = ""
            if name not in known:
                raise ValueError(f"--assume {pair}: expected NAME=NUMBER with one of {', '.join(known)}")
        return cls(**found)


@dataclass(frozen=True)
class Term:
    """One part of a step.

    Attributes:
        name: of the phase.
        seconds: that it takes.
        formula: how they were computed, with the numbers.
        divided_by: what shares the work: ``ranks``, ``servers``, or nothing where it is empty.
        count: of these.
        assumes: names of the ``Assumptions`` that the formula takes.
        basis: ``measured`` or ``assumed``: where its rate comes from.
    """

    name: str
    seconds: float
    formula: str
    divided_by: str = ""
    count: int = 1
    assumes: tuple[str, ...] = ()
    basis: str = "assumed"

    def line(self) -> str:
        """One line of arithmetic."""
        return f"{self.name} ({self.basis} rate): {self.formula} = {self.seconds:,.1f} s"


@dataclass(frozen=True)
class StepTime:
    """The terms of a step of one spec on one cluster.

    Attributes:
        rank: sizes, ranks and batch sizes.
        assumed: what the spec does not say.
        measured: a run whose rates replace assumed ones; None without.
    """

    rank: Rank
    assumed: Assumptions = field(default_factory=Assumptions)
    measured: MeasuredRun | None = None

    @property
    def completion_tokens(self) -> float:
        """Mean length of a completion."""
        limit = self.rank.completion_tokens
        known = limit / 2 if self.measured is None else min(self.measured.completion_tokens, limit)
        return self.assumed.completion_tokens or known

    @property
    def with_signal(self) -> float:
        """Share of the groups whose totals have a spread."""
        return self.assumed.with_signal if self.measured is None else self.measured.with_signal

    @property
    def prompt_tokens(self) -> float:
        """Mean length of a prompt."""
        return self.assumed.prompt_tokens or self.rank.prompt_tokens / 2

    @property
    def completions(self) -> int:
        """That a step trains."""
        module = self.rank.module
        return int(module.prompts_per_step * module.engine.sampling.completions_per_prompt)

    @property
    def tokens(self) -> float:
        """Completion tokens that a step trains."""
        return self.completions * self.completion_tokens

    @property
    def terms(self) -> list[Term]:
        """All phases of a step, one after the other."""
        computed = [self._sampling(), *self._passes(), self._publish()]
        if self.measured is None:
            return computed
        # what scores and verdicts take beyond sampling is known from a run alone
        sampling, *training = [self._as_measured(term) for term in computed]
        reward = self._as_measured(Term("reward", 0.0, ""))
        return [sampling, *([reward] if reward.basis == "measured" else []), *training]

    @property
    def seconds(self) -> float:
        """Of a step; sampling ahead hides the shorter of sampling and training."""
        sampling, *training = (term.seconds for term in self.terms)
        return max(sampling, sum(training)) if self._is_ahead else sampling + sum(training)

    @property
    def how(self) -> str:
        """How the seconds of a step follow from its terms."""
        sampling, *training = (term.name for term in self.terms)
        if self._is_ahead:
            return f"the longer of {sampling} and {' + '.join(training)} (rollouts_ahead: 1)"
        return " + ".join([sampling, *training])

    @property
    def _is_ahead(self) -> bool:
        return isinstance(self.rank.module.rollouts, RolloutsAhead)

    @property
    def questions(self) -> float:
        """That the judge is asked in a step if it is asked one about each completion that is sampled."""
        return self.completions / self.with_signal

    def _sampling(self) -> Term:
        rank, assumed, model = self.rank, self.assumed, self.rank.model
        served = servers_in(getattr(rank.module.engine, "base_url", None))
        servers = served or rank.plan.ranks
        sampled = self.completions / self.with_signal
        cache = 4 * model.text.count * model.text.key_width * (self.prompt_tokens + self.completion_tokens / 2)
        at_once = min(assumed.sequences, sampled / servers, self._held(2 * model.parameters, cache))
        read = 2 * model.parameters + at_once * cache
        passes = sampled * self.completion_tokens / (servers * at_once)
        rate = assumed.gpus_per_server * assumed.terabytes_per_second * 1e12 * assumed.sampling_utilisation
        formula = (
            f"{sampled:,.0f} completions x {self.completion_tokens:,.0f} tokens / ({servers} servers x {at_once:,.0f} "
            f"at once) x ({2 * model.parameters / 1e9:,.1f} GB of weights + {at_once * cache / 1e9:,.1f} GB of keys "
            f"and values) / ({assumed.gpus_per_server:g} GPU x {assumed.terabytes_per_second:g} TB/s x "
            f"{assumed.sampling_utilisation:g})"
        )
        names: tuple[str, ...] = ("gpus_per_server", "terabytes_per_second", "sampling_utilisation", "sequences")
        names += ("with_signal",) if self.measured is None else ()
        return Term("rollout", passes * read / rate, formula, "servers" if served else "ranks", servers, names)

    def _held(self, weights: float, cache: float) -> float:
        """Sequences whose keys and values fit the memory that weights leave; vLLM takes nine tenths of a GPU's."""
        memory = 0.9 * self.assumed.gpus_per_server * self.rank.gpu_memory
        return max(1.0, (memory - weights) / cache) if memory else math.inf

    def _passes(self) -> list[Term]:
        """Old and reference log-probabilities, and the update."""
        module, policy, model = self.rank.module, self.rank.policy, self.rank.model
        prompt = self.prompt_tokens * (active_parameters(model.text) + self._vision())
        completion = module.engine.sampling.completions_per_prompt * self.completion_tokens
        head = model.vocab_size * model.text.hidden_size
        forward = 2 * module.prompts_per_step * (prompt + completion * (active_parameters(model.text) + head))
        passes = 1 + int(module.loss.needs_reference_logprobs or module.reward_kl is not None)
        passes += int(module.preparation.image_dependence is not None)
        times = 4 if policy.gradient_checkpointing else 3
        return [
            self._pass("old_logprobs", passes, forward),
            self._pass("update", times, forward),
        ]

    def _pass(self, name: str, times: int, forward: float) -> Term:
        plan, assumed = self.rank.plan, self.assumed
        seconds = times * forward / (plan.ranks * assumed.tflops * 1e12 * assumed.utilisation)
        formula = (
            f"{times} x {forward / 1e12:,.4g} TFLOP of a forward pass / ({plan.ranks} GPUs x {assumed.tflops:g} "
            f"TFLOP/s x {assumed.utilisation:g})"
        )
        return Term(name, seconds, formula, "ranks", plan.ranks, ("tflops", "utilisation"))

    def _vision(self) -> float:
        """Parameters of the vision tower that a prompt token passes, as if every prompt token were of an image."""
        model = self.rank.model
        if model.vision is None:
            return 0.0
        one = model.vision.hidden_size * (4 * model.vision.hidden_size + 2 * model.vision.intermediate_size)
        return float(model.vision.count * one * model.patches_per_token)

    def _publish(self) -> Term:
        weights, rate = 2 * self.rank.model.parameters / 1e9, self.assumed.gigabytes_per_second
        formula = f"{weights:,.1f} GB / {rate:g} GB/s"
        return Term("publish", weights / rate, formula, assumes=("gigabytes_per_second",))

    def _as_measured(self, term: Term) -> Term:
        """The term at the rate of the run; as it is where the run has none, such as without servers of its own."""
        assert self.measured is not None
        run = self.measured
        rate, counts = run.rates.get(term.name), run.counts
        if rate is None or (term.name == "rollout" and term.divided_by != run.samples_on):
            return term
        seconds, formula = rate.seconds, f"{rate.seconds:.4g} s a step in {run.folder}"
        if not rate.is_of_a_step:
            seconds = self.tokens * rate.seconds
            formula = f"{self.tokens:,.0f} tokens x {rate.seconds:.4g} s a token in {run.folder}"
        assumes: tuple[str, ...] = ()
        if term.divided_by and (before := counts[term.divided_by]) != term.count:
            seconds *= before / term.count
            formula += f" x {before} / {term.count} {term.divided_by}"
            if term.divided_by == "ranks":
                seconds /= self.assumed.scaling
                formula, assumes = f"{formula} / {self.assumed.scaling:g}", ("scaling",)
        return replace(term, seconds=seconds, formula=formula, assumes=assumes, basis="measured")


def active_parameters(layer: Layer) -> float:
    """Parameters of all layers that one token is multiplied with; of experts, those it is routed to."""
    attention = 2 * layer.hidden_size * (layer.query_width + layer.key_width)
    return float(layer.count * (attention + 3 * layer.hidden_size * layer.intermediate_size))
