"""Queue of groups for updates; surplus groups stay for the next step and are in the checkpoint."""

import dataclasses
import hashlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch

from medix.distributed import gather, rank, world_size
from medix.rollout.dealing import Place, deal
from medix.types import Prompt, RolloutGroup, Sample, ScoredGroup

Render = Callable[[Sample, int], Prompt]
"""Renders a sample that has the given index in the order of the data."""


class GroupBuffer:
    """Groups of this rank that wait for an update, with the version of the policy that sampled them.

    A step takes the oldest groups of all ranks, wherever they wait. What is left over keeps its sample and completions,
    but not the tensors of its images, which are rendered again when it is taken. A step reads one loader batch, and
    more until it has enough groups, so that at most as many groups of one version are left over as a loader batch has
    prompts; and only ``max_staleness + 1`` versions are kept.

    Args:
        max_staleness: publishes after which a group is discarded; 0 keeps groups of the present weights only.
    """

    def __init__(self, max_staleness: int = 1) -> None:
        if max_staleness < 0:
            raise ValueError(
                f"model.max_staleness: {max_staleness} must be 0 or more; it counts publishes of weights, and 0 trains "
                "on groups of the present weights only"
            )
        self.max_staleness = max_staleness
        self._groups: list[ScoredGroup] = []

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[ScoredGroup]:
        return iter(self._groups)

    def extend(self, groups: Iterable[ScoredGroup]) -> None:
        """Append groups."""
        self._groups.extend(groups)

    def replace(self, groups: Iterable[ScoredGroup]) -> None:
        """Hold these groups instead, such as the same ones scored by other rewards."""
        self._groups = list(groups)

    def discard(self, version: int) -> list[ScoredGroup]:
        """Remove and return what may not be trained on.

        These are groups of weights more than ``max_staleness`` publishes old; and groups of any older weights whose
        engine did not report log-probabilities, because nothing else says how likely these weights were to sample them.

        Args:
            version: of the present weights, as the rollout engine counts.
        """
        discarded = [group for group in self._groups if not self._may_train(group.rollout, version)]
        self._groups = [group for group in self._groups if self._may_train(group.rollout, version)]
        return discarded

    def _may_train(self, group: RolloutGroup, version: int) -> bool:
        staleness = version - group.policy_version
        return staleness <= self.max_staleness and (staleness == 0 or has_logprobs(group))

    def take(self, prompts_per_update: int, count: int, render: Render) -> list[ScoredGroup]:
        """Remove the oldest groups of all ranks, and return this rank's share of each update in turn; see ``deal``.

        Every rank must call it. Groups are sent to other ranks only where their own has more than its share.

        Args:
            prompts_per_update: groups of one update, over all ranks.
            count: groups of the step, over all ranks; see ``deal``.
            render: renders the prompts of groups whose tensors were removed.

        Raises:
            ValueError: the ranks hold fewer groups, or a prompt is rendered to other tokens than before.
        """
        held = gather([(group.rollout.policy_version, group.rollout.prompt.index) for group in self._groups])
        shares = deal(held, prompts_per_update, count)
        received = self._exchange(shares)
        taken = [received[place] if place in received else self._groups[place.position] for place in shares[rank()]]
        gone = {place.position for share in shares for place in share if place.rank == rank()}
        left = [group for position, group in enumerate(self._groups) if position not in gone]
        self._groups = [_without_tensors(group) for group in left]
        return [_with_tensors(group, render) for group in taken]

    def _exchange(self, shares: Sequence[Sequence[Place]]) -> dict[Place, ScoredGroup]:
        """The groups that other ranks hold and this one trains. Each round, a rank sends at most one group."""
        moves: list[list[tuple[Place, int]]] = [[] for _ in range(world_size())]
        for target, share in enumerate(shares):
            for place in share:
                if place.rank != target:
                    moves[place.rank].append((place, target))
        received = {}
        for sent in itertools.zip_longest(*moves):
            mine = sent[rank()]
            found = gather(None if mine is None else _without_tensors(self._groups[mine[0].position]))
            for move, group in zip(sent, found, strict=True):
                if move is not None and move[1] == rank() and group is not None:
                    received[move[0]] = group
        return received

    def state_dict(self) -> dict[str, Any]:
        """Plain data: texts, numbers and the encoded images, no tensors."""
        return {"groups": [group.to_state() for group in self._groups]}

    def load_state_dict(self, state: dict[str, Any], render: Render) -> None:
        """The inverse of ``state_dict``.

        Args:
            state: what ``state_dict`` gave.
            render: renders the prompts, to see that they have the same tokens as before.
        """
        restored = (ScoredGroup.from_state(one, restored_prompt(one, render)) for one in state["groups"])
        self._groups = [_without_tensors(group) for group in restored]


def has_logprobs(group: RolloutGroup) -> bool:
    """Whether the engine reported a finite log-probability of every token of the group's completions."""
    return all(
        len(completion.logprobs) == len(completion.token_ids) and all(map(math.isfinite, completion.logprobs))
        for completion in group.completions
    )


def without_tensors(group: RolloutGroup) -> RolloutGroup:
    """The group without the tensors of its images, and with their digest, by which ``restored_prompt`` checks them."""
    prompt = group.prompt
    digest = _digest(prompt.inputs) if prompt.inputs else prompt.digest
    return dataclasses.replace(group, prompt=dataclasses.replace(prompt, inputs={}, digest=digest))


def _without_tensors(group: ScoredGroup) -> ScoredGroup:
    return dataclasses.replace(group, rollout=without_tensors(group.rollout))


def _digest(inputs: Mapping[str, Any]) -> str:
    found = hashlib.sha256()
    for name, tensor in sorted(inputs.items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        found.update(tensor.contiguous().flatten().view(torch.uint8).cpu().numpy().tobytes())
    return found.hexdigest()[:32]


def _with_tensors(group: ScoredGroup, render: Render) -> ScoredGroup:
    prompt = group.rollout.prompt
    if prompt.inputs or not prompt.sample.images:
        return group
    prompt = _rendered(prompt.sample, prompt.index, prompt.token_ids, prompt.digest, render)
    return dataclasses.replace(group, rollout=dataclasses.replace(group.rollout, prompt=prompt))


def restored_prompt(state: dict[str, Any], render: Render) -> Prompt:
    """The prompt of a saved group, rendered again.

    Args:
        state: holds ``sample``, ``index`` and ``token_ids``.
        render: renders the prompt.

    Raises:
        ValueError: the rendered prompt differs from the saved one.
    """
    sample, digest = Sample.from_state(state["sample"]), state.get("digest", "")
    return _rendered(sample, state["index"], tuple(state["token_ids"]), digest, render)


def _rendered(sample: Sample, index: int, token_ids: tuple[int, ...], digest: str, render: Render) -> Prompt:
    prompt = render(sample, index)
    if prompt.token_ids != token_ids or prompt.index != index:
        raise ValueError(
            f"buffer: sample {sample.id!r} is rendered to {len(prompt.token_ids)} tokens at index {prompt.index}, but "
            f"to {len(token_ids)} other tokens at index {index} when it was sampled, so that its completions do not "
            "fit. Resume with the prompt template, the image settings, the processor and the limits of that run"
        )
    if digest and digest != _digest(prompt.inputs):
        raise ValueError(
            f"buffer: the images of sample {sample.id!r} are rendered to other pixels than when it was sampled, so "
            "that its completions do not fit. Resume with the image settings (max_pixels, min_pixels, background) and "
            "the processor of that run"
        )
    return prompt
