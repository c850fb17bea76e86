"""Imaging modalities: the tags that a completion may start with."""

import re
from collections.abc import Iterator, Sequence

PAPER_MODALITIES = (
    "X_RAY", "MICROSCOPY", "CLINICAL_PHOTOGRAPHY", "CT_SCAN", "GRAPHICS", "ANGIOGRAPHY", "PET_SCAN", "ULTRASOUND",
    "MRI_SCAN", "FUNDUS_PHOTOGRAPHY", "OCT_SCAN", "ENDOSCOPY", "MAMMOGRAPHY", "FLUOROSCOPY", "OTHER", "SPECT",
)  # fmt: skip

TEXT_ONLY = "TEXT_ONLY"
"""Key in tables for samples without a modality; never a tag."""

NO_MODALITY = ("TEXT", TEXT_ONLY)
"""Tags by which a reference says that its row has no image."""

_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


class ModalitySet:
    """The modalities of a data set; the 16 of MediX-R1 (arXiv:2602.23363) by default.

    Args:
        names: upper-case names without brackets, in the order the prompt lists them.
    """

    def __init__(self, names: Sequence[str] = PAPER_MODALITIES) -> None:
        names = tuple(names)
        bad = [name for name in names if not _NAME.fullmatch(name) or name == TEXT_ONLY]
        if bad or not names:
            raise ValueError(
                f"modalities.names: {bad or names!r} cannot be tags; give upper-case names such as CT_SCAN "
                f"(letters, digits, underscores), and not {TEXT_ONLY}, which stands for samples without an image"
            )
        if len(set(names)) != len(names):
            raise ValueError(f"modalities.names: {sorted({n for n in names if names.count(n) > 1})} given twice")
        self.names = names
        self._index = {name: i for i, name in enumerate(names)}

    @classmethod
    def of(cls, given: "ModalitySet | Sequence[str] | None") -> "ModalitySet":
        """The set that a spec gives, as a set or as the list of its names; the paper's 16 if None."""
        return given if isinstance(given, ModalitySet) else cls(PAPER_MODALITIES if given is None else given)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModalitySet) and self.names == other.names

    def __hash__(self) -> int:
        return hash(self.names)

    def __repr__(self) -> str:
        return f"ModalitySet({list(self.names)})"

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags as a completion writes them: ``<X_RAY>``."""
        return tuple(f"<{name}>" for name in self.names)

    def index(self, name: str | None) -> int:
        """Row of a modality in per-modality tables; text-only samples come last.

        Raises:
            ValueError: the name is not in the set.
        """
        return len(self.names) if name is None else self._index[self.require(name)]

    def require(self, name: str) -> str:
        """Return the name, or raise an error that lists the known names.

        Raises:
            ValueError: the name is not in the set.
        """
        if name not in self._index:
            raise ValueError(
                f"modality {name!r} is not in the modality set; known: {', '.join(self.names)}. "
                "Correct the data, or set another modality set in the spec (modalities.names)"
            )
        return name

    def is_tag(self, tag: str) -> bool:
        """Whether a tag of a reference names a modality of the set, or says that there is no image."""
        return self.parse(tag) is not None or tag.strip().strip("<>").upper() in NO_MODALITY

    def parse(self, tag: str) -> str | None:
        """Name of a tag such as ``<x_ray>``, in any case; None if it is not in the set."""
        name = tag.strip().strip("<>").upper()
        return name if name in self._index else None
