"""Groups that wait for an update; what is left over after one waits for the next, and is in the checkpoint."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from medix.types import Prompt, Sample, ScoredGroup

Render = Callable[[Sample, int], Prompt]
"""Renders a sample that has the given index in the order of the data."""


class GroupBuffer:
    """First in, first out. A group keeps the version of the policy that sampled it."""

    def __init__(self) -> None:
        self._groups: deque[ScoredGroup] = deque()

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[ScoredGroup]:
        return iter(self._groups)

    def extend(self, groups: Iterable[ScoredGroup]) -> None:
        """Add groups behind those that wait."""
        self._groups.extend(groups)

    def ready(self, count: int) -> bool:
        """Whether as many groups wait."""
        return len(self) >= count

    def take(self, count: int) -> list[ScoredGroup]:
        """Remove and return the groups that waited longest."""
        if not self.ready(count):
            raise ValueError(f"take: {count} groups were asked for and {len(self)} wait; ask ready({count}) first")
        return [self._groups.popleft() for _ in range(count)]

    def state_dict(self) -> dict[str, Any]:
        """Plain data: texts, numbers and the encoded images, no tensors."""
        return {"groups": [group.to_state() for group in self._groups]}

    def load_state_dict(self, state: dict[str, Any], render: Render) -> None:
        """The inverse of ``state_dict``.

        Args:
            state: what ``state_dict`` gave.
            render: makes the prompts again; their tensors are not in the state.
        """
        self._groups = deque(_restored(one, render) for one in state["groups"])


def _restored(state: dict[str, Any], render: Render) -> ScoredGroup:
    return ScoredGroup.from_state(state, restored_prompt(state, render))


def restored_prompt(state: dict[str, Any], render: Render) -> Prompt:
    """The prompt of a saved group, rendered again.

    Args:
        state: holds ``sample``, ``index`` and ``token_ids``.
        render: makes the prompt.

    Raises:
        ValueError: it has other tokens now.
    """
    sample = Sample.from_state(state["sample"])
    prompt = render(sample, state["index"])
    saved = tuple(state["token_ids"])
    if prompt.token_ids != saved or prompt.index != state["index"]:
        raise ValueError(
            f"buffer: sample {sample.id!r} is rendered to {len(prompt.token_ids)} tokens at index {prompt.index}, but "
            f"was to {len(saved)} other ones at index {state['index']} when the checkpoint was written; its "
            "completions no longer fit. Resume with the prompt template, the processor and the limits of that run"
        )
    return prompt
