"""Scores of everything in the folder of an evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medix.evaluation.evaluation_score import EvaluationScore
from medix.evaluation.folder import EvaluationFolder
from medix.evaluation.judge_errors import JudgeErrors
from medix.evaluation.scored_completion import ScoredCompletion, joined
from medix.evaluation.task_score import TaskScore
from medix.evaluation.training_references import TrainingReferences


@dataclass(frozen=True)
class FolderScore:
    """The scores, and what they were computed from.

    Attributes:
        score: of the model.
        specs: content of each ``task.json``, by task.
        completions: by task.
    """

    score: EvaluationScore
    specs: Mapping[str, Mapping[str, Any]]
    completions: Mapping[str, Sequence[ScoredCompletion]]

    @property
    def tasks(self) -> dict[str, tuple[Mapping[str, Any], Sequence[ScoredCompletion]]]:
        """Spec and completions, as ``compare_scores`` takes them."""
        return {name: (self.specs[name], rows) for name, rows in self.completions.items()}

    @classmethod
    def of(
        cls,
        folder: EvaluationFolder,
        tasks: Sequence[str] | None = None,
        errors: JudgeErrors | None = None,
        training: TrainingReferences | None = None,
    ) -> "FolderScore":
        """Score a folder.

        Args:
            folder: of an evaluation.
            tasks: names; None for all that have completions.
            errors: of the judge, to correct accuracies for.
            training: gives scores by how often the reference occurs in training.

        Raises:
            ValueError: a task has no completions, the folder has none, or accuracies cannot be corrected.
        """
        run = folder.run() or {}
        there = folder.tasks
        names = list(dict.fromkeys(tasks)) if tasks else there
        missing = [name for name in names if name not in there]
        if missing or not names:
            raise ValueError(
                f"--output {folder.path}: has no completions of {', '.join(missing) or 'any task'}, only of "
                f"{', '.join(there) or 'none'}; run eval generate first"
            )
        specs = {name: folder.task(name) for name in names}
        completions = {
            name: list(joined(specs[name], folder.generations(name), folder.verdicts(name))) for name in names
        }
        if training is not None:
            completions = {name: training.added_to(rows) for name, rows in completions.items()}
        if errors is not None:
            _check_judged(errors, specs, completions)
        scores = [TaskScore.of(name, specs[name], completions[name], errors) for name in names]
        facts = {**(run.get("model") or {}), "prompt": run.get("prompt", ""), **(run.get("decoding") or {})}
        named = {"name": str(facts.get("name") or facts.get("model") or folder.path.name), **facts}
        given = None if errors is None else errors.to_dict()
        return cls(EvaluationScore.of(named, scores, completions, given), specs, completions)


def _check_judged(
    errors: JudgeErrors,
    specs: Mapping[str, Mapping[str, Any]],
    completions: Mapping[str, Sequence[ScoredCompletion]],
) -> None:
    """See to it that some accuracy can be corrected.

    Raises:
        ValueError: a judge decided none of them: rules did, or they are grades.
    """
    rated = [rows for name, rows in completions.items() if specs[name]["scoring"] != "rubric"]
    if not any(one.by == "judge" for rows in rated for one in rows):
        raise ValueError(
            f"no accuracy has a verdict of {errors.judge}, whose errors were given (rules decide without a judge, and "
            "grades are not corrected); leave --judge-errors out, or run eval judge with it"
        )
