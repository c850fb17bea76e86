"""The end of dynamic sampling that finds too few groups to learn from."""

from medix.distributed import gather
from medix.modules.record import StepRecord
from medix.rollout.signal import GroupFilter


class NoSignalError(RuntimeError):
    """Too few groups had signal after the allowed number of rollouts."""


def check_signal(record: StepRecord, found: int, needed: int, max_rollouts: int, group_filter: GroupFilter) -> None:
    """Stop a step that has read its last loader batch and still has too few groups; every rank must call it.

    Args:
        record: of the step so far.
        found: groups with signal that may be trained on, over all ranks.
        needed: groups of a step, over all ranks.
        max_rollouts: ``model.max_rollouts_per_step``.
        group_filter: selects groups with signal.

    Raises:
        NoSignalError: with the numbers and what to change.
    """
    if found >= needed or record.rollouts < max_rollouts:
        return
    own = (len(record.scored) - len(group_filter.keep(record.scored)), len(record.scored), len(record.dropped))
    flat, scored, lost = map(sum, zip(*gather(own), strict=True))
    dropped = ""
    if lost:
        dropped = (
            f" and {lost} were dropped: too old for model.max_staleness, or of older weights and "
            "without log-probabilities of the engine"
        )
    raise NoSignalError(
        f"step {record.step}: {record.rollouts} rollouts (model.max_rollouts_per_step) gave {found} of {needed} groups "
        f"with signal; {flat} of {scored} groups had totals without spread{dropped}. The policy is right or wrong on "
        "whole groups: look at the recorded completions, raise the temperature or completions_per_prompt, use "
        "harder or easier data, or lower model.prompts_per_step"
    )
