"""Whether training, validation and test samples overlap."""

from collections.abc import Iterator

from medix.data.overlap import Overlap
from medix.doctor.checks.base import Check
from medix.doctor.findings import Finding
from medix.doctor.subject import Subject


class SplitsCheck(Check):
    """Compares the splits of a spec by samples, cases, images and text-only questions; nothing is downloaded."""

    name = "splits"

    def look(self, subject: Subject) -> Iterator[Finding]:
        """Ids that are not unique first, then one pair of splits after another."""
        overlaps = subject.data.overlaps
        for split, ids in overlaps.repeated.items():
            for kind, told in ((self.problem, ids.conflicts(split)), (self.warning, ids.not_compared(split))):
                if told:
                    what, _, remedy = told.rpartition("; ")
                    yield kind(what, remedy)
            for advice in overlaps.divided_advice(split):
                yield self.warning(*advice)
        for pair in overlaps.pairs:
            yield from self._pair(pair)

    def _pair(self, pair: Overlap) -> Iterator[Finding]:
        if found := pair.overlap_message():
            yield self.warning(
                found, f"take them out of data.{pair.first} or data.{pair.second}; results on them are not held out"
            )
        for advice in pair.incomparable_advice():
            yield self.warning(*advice)
        if missing := pair.missing_message():
            yield self.warning(missing, "write the indexes of the manifests: python -m medix shards index MANIFEST …")
        if same_names := pair.same_names_advice():
            yield self.warning(*same_names)
        if not pair.doubt:
            yield self.ok(
                f"data.{pair.second}: none of {pair.samples:,} samples shares its id, case, image or text-only "
                f"question with data.{pair.first}"
            )
