"""The modality of a sample that a build makes."""

from dataclasses import replace

from medix.data.sources.source import RowError
from medix.modality import ModalitySet
from medix.types import Sample


def with_modality(sample: Sample, said: str | None, modalities: ModalitySet) -> Sample:
    """The sample with its modality; one without images has none.

    Args:
        sample: of a source.
        said: the modality of every sample with images; None takes what the row states.
        modalities: the valid tags.

    Raises:
        RowError: the modality is unknown or contradictory.
    """
    if not sample.images:
        return sample
    known = f"known: {', '.join(modalities)}"
    if said is not None and sample.modality not in (None, said):
        remedy = f"--modality says {said}; correct the row, or leave --modality out"
        raise RowError("modality", sample.modality, remedy, "modality")
    if (modality := said or sample.modality) is None:
        remedy = f"nothing states it; give --modality or --modality-column, or begin answers with a tag; {known}"
        raise RowError("modality", None, remedy, "modality")
    if modality not in modalities:
        raise RowError("modality", modality, f"unknown; {known}; --modalities gives another set", "modality")
    return replace(sample, modality=modality)
