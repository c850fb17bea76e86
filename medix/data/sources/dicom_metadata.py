"""Which fields of a DICOM header go on with a sample; all others are dropped."""

from collections.abc import Sequence

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
        if (codes := header.codes(keyword)) and all(codes):
            found[name] = "\\".join(codes)
    for keyword, name in NUMBERS.items():
        if numbers := header.numbers(keyword):
            found[name] = "\\".join(f"{number:g}" for number in numbers[:2])
    return found


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


def answer_from(headers: Sequence[DicomHeader], tag: str, name: str) -> tuple[str, ...]:
    """The reference and its aliases.

    Args:
        headers: of the images.
        tag: their modality.
        name: ``modality``, or a keyword.

    Raises:
        RowError: the headers do not say, or do not say the same.
    """
    if name == MODALITY:
        found = NAMES.get(tag, ())
        value: object = tag
    else:
        codes = dict.fromkeys(header.code(name) for header in headers)
        if len(codes) > 1:
            told = " | ".join(code or NOT_STATED for code in codes)
            raise RowError(name, told, "the headers of the images differ; the row is left out", "no_answer", True)
        code = next(iter(codes))
        is_side = name.endswith("Laterality")
        found = (_SIDES.get(code, "") if is_side else code,)
        value = code or None
    if not found or not found[0]:
        raise RowError(name, value, "the header has no answer; the image is left out", "no_answer", refused=True)
    return found
