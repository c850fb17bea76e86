"""Data types shared by all packages. Does not import torch, so that scripts can import it in milliseconds.

A *sample* is rendered to a *prompt*; the policy writes G *completions* on it; together they are a *group*,
which is the unit of sampling, packing, filtering, logging and checkpointing.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

_NO_ANSWER = "the completion does not have exactly one answer: wrong"

SampleKey = tuple[str, str]
"""Identity of a sample: data set and id."""

GroupKey = tuple[int, int]
"""Identity of a group in a run: the version of the weights that sampled it, and the index of its prompt in the data."""

Cluster = tuple[str, str, str]
"""The unit that intervals are clustered by: data set, ``case`` or ``sample``, and its name."""


def cluster_of(dataset: str, case: str, sample: str) -> Cluster:
    """The case of a data set, or the sample where its case is unknown."""
    return (dataset, "case", case) if case else (dataset, "sample", sample)


def image_id(image: bytes) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of an encoded image."""
    return hashlib.sha256(image).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Sample:
    """One record on a shard. Its identity is (``dataset``, ``id``), that of its case (``dataset``, ``case``).

    Attributes:
        id: identity of the record within its data set; free text, never a file name.
        question: the question; markers such as ``<image>`` say where its images stand (``medix.data.image_markers``).
        reference: the reference answer.
        modality: name of the imaging modality without brackets (``CT_SCAN``); None for a text-only sample.
        images: encoded JPEG or PNG files, in the order in which the question refers to them.
        source: origin of the record (``slake``), for tables.
        aliases: other texts accepted as the reference.
        case: patient or case within the data set, the unit that intervals are clustered by; empty if unknown.
        metadata: further text fields, passed through and never read.
        subgroup: those fields of ``metadata`` that results are told by (``data.subgroups``); empty where absent.
        dataset: the collection it belongs to, shared by the splits of the collection (see ``medix.data.manifest``).
    """

    id: str
    question: str
    reference: str
    modality: str | None
    images: tuple[bytes, ...] = ()
    source: str = ""
    aliases: tuple[str, ...] = ()
    case: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    dataset: str = ""
    subgroup: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> SampleKey:
        """Identity of the sample."""
        return self.dataset, self.id

    @property
    def cluster(self) -> Cluster:
        """The unit that intervals are clustered by."""
        return cluster_of(self.dataset, self.case, self.id)

    @property
    def image_ids(self) -> tuple[str, ...]:
        """Identities of its images, in order."""
        return tuple(image_id(image) for image in self.images)

    def to_state(self) -> dict[str, Any]:
        """Plain data for a checkpoint; ``Sample(**state)`` after ``from_state`` gives the sample back."""
        mappings = {"metadata": dict(self.metadata), "subgroup": dict(self.subgroup)}
        return {name: getattr(self, name) for name in self.__slots__} | mappings

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Sample":
        """The inverse of ``to_state``."""
        return cls(**{**state, "images": tuple(state["images"]), "aliases": tuple(state["aliases"])})


@dataclass(frozen=True, slots=True)
class Prompt:
    """A sample rendered for the policy, with the reference beside it.

    Attributes:
        sample: the sample it was rendered from.
        token_ids: P token ids, image placeholders expanded, generation prompt at the end.
        inputs: tensors of the images under the names of the processor (``pixel_values``, ``image_grid_thw``, …),
            once per prompt; empty for a text-only sample.
        index: position of the sample in the order of the data (see ``medix.data.stream``); -1 outside a stream.
        digest: of ``inputs`` that were removed and will be rendered again; empty for none.
    """

    sample: Sample
    token_ids: tuple[int, ...]
    inputs: Mapping[str, Any] = field(default_factory=dict)
    index: int = -1
    digest: str = ""

    @property
    def seed_key(self) -> str:
        """Seed of its completions: its index in the order of the data, or the identity of its sample without one."""
        return str(self.index) if self.index >= 0 else f"id:{'/'.join(filter(None, self.sample.key))}"


class PromptBatch:
    """The prompts of one loader batch on this rank, and the position in the data after it.

    Deliberately neither a sequence nor a dataclass: Lightning traverses both to move tensors and does not accept frozen
    dataclasses; the policy moves the tensors that it needs.

    Args:
        prompts: prompts in the order of the data.
        next_index: index of the first sample that no rank has read yet; a resumed run starts there.
        too_long: number of samples of this batch left out because the policy cannot take their prompt.
        bad_shards: number of samples left out because their shard cannot be read, by shard.
    """

    def __init__(
        self,
        prompts: Sequence[Prompt],
        next_index: int = 0,
        too_long: int = 0,
        bad_shards: Mapping[str, int] | None = None,
    ) -> None:
        self.prompts = tuple(prompts)
        self.next_index = next_index
        self.too_long = too_long
        self.bad_shards = dict(bad_shards or {})

    def __len__(self) -> int:
        return len(self.prompts)

    def __iter__(self) -> Iterator[Prompt]:
        return iter(self.prompts)


class FinishReason(StrEnum):
    """The reason why generation ended."""

    STOP = "stop"
    LENGTH = "length"


@dataclass(frozen=True, slots=True)
class Completion:
    """The whole output of the policy for a prompt.

    Attributes:
        text: the decoded tokens without the end token (``medix.special_tokens.CompletionDecoder``).
        token_ids: T token ids, the end-of-sequence token included if it was generated.
        logprobs: T log-probabilities at the sampling temperature, image placeholders excluded from the softmax.
        finish_reason: ``stop`` if the policy ended it, ``length`` if it was truncated at the token limit.
    """

    text: str
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: FinishReason

    @property
    def is_truncated(self) -> bool:
        """Whether it was truncated at the token limit."""
        return self.finish_reason is FinishReason.LENGTH

    def to_state(self) -> dict[str, Any]:
        """Plain data for a checkpoint or a JSON line."""
        return {**asdict(self), "finish_reason": self.finish_reason.value}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Completion":
        """The inverse of ``to_state``."""
        return cls(
            text=state["text"],
            token_ids=tuple(state["token_ids"]),
            logprobs=tuple(state["logprobs"]),
            finish_reason=FinishReason(state["finish_reason"]),
        )


@dataclass(frozen=True, slots=True)
class RolloutGroup:
    """One prompt and its G completions, as a rollout engine returns them.

    Attributes:
        prompt: the prompt, its images once.
        completions: G completions.
        policy_version: number of published weight updates that the engine had received when it sampled them.
    """

    prompt: Prompt
    completions: tuple[Completion, ...]
    policy_version: int

    def to_state(self) -> dict[str, Any]:
        """Plain data for a checkpoint, without the tensors of the images, which are rendered from the sample again."""
        return {
            "sample": self.prompt.sample.to_state(),
            "index": self.prompt.index,
            "token_ids": self.prompt.token_ids,
            "digest": self.prompt.digest,
            "completions": [completion.to_state() for completion in self.completions],
            "policy_version": self.policy_version,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], prompt: Prompt) -> "RolloutGroup":
        """The inverse of ``to_state``.

        Args:
            state: the result of ``to_state``.
            prompt: the sample of the state, rendered again.
        """
        completions = tuple(Completion.from_state(completion) for completion in state["completions"])
        return cls(prompt, completions, state["policy_version"])


class Status(StrEnum):
    """The outcome of scoring one row with one component."""

    SCORED = "scored"
    UNSCORED = "unscored"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True, slots=True)
class JudgeQuestion:
    """Input of a judge: does the answer mean the same as the reference?"""

    question: str
    reference: str
    answer: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """One graded answer.

    Attributes:
        credit: from 0.0 (NO, or the worst grade) to 1.0 (YES, or the best); None if unscored.
        reason: why it is unscored; empty for a scored verdict.
        reply: the full reply of the judge; None if there was none.
        explanation: the judge's reasoning, if any.
        latency: seconds from the request to the verdict, retries included.
        judge: identity of the judge: kind, model, prompt version.
        confidence: probability of this verdict relative to the other possible verdicts; None if unknown.
        votes: the verdicts of a panel's members, in order.
        is_cached: whether it is an earlier verdict on the same question, looked up in a cache.
        asked: which judge was asked, if it is not told by ``judge``: one that asks the judge inside it, or one of one's
            own with a digest of its arguments.
        has_answer: whether there was an answer to grade; without exactly one it is wrong, and no judge was asked.
    """

    credit: float | None
    judge: str
    reason: str = ""
    reply: str | None = None
    explanation: str = ""
    latency: float = 0.0
    confidence: float | None = None
    votes: tuple["Verdict", ...] = ()
    is_cached: bool = False
    asked: str = ""
    has_answer: bool = True

    @classmethod
    def without_answer(cls, judge: str) -> "Verdict":
        """The verdict on a completion that has no answer or several, about which the judge is not asked."""
        return cls(0.0, judge, explanation=_NO_ANSWER, has_answer=False)

    @property
    def whose(self) -> str:
        """Which judge was asked."""
        return self.asked or self.judge

    @property
    def is_scored(self) -> bool:
        """Whether the judge reached a verdict."""
        return self.credit is not None

    def to_state(self) -> dict[str, Any]:
        """Plain data; without ``asked`` and ``has_answer`` where the rest tells them, as in most of many lines."""
        told = {"asked": not self.asked, "has_answer": self.has_answer and self.explanation != _NO_ANSWER}
        state = {name: getattr(self, name) for name in self.__slots__ if not told.get(name)}
        return {**state, "votes": tuple(vote.to_state() for vote in self.votes)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Verdict":
        """The inverse of ``to_state``, also after a JSON round trip; newer fields may be missing.

        Before there was ``has_answer``, the explanation alone told it.
        """
        votes = tuple(cls.from_state(vote) for vote in state.get("votes", ()))
        return cls(**{"has_answer": state.get("explanation") != _NO_ANSWER, **state, "votes": votes})


@dataclass(frozen=True, slots=True)
class ComponentScore:
    """The score of one completion by one component; ``value`` is NaN unless scored.

    ``left_out``: it earns its value but stays out of every mean; see ``medix.rewards.ComponentScores``.
    """

    value: float
    status: Status
    reason: str = ""
    verdict: Verdict | None = None
    left_out: bool = False

    @property
    def status_in_means(self) -> Status:
        """The status; not applicable where it stays out of the means."""
        return Status.NOT_APPLICABLE if self.left_out else self.status

    def to_state(self) -> dict[str, Any]:
        """Plain data for a checkpoint or a JSON line."""
        return {
            "value": self.value,
            "status": self.status.value,
            "reason": self.reason,
            "verdict": None if self.verdict is None else self.verdict.to_state(),
            "left_out": self.left_out,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "ComponentScore":
        """The inverse of ``to_state``."""
        verdict = None if state["verdict"] is None else Verdict.from_state(state["verdict"])
        left_out = state.get("left_out", False)
        return cls(state["value"], Status(state["status"]), state["reason"], verdict, left_out)


@dataclass(frozen=True, slots=True)
class CompletionScores:
    """The scores of one completion by the reward suite.

    Attributes:
        total: the composite reward; NaN if unscored.
        components: the score of each component.
        normalised: the total of the components normalised within the group, from which advantages are then computed;
            None if the suite does not normalise.
    """

    total: float
    components: Mapping[str, ComponentScore]
    normalised: float | None = None

    @property
    def signal(self) -> float:
        """The value from which the advantage is computed: the total, unless the suite normalises."""
        return self.total if self.normalised is None else self.normalised

    def to_state(self) -> dict[str, Any]:
        """Plain data for a checkpoint or a JSON line."""
        components = {name: one.to_state() for name, one in self.components.items()}
        return {"total": self.total, "components": components, "normalised": self.normalised}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "CompletionScores":
        """The inverse of ``to_state``."""
        components = {name: ComponentScore.from_state(one) for name, one in state["components"].items()}
        return cls(state["total"], components, state.get("normalised"))


@dataclass(frozen=True, slots=True)
class ScoredGroup:
    """A group with the scores of its completions, in their order.

    Groups are scored once; buffers, filters, losses, logs and reports all read this.
    """

    rollout: RolloutGroup
    scores: tuple[CompletionScores, ...]

    @property
    def key(self) -> GroupKey:
        """Identity of the group over all ranks and steps of a run."""
        return self.rollout.policy_version, self.rollout.prompt.index

    @property
    def totals(self) -> tuple[float, ...]:
        """G totals; NaN where unscored."""
        return tuple(score.total for score in self.scores)

    @property
    def signals(self) -> tuple[float, ...]:
        """G values from which the advantages are computed; NaN where unscored."""
        return tuple(score.signal for score in self.scores)

    def to_state(self) -> dict[str, Any]:
        """Plain data of the group, with the scores."""
        return self.rollout.to_state() | {"scores": [score.to_state() for score in self.scores]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any], prompt: Prompt) -> "ScoredGroup":
        """The inverse of ``to_state``.

        Args:
            state: the result of ``to_state``.
            prompt: the sample of the state, rendered again.
        """
        scores = tuple(CompletionScores.from_state(score) for score in state["scores"])
        return cls(RolloutGroup.from_state(state, prompt), scores)
