"""Queue of groups for updates; surplus groups stay for the next update and are in the checkpoint."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from medix.types import Prompt, Sample, ScoredGroup

Render = Callable[[Sample, int], Prompt]
"""Renders a sample that has the given index in the order of the data."""


class GroupBuffer:
    """First-in, first-out queue. A group keeps the version of the policy that sampled it."""

    def __init__(self) -> None:
        self._groups: deque[ScoredGroup] = deque()

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[ScoredGroup]:
        return iter(self._groups)

    def extend(self, groups: Iterable[ScoredGroup]) -> None:
        """Append groups."""
        self._groups.extend(groups)

    def ready(self, count: int) -> bool:
        """Whether there are at least ``count`` groups."""
        return len(self) >= count

    def take(self, count: int) -> list[ScoredGroup]:
        """Remove and return the oldest groups."""
        if not self.ready(count):
            raise ValueError(f"take: {count} groups were requested of {len(self)}; check ready({count}) first")
        return [self._groups.popleft() for _ in range(count)]

    def state_dict(self) -> dict[str, Any]:
        """Plain data: texts, numbers and the encoded images, no tensors."""
        return {"groups": [group.to_state() for group in self._groups]}

    def load_state_dict(self, state: dict[str, Any], render: Render) -> None:
        """The inverse of ``state_dict``.

        Args:
            state: what ``state_dict`` gave.
            render: renders the prompts, whose tensors are not in the state.
        """
        self._groups = deque(_restored(one, render) for one in state["groups"])


def _restored(state: dict[str, Any], render: Render) -> ScoredGroup:
    return ScoredGroup.from_state(state, restored_prompt(state, render))


def restored_prompt(state: dict[str, Any], render: Render) -> Prompt:
    """The prompt of a saved group, rendered again.

    Args:
        state: holds ``sample``, ``index`` and ``token_ids``.
        render: renders the prompt.

    Raises:
        ValueError: the rendered prompt differs from the saved one.
    """
    sample = Sample.from_state(state["sample"])
    prompt = render(sample, state["index"])
    saved = tuple(state["token_ids"])
    if prompt.token_ids != saved or prompt.index != state["index"]:
        raise ValueError(
            f"buffer: sample {sample.id!r} is rendered to {len(prompt.token_ids)} tokens at index {prompt.index}, but "
            f"to {len(saved)} other tokens at index {state['index']} when the checkpoint was written, so that its "
            "completions do not fit. Resume with the prompt template, the processor and the limits of that run"
        )
    return prompt
