"""What imaging modalities are called in data sets, and the tags that are meant."""

import re
from collections.abc import Mapping

from medix.modality import ModalitySet

NAMES = {
    "X_RAY": ("X-ray", "radiograph", "plain film"),
    "MICROSCOPY": ("microscopy", "light microscopy", "photomicrograph"),
    "CLINICAL_PHOTOGRAPHY": ("clinical photograph", "clinical photography", "photograph"),
    "CT_SCAN": ("CT", "CT scan", "computed tomography"),
    "GRAPHICS": ("graph", "graphics", "chart"),
    "ANGIOGRAPHY": ("angiography", "angiogram"),
    "PET_SCAN": ("PET", "PET scan", "positron emission tomography"),
    "ULTRASOUND": ("ultrasound", "sonography", "sonogram"),
    "MRI_SCAN": ("MRI", "MRI scan", "magnetic resonance imaging"),
    "FUNDUS_PHOTOGRAPHY": ("fundus photography", "fundus photograph"),
    "OCT_SCAN": ("OCT", "OCT scan", "optical coherence tomography"),
    "ENDOSCOPY": ("endoscopy", "endoscopic image"),
    "MAMMOGRAPHY": ("mammography", "mammogram"),
    "FLUOROSCOPY": ("fluoroscopy",),
    "SPECT": ("SPECT", "SPECT scan", "single-photon emission computed tomography"),
}
"""What each tag is called: the reference where the modality is asked for, and its aliases. Nobody knows what ``OTHER``
shows."""

MODALITY_TAGS = {name: tag for tag, names in NAMES.items() for name in names} | {
    "MR": "MRI_SCAN", "magnetic resonance": "MRI_SCAN", "XR": "X_RAY", "radiography": "X_RAY", "US": "ULTRASOUND",
    "Fundus": "FUNDUS_PHOTOGRAPHY", "histology": "MICROSCOPY", "histopathology": "MICROSCOPY",
}  # fmt: skip
"""Tags of the names that stand in public data sets."""


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
