"""Makes the database of a study from files of completions."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medix.studies.preference.database import StudyDatabase
from medix.studies.preference.design import Comparison, Design
from medix.studies.preference.image_folder import browser_images
from medix.studies.preference.model_answers import ModelAnswers, NamedImage
from medix.studies.preference.samples import StudySample, StudySamples

_NAMED = 5


@dataclass(frozen=True)
class NewStudy:
    """What a study is made of.

    Args:
        files: completions, one file per model.
        names: name of each model, for the report alone.
        images: folder with the images; None if no sample has any.
        design: who compares what.
        with_reasoning: whether raters see and judge the reasoning.
        skip_missing: whether samples whose images are missing are left out.
    """

    files: Sequence[Path]
    names: Sequence[str]
    images: Path | None
    design: Design
    with_reasoning: bool = True
    skip_missing: bool = False

    def __post_init__(self) -> None:
        if len(self.names) != len(self.files) or len(set(self.names)) < len(self.names):
            raise ValueError(f"--names {' '.join(self.names)}: give each of the {len(self.files)} files its own name")
        if len({path.resolve() for path in self.files}) < len(self.files):
            raise ValueError("a file is given twice; give a file of answers of each model")

    def decisions(self) -> dict[str, Any]:
        """All that the content of the study depends on, by name."""
        digests = []
        for path in self.files:
            with path.open("rb") as stream:
                digests.append(hashlib.file_digest(stream, "sha256").hexdigest())
        return {
            "models": list(self.names),
            "sha256": digests,
            "with_reasoning": self.with_reasoning,
            "skip_missing": self.skip_missing,
            **asdict(self.design),
        }

    def check(self, database: StudyDatabase) -> None:
        """Compare with a study that has been created.

        Raises:
            ValueError: it is another one.
        """
        now = self.decisions()
        before = {name: database.facts.get(name) for name in now}
        if before != now:
            told = ", ".join(f"{name} {before[name]!r}, now {now[name]!r}" for name in now if before[name] != now[name])
            raise ValueError(
                f"--output {database.path}: holds another study: {told}; give another file, or the same arguments"
            )

    def create(self, path: Path) -> list[str]:
        """Write the database; returns the token of each rater.

        Raises:
            ValueError: files do not fit each other, or images are missing.
        """
        found = StudySamples.of([ModelAnswers.read(file) for file in self.files], with_reasoning=self.with_reasoning)
        samples, comparisons, shown = self._compared(found.samples)
        assignments = self.design.assignments(comparisons)
        without = len(found.samples) - len(samples)
        used = sorted({one.sample for one in comparisons})
        number = {sample: place for place, sample in enumerate(used)}
        facts = {
            **self.decisions(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "samples": len(used),
            "comparisons": len(comparisons),
            "cases": len({samples[sample].cluster for sample in used}),
            "identical": sum(not one.differing for one in samples),
            "left_out": {**found.left_out, **({"samples without their images": without} if without else {})},
        }
        return StudyDatabase.create(
            path,
            facts,
            [samples[sample] for sample in used],
            [[shown[image] for image in samples[sample].images] for sample in used],
            [replace(one, sample=number[one.sample]) for one in comparisons],
            assignments,
        )

    def _compared(
        self, samples: Sequence[StudySample]
    ) -> tuple[Sequence[StudySample], list[Comparison], dict[NamedImage, bytes]]:
        """The samples with their images, the comparisons, and the images of those that are compared.

        Only images of samples that are compared are looked for: a limit may leave few of many.
        """
        while samples:
            comparisons = self.design.comparisons(samples)
            used = {one.sample for one in comparisons}
            shown, missing = browser_images(self.images, (image for one in used for image in samples[one].images))
            lacking = {one for one in used if any(image not in shown for image in samples[one].images)}
            if not lacking:
                return samples, comparisons, shown
            if not self.skip_missing:
                told = "; ".join(f"{name} {reason}" for name, reason in list(missing.items())[:_NAMED])
                more = ", …" if len(missing) > _NAMED else ""
                raise ValueError(
                    f"--images {self.images or 'is not given'}: {len(missing)} images of {len(lacking)} samples: {told}"
                    f"{more}; give the folder with the images or shards, or --skip-missing"
                )
            samples = [one for number, one in enumerate(samples) if number not in lacking]
        raise ValueError(f"--skip-missing: no sample is left, all lack images; look at --images {self.images}")
