"""Runs on record, written without training one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from medix.judge.base import Judge
from medix.reporting.record import CompletionRecord, append_records, record_group
from medix.rewards.format import FormatReward
from medix.rewards.judged import JudgeReward
from medix.rewards.modality import ModalityReward
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from medix.types import RolloutGroup, Sample
from tests.support.fake_training import (
    MODALITIES,
    CountingJudge,
    FakeSuite,
    make_group,
    make_sample,
    picture,
    write,
)

SPEC = """\
components:
  format: {reward: {class_path: medix.rewards.FormatReward}, weight: 0.25}
  modality: {reward: {class_path: medix.rewards.ModalityReward}, weight: 0.25}
  judge: {reward: {class_path: medix.rewards.JudgeReward}, weight: 0.5}
"""
RUN_SPEC = """\
judge: {class_path: medix.judge.ExactJudge}
model:
  modalities: {class_path: medix.modality.ModalitySet, init_args: {names: [X_RAY, CT_SCAN, MRI_SCAN]}}
  advantage: null
  rewards:
    class_path: medix.rewards.RewardSuite
    init_args:
      components:
        format: {reward: {class_path: medix.rewards.FormatReward}, weight: 0.25}
        modality: {reward: {class_path: medix.rewards.ModalityReward}, weight: 0.25}
        judge: {reward: {class_path: medix.rewards.JudgeReward}, weight: 0.5}
"""


def suite(judge: Judge | None = None, form: float = 0.25, modality: float = 0.25, judged: float = 0.5) -> RewardSuite:
    """Format, modality and judge with these weights."""
    return RewardSuite(
        {
            "format": Weighted(FormatReward(), form),
            "modality": Weighted(ModalityReward(), modality),
            "judge": Weighted(JudgeReward(), judged),
        },
        judge=judge,
        modalities=MODALITIES,
    )


def groups(count: int = 6) -> list[RolloutGroup]:
    """Groups of four: all right; the wrong modality; the wrong answer; no form at all. Every third has no modality."""
    made = []
    for number in range(count):
        modality = ("X_RAY", "CT_SCAN", None)[number % 3]
        texts = [write(modality, "lung"), write("MRI_SCAN", "lung"), write(modality, "heart"), "lung"]
        made.append(make_group(make_sample(number, modality, case=f"p{number}"), texts))
    return made


def records(scored_by: RewardSuite, rollouts: Sequence[RolloutGroup], step: int = 1) -> list[CompletionRecord]:
    """What a run would write down."""
    return [
        record
        for group in scored_by.score_groups(rollouts)
        for record in record_group(group, MODALITIES, step=step, split="train")
    ]


def write_run(folder: Path, lines: Sequence[CompletionRecord], spec: str = RUN_SPEC) -> Path:
    """A run's folder with its spec and its completions."""
    (folder / "completions").mkdir(parents=True)
    if spec:
        (folder / "spec.yaml").write_text(spec)
    append_records(folder / "completions" / "train.rank0.jsonl", lines)
    return folder


def two_sets(
    right: Mapping[str, int], sources: Mapping[str, Sequence[str]] | None = None, split: str = "val"
) -> list[CompletionRecord]:
    """Judged completions of data sets that all have ids 1 to 6 and cases 1 to 3.

    Args:
        right: by data set, the last id that is answered rightly.
        sources: by data set, the sources that its samples go through in turn; ``web`` if None.
        split: of the records.
    """
    made = []
    for dataset, last in right.items():
        number = sorted(right).index(dataset)
        names = ("web",) if sources is None else sources[dataset]
        for i in range(1, 7):
            sample = Sample(
                str(i), f"{dataset}: which organ is {i}?", "lung", "X_RAY", (picture(10 * number + i),),
                names[i % len(names)], case=str((i + 1) // 2), dataset=dataset,
            )  # fmt: skip
            made.append(make_group(sample, [write("X_RAY", "lung" if i <= last else "heart")]))
    scored = FakeSuite(CountingJudge()).score_groups(made)
    return [record for group in scored for record in record_group(group, MODALITIES, step=1, split=split)]
