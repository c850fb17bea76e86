"""Well-known layouts of tables of questions, recognised by the names of their columns."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from medix.data.sources.table_schema import Columns, TableData
from medix.modality import ModalitySet

MODALITY_TAGS = {
    "CT": "CT_SCAN", "MR": "MRI_SCAN", "MRI": "MRI_SCAN", "X-Ray": "X_RAY", "X-ray": "X_RAY", "XR": "X_RAY",
    "US": "ULTRASOUND", "Ultrasound": "ULTRASOUND", "PET": "PET_SCAN", "OCT": "OCT_SCAN",
    "Fundus": "FUNDUS_PHOTOGRAPHY",
}  # fmt: skip
"""Names of modalities in the columns of public data sets."""


def tag_of(value: str, tags: Mapping[str, str], modalities: ModalitySet) -> str | None:
    """The tag that a column or a field states, in any case, with spaces or hyphens for underscores; None if it is none.

    Args:
        value: what stands there.
        tags: names of modalities with their tags.
        modalities: the valid tags.
    """
    name = value.strip()
    folded = {key.casefold(): tag for key, tag in tags.items()}
    words = re.sub("[ -]", "_", name)
    return tags.get(name) or modalities.parse(name) or modalities.parse(words) or folded.get(name.casefold())


_IDS = ("id", "qid", "question_id")
_CASES = ("case", "patient", "patient_id", "subject_id", "study_id")
IMAGES = ("image", "images", "img_name", "image_path", "Figure_path")
"""Columns of images, the first of which that is there is read."""


@dataclass(frozen=True)
class Layout:
    """The columns that a layout must have.

    Args:
        name: the data sets that have it.
        question: column of the question.
        answer: column of the answer.
        choices: column of a list of choices, or a column for each.
    """

    name: str
    question: str
    answer: str
    choices: str | tuple[str, ...] = ""

    @property
    def columns(self) -> set[str]:
        """All of them."""
        choices = (self.choices,) if isinstance(self.choices, str) else self.choices
        return {self.question, self.answer, *filter(None, choices)}


LAYOUTS = (
    Layout("MBZUAI/medix-rl-data", "problem", "solution"),
    Layout("EasyR1", "problem", "answer"),
    Layout("MMLU, pmc_vqa", "question", "answer", "choices"),
    Layout("MedQA", "question", "answer", "options"),
    Layout("VQA-RAD, SLAKE, PathVQA", "question", "answer"),
    Layout("PMC-VQA", "Question", "Answer", ("Choice A", "Choice B", "Choice C", "Choice D")),
)
"""In the order in which they are looked for."""


def recognised(names: Collection[str], image_folder: str = "") -> tuple[Layout, TableData] | None:
    """The first layout whose columns are there, and what the columns mean; None if there is none.

    Args:
        names: the columns.
        image_folder: folder of images that are given by name, relative to the file.
    """
    for layout in LAYOUTS:
        if layout.columns <= set(names):
            return layout, TableData(_columns(layout, names), image_folder=image_folder, modality_tags=_tags(names))
    return None


def _columns(layout: Layout, names: Collection[str]) -> Columns:
    return Columns(
        question=layout.question,
        answer=[layout.answer, *_first(("aliases",), names)],
        id=next(iter(_first(_IDS, names)), ""),
        choices=layout.choices if isinstance(layout.choices, str) else list(layout.choices),
        images=list(_first(IMAGES, names)),
        case=next(iter(_first(_CASES, names)), ""),
        source=next(iter(_first(("source",), names)), ""),
        modality=next(iter(_first(("modality",), names)), ""),
    )


def _tags(names: Collection[str]) -> dict[str, str]:
    return dict(MODALITY_TAGS) if "modality" in names else {}


def _first(wanted: Sequence[str], names: Collection[str]) -> tuple[str, ...]:
    """The first wanted name that is there, in a tuple; an empty one if none is."""
    return tuple(name for name in wanted if name in names)[:1]


def told(data: TableData) -> str:
    """What the columns mean, as one line of text; says if none of them holds images."""
    pairs = [f"{key.removeprefix('columns.')}: {column}" for key, column in data.columns.named()]
    return ", ".join(pairs) + ("" if data.columns.images else "; no column of images, so that all rows are text only")
