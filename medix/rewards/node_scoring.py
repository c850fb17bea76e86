"""Scoring by one rank of each node, for all ranks of the node."""

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from medix.distributed import rank
from medix.modality import ModalitySet
from medix.rewards.base import ComponentScores, RewardBatch
from medix.rewards.columns import checked_batch, columns_of
from medix.rewards.scoring import Gather
from medix.rewards.table import RewardTable
from medix.types import RolloutGroup

Columns = dict[str, Sequence[Any]]
ScoreBatch = Callable[[RewardBatch, Sequence[tuple[int, int]]], RewardTable]


class NodeScoring:
    """Has the first rank of each node score the completions of all of its ranks, in one call.

    Every rank of a node then waits for one judge and one encoder: an encoder or a judge in the process is loaded once
    on each node, and a served judge is asked by one client, with at most its ``max_concurrency`` questions at a time.
    Texts are sent to all ranks, images are not.

    Args:
        score: scores a batch, given the group of each row.
        modalities: the valid tags.
    """

    def __init__(self, score: ScoreBatch, modalities: ModalitySet) -> None:
        self._score = score
        self._modalities = modalities

    def __call__(self, groups: Sequence[RolloutGroup], gather: Gather) -> RewardTable:
        """Scores of this rank's completions, in order; every rank must call it."""
        rows = [(group.prompt, completion) for group in groups for completion in group.completions]
        members = [index for index, group in enumerate(groups) for _ in group.completions]
        asked = gather((socket.gethostname(), columns_of(rows), members))
        node = [number for number, (host, *_) in enumerate(asked) if host == asked[rank()][0]]
        found: dict[int, RewardTable] = {}
        if rank() == node[0]:
            found = self._scored({number: asked[number][1:] for number in node})
        mine: RewardTable = gather(found)[node[0]][rank()]
        return mine

    def _scored(self, shares: Mapping[int, tuple[Columns, list[int]]]) -> dict[int, RewardTable]:
        """The table of each rank, from one call for all of them."""
        parts = [columns for columns, _ in shares.values()]
        columns = {name: [entry for part in parts for entry in part[name]] for name in parts[0]}
        keys = [(number, member) for number, (_, members) in shares.items() for member in members]
        table = self._score(checked_batch(columns, self._modalities), keys)
        tables, start = {}, 0
        for number, (_, members) in shares.items():
            tables[number] = _rows(table, slice(start, start + len(members)))
            start += len(members)
        return tables


def _rows(table: RewardTable, rows: slice) -> RewardTable:
    return replace(
        table,
        total=table.total[rows].clone(),
        status=table.status[rows],
        reason=table.reason[rows],
        components={name: _component_rows(scores, rows) for name, scores in table.components.items()},
        normalised=None if table.normalised is None else table.normalised[rows].clone(),
    )


def _component_rows(scores: ComponentScores, rows: slice) -> ComponentScores:
    return ComponentScores(
        value=scores.value[rows].clone(),
        status=scores.status[rows],
        reason=scores.reason[rows],
        verdicts=scores.verdicts[rows],
        left_out=scores.left_out[rows],
    )
