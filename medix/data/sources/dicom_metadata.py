"""Which fields of a DICOM header go on with a sample; all others are dropped."""

from collections.abc import Collection, Sequence

from medix.data.sources.dicom_burned_in import NOT_STATED
from medix.data.sources.dicom_header import DicomHeader
from medix.data.sources.modality_names import NAMES
from medix.data.sources.source import RowError

CODES = {
    "BodyPartExamined": "body_part",
    "ViewPosition": "view",
    "Laterality": "laterality",
    "ImageLaterality": "image_laterality",
    "PatientPosition": "patient_position",
    "ScanningSequence": "scanning_sequence",
    "SequenceVariant": "sequence_variant",
    "ImageType": "image_type",
}
"""Fields of defined terms, and their names in ``metadata``. Values that are no defined terms are dropped."""

NUMBERS = {
    "SliceThickness": "slice_thickness_mm",
    "PixelSpacing": "pixel_spacing_mm",
    "ImagerPixelSpacing": "imager_pixel_spacing_mm",
    "KVP": "kvp",
    "MagneticFieldStrength": "field_strength_tesla",
    "RepetitionTime": "repetition_time_ms",
    "EchoTime": "echo_time_ms",
}
"""Fields of numbers, and their names in ``metadata``."""

MODALITY = "modality"
_ANSWERED = tuple(name for name in CODES if name != "ImageType")
_NEARLY_SQUARE = 1.01
_SIDES = {"L": "left", "R": "right", "B": "both"}


def metadata_of(headers: Sequence[DicomHeader]) -> dict[str, str]:
    """The fields of ``CODES`` and ``NUMBERS`` that headers have, as text.

    Values that differ are joined (``L | R``) in the order of the images; one that is not in all headers is beside
    ``not stated``.

    Args:
        headers: of the images of a sample.
    """
    found = [_fields(header) for header in headers]
    names = dict.fromkeys(name for name in (*CODES.values(), *NUMBERS.values()) if any(name in one for one in found))
    return {name: " | ".join(dict.fromkeys(one.get(name, NOT_STATED) for one in found)) for name in names}


def _fields(header: DicomHeader) -> dict[str, str]:
    found = {}
    for keyword, name in CODES.items():
        if terms := _terms(header, keyword):
            found[name] = terms
    for keyword, name in NUMBERS.items():
        if numbers := header.numbers(keyword):
            found[name] = "\\".join(f"{number:g}" for number in numbers[:2])
    return found


def _terms(header: DicomHeader, keyword: str) -> str:
    """All values of a field of defined terms (``GR\\IR``); empty if there is none, or one that is no term."""
    codes = header.codes(keyword)
    return "\\".join(codes) if all(codes) else ""


def has_square_pixels(header: DicomHeader) -> bool:
    """Whether pixels are as high as wide, within a hundredth, as far as the header says."""
    for keyword in ("PixelAspectRatio", "PixelSpacing", "ImagerPixelSpacing"):
        sides = header.numbers(keyword)
        if len(sides) == 2 and min(sides) > 0:
            return max(sides) / min(sides) <= _NEARLY_SQUARE
    return True


def check_answer_field(name: str) -> str:
    """The name that ``--answer-from`` gives.

    Raises:
        ValueError: the field is none that answers may be taken from.
    """
    if name == MODALITY or name in _ANSWERED:
        return name
    raise ValueError(
        f"--answer-from {name}: is no field that answers are taken from; give {MODALITY} or one of "
        f"{', '.join(_ANSWERED)} (fields that may identify a person are not among them)"
    )


def stated_answer(header: DicomHeader, tag: str, name: str) -> str:
    """What a header states of the field that answers are taken from; empty if nothing.

    Args:
        header: of an image.
        tag: its modality.
        name: ``modality``, or a keyword; empty for no field.
    """
    return tag if name == MODALITY else _terms(header, name) if name else ""


def answer_from(stated: Collection[str], name: str) -> tuple[str, ...]:
    """The reference and its aliases.

    Args:
        stated: by the headers of all images, of a volume also of those that are not shown (``stated_answer``).
        name: ``modality``, or a keyword.

    Raises:
        RowError: the headers do not say, or do not say the same.
    """
    if len(values := dict.fromkeys(stated)) > 1:
        told = " | ".join(value or NOT_STATED for value in values)
        raise RowError(name, told, "the headers of the images differ; the row is left out", "no_answer", True)
    (value,) = values
    if name == MODALITY:
        found = NAMES.get(value, ())
    else:
        found = (_SIDES.get(value, "") if name.endswith("Laterality") else value,)
    if not found or not found[0]:
        remedy = "the header has no answer; the image is left out"
        raise RowError(name, value or None, remedy, "no_answer", refused=True)
    return found
