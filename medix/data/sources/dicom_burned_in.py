"""Text that is burned into the pixels of a DICOM image, such as a patient's name."""

from dataclasses import dataclass

from medix.data.sources.dicom_header import DicomHeader
from medix.data.sources.dicom_modality import is_secondary_capture
from medix.data.sources.source import RowError

_TAGS = ("ULTRASOUND", "CLINICAL_PHOTOGRAPHY", "ENDOSCOPY", "OTHER")

NOT_STATED = "not stated"
"""What metadata say of a field that a header does not have."""


@dataclass(frozen=True)
class BurnedInText:
    """Decides by the header whether an image may be used; nothing here looks at the pixels.

    BurnedInAnnotation (0028,0301) ``YES`` is refused. Where it is missing or says anything but ``YES`` or ``NO``, the
    image is refused if it is an ultrasound, a photograph, an endoscopy, of unknown modality, or a secondary capture,
    which show names more often than not; others are accepted as ``not stated``. De-identified headers do not change
    that: the basic profile of PS3.15 does not touch pixels.

    Args:
        pixels_clean: who looked at the pixels and found no identities in them; then every image is accepted.
    """

    pixels_clean: str = ""

    def check(self, header: DicomHeader, tag: str) -> str:
        """What is known: ``none``, ``not stated``, or ``looked at``, where only the person vouches for the pixels.

        Raises:
            RowError: the image is refused.
        """
        stated = header.code("BurnedInAnnotation")
        is_capture = is_secondary_capture(header)
        if stated == "NO":
            return "none"
        if stated != "YES" and tag not in _TAGS and not is_capture:
            return NOT_STATED
        if self.pixels_clean:
            return "looked at"
        why = "the header says so" if stated == "YES" else f"the header does not say, and {_kind(tag, is_capture)} do"
        remedy = f"names may stand in the pixels ({why}); look at them, then give --pixels-clean WHO"
        raise RowError("BurnedInAnnotation", stated or None, remedy, "burned_in", refused=True)

    def statement(self, deidentification: str) -> str:
        """The statement on identities of a manifest, with who looked at the pixels."""
        if not self.pixels_clean:
            return deidentification
        return f"{deidentification}; pixels looked at for burned-in text by {self.pixels_clean}"


def _kind(tag: str, is_capture: bool) -> str:
    return "secondary captures often" if is_capture else f"images of {tag} often"


NOBODY_LOOKED = BurnedInText()
"""What the header says decides."""
