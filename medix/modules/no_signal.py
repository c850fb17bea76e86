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
    own = (
        len(record.scored) - len(group_filter.keep(record.scored)),
        len(record.scored),
        len(record.dropped),
        record.too_long,
        record.bad_shards.total(),
    )
    flat, scored, lost, too_long, unread = map(sum, zip(*gather(own), strict=True))
    details = [f"{flat} of {scored} groups had totals without spread"]
    if lost:
        details.append(
            f"{lost} were dropped: too old for model.max_staleness, or of older weights and without log-probabilities "
            "of the engine"
        )
    if too_long:
        details.append(f"{too_long} prompts were left out that the policy cannot take (data.on_long: skip)")
    if unread:
        details.append(f"{unread} samples were left out whose shards cannot be read (data.on_bad_shard: skip)")
    remedy = (
        "The policy is right or wrong on whole groups: look at the recorded completions, raise the temperature or "
        "completions_per_prompt, use harder or easier data, or lower model.prompts_per_step"
    )
    if too_long + unread > scored:
        remedy = "Correct the data, or the limits of prompts: warnings above name what was left out first"
    raise NoSignalError(
        f"step {record.step}: {record.rollouts} rollouts (model.max_rollouts_per_step) gave {found} of {needed} groups "
        f"with signal; {', and '.join(details)}. {remedy}"
    )
