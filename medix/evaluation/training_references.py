"""How often the reference of an item occurs among those of training: rare findings are where models fail unseen."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from medix.data.manifest import read_manifests
from medix.data.shards import Shard
from medix.evaluation.scored_completion import ScoredCompletion

COLUMN = "reference in training"
_BANDS = ((0, "never"), (9, "1 to 9 times"), (99, "10 to 99 times"))


class TrainingReferences:
    """References of training by how often they occur, in any case and spacing.

    Args:
        texts: the reference of each training sample.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._counts = Counter(map(_normalised, texts))

    @classmethod
    def read(cls, manifests: Sequence[str | Path]) -> "TrainingReferences":
        """Read the shards that manifests list.

        Raises:
            ManifestError, ShardError: one is missing or damaged.
        """
        texts = []
        for manifest in read_manifests(manifests):
            for entry in manifest.shards:
                shard = Shard(manifest, entry)
                shard.open()
                try:
                    texts += [sample.reference for sample in shard]
                finally:
                    shard.close()
        return cls(texts)

    def band(self, references: Sequence[str]) -> str:
        """How often the most common of an item's references occurs."""
        count = max((self._counts[_normalised(text)] for text in references), default=0)
        return next((name for limit, name in _BANDS if count <= limit), "100 times or more")

    def added_to(self, completions: Iterable[ScoredCompletion]) -> list[ScoredCompletion]:
        """The completions with the band as a further subgroup."""
        return [replace(one, subgroup={**one.subgroup, COLUMN: self.band(one.references)}) for one in completions]


def _normalised(text: str) -> str:
    return " ".join(text.casefold().split())
