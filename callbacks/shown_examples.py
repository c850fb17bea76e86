"""The samples that a report shows, with what was written for them and small images."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from medix.distributed import gather
from medix.modality import TEXT_ONLY
from medix.reporting.record import CompletionRecord
from medix.reporting.record_identity import with_datasets
from medix.reporting.render import Example
from medix.reporting.thumbnail import thumbnail
from medix.types import RolloutGroup, SampleKey

Chosen = dict[SampleKey, CompletionRecord]


class ShownExamples:
    """The same samples at every validation: spread over modalities, chosen by a hash of their id, not by the result.

    Args:
        samples: number of samples (0: none).
        images: whether thumbnails of their images are created.
    """

    def __init__(self, samples: int, images: bool) -> None:
        self.samples = samples
        self.images = images
        self.first: Chosen = {}
        self.last: Chosen = {}
        self._candidates: dict[str, dict[SampleKey, list[str]]] = {}
        self._thumbnails: dict[SampleKey, list[str]] = {}

    def see(self, groups: Sequence[RolloutGroup]) -> None:
        """Create thumbnails of samples that may be shown, on the rank that has their images."""
        if not self.samples or not self.images:
            return
        for group in groups:
            sample = group.prompt.sample
            kept = self._candidates.setdefault(sample.modality or TEXT_ONLY, {})
            if sample.key not in kept and (
                len(kept) < self.samples or _hash(sample.key) < max(_hash(identity) for identity in kept)
            ):
                kept[sample.key] = [thumbnail(image) for image in sample.images]
                if len(kept) > self.samples:
                    del kept[max(kept, key=_hash)]

    def chosen(self, records: Sequence[CompletionRecord]) -> Chosen:
        """The first completion of each sample to show; a collective, which brings their thumbnails to every rank."""
        chosen = choose(records, self.samples)
        held = {name: entry for kept in self._candidates.values() for name, entry in kept.items() if name in chosen}
        self._candidates = {}
        self._thumbnails = {name: entry for part in gather(held) for name, entry in part.items()}
        return {record.sample_key: record for record in reversed(records) if record.sample_key in chosen}

    def fill_in_datasets(self, records: Sequence[CompletionRecord]) -> None:
        """Fill in those of first completions that were saved before data sets were recorded."""
        self.first = {record.sample_key: record for record in with_datasets(list(self.first.values()), records)}

    def examples(self, *, is_compared: bool) -> list[Example]:
        """What to show, in the order of the samples' hashes; first completions only where they may be compared."""
        return [
            Example(
                after=record,
                before=self.first.get(name) if is_compared else None,
                thumbnails=self._thumbnails.get(name, []),
            )
            for name, record in sorted(self.last.items(), key=lambda item: _hash(item[0]))
        ]

    def state_dict(self) -> dict[str, Any]:
        """The completions; thumbnails are created again at the next validation."""
        return {
            "first_examples": [record.to_dict() for record in self.first.values()],
            "last_examples": [record.to_dict() for record in self.last.values()],
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self.first, self.last = (
            {record.sample_key: record for record in map(CompletionRecord.from_dict, state_dict[name])}
            for name in ("first_examples", "last_examples")
        )


def choose(records: Sequence[CompletionRecord], count: int) -> set[SampleKey]:
    """Choose at most ``count`` samples, evenly over the modalities, by a hash of the id and not by the result."""
    by_modality: dict[str, set[SampleKey]] = {}
    for record in records:
        by_modality.setdefault(record.modality or TEXT_ONLY, set()).add(record.sample_key)
    queues = [sorted(names, key=_hash) for _, names in sorted(by_modality.items())]
    rows = [queue[index] for index in range(count) for queue in queues if index < len(queue)]
    return set(rows[:count])


def _hash(sample: SampleKey) -> tuple[str, str]:
    """Sort key independent of a sample's content: a hash of its id; the data set breaks ties."""
    return hashlib.sha256(sample[1].encode("utf-8", "surrogatepass")).hexdigest(), sample[0]
