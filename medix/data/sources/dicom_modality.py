"""The modality tag of a DICOM image."""

from dataclasses import dataclass
from typing import Literal

from medix.data.sources.dicom_header import DicomHeader
from medix.data.sources.source import RowError

_CODES = {
    "X_RAY": "CR DX RG PX IO RTIMAGE",
    "MICROSCOPY": "SM GM CFM DM",
    "CLINICAL_PHOTOGRAPHY": "XC DMS",
    "CT_SCAN": "CT",
    "ANGIOGRAPHY": "XA DS",
    "PET_SCAN": "PT",
    "ULTRASOUND": "US IVUS BDUS EC CD DD",
    "MRI_SCAN": "MR MA",
    "FUNDUS_PHOTOGRAPHY": "OP FS FA",
    "OCT_SCAN": "OCT OPT OPTBSV OPTENF IVOCT",
    "ENDOSCOPY": "ES LP CP CS AS",
    "MAMMOGRAPHY": "MG",
    "FLUOROSCOPY": "RF DF VF CF",
    "SPECT": "ST",
    "GRAPHICS": "ECG EEG EMG EOG EPS HD RESP AU",
    "OTHER": "OT BI BMD DG PA TG LS OSS HC M3D TEXTUREMAP SMR OAM OPM OPV LEN KER AR SRF VA IOL MS OPR NM",
}
TAG_OF_CODE = {code: tag for tag, codes in _CODES.items() for code in codes.split()}
"""Tag of each code of Modality (0008,0060): those of PS3.16 CID 29, 32 and 33, and the retired ones of PS3.3
C.7.3.1.1.1. ``NM`` is planar scintigraphy unless ImageType says that it is tomographic."""

NO_IMAGE = {
    "SR", "KO", "PR", "SEG", "REG", "RTDOSE", "RTPLAN", "RTSTRUCT", "RTRECORD", "RTINTENT", "RTRAD", "RTSEGANN", "DOC",
    "PLAN", "FID", "RWV", "ASMT", "CTPROTOCOL", "XAPROTOCOL", "STAIN", "POS", "ANN",
}  # fmt: skip
"""Codes of objects that are no images, or whose pixels were computed from those of others: segmentations, doses."""

_TOMOGRAPHIC = ("TOMO", "RECON TOMO", "GATED TOMO", "RECON GATED TOMO")
_ANTERIOR = {
    "28726007", "29445007", "31636006", "41296002", "78076003", "80243003", "18619003",
    "T-AA200", "T-AA860", "T-AA050", "T-AA500", "T-AA700", "T-AA810", "T-AA110",
}  # fmt: skip
"""Cornea, conjunctiva, anterior chamber, iris, lens, eyelid and sclera (PS3.16 CID 4209), in SNOMED CT and SRT."""

_STORAGE = "1.2.840.10008.5.1.4.1.1."
_SOP_CLASSES = {
    "X_RAY": "1 1.1 1.1.1 1.3 1.3.1 481.1 481.23 481.24",
    "MAMMOGRAPHY": "1.2 1.2.1 13.1.3 13.1.4 13.1.5",
    "CT_SCAN": "2 2.1 2.2",
    "ULTRASOUND": "3 3.1 6 6.1 6.2",
    "MRI_SCAN": "4 4.1 4.3 4.4",
    "ANGIOGRAPHY": "12.1 12.1.1 12.3 13.1.1",
    "FLUOROSCOPY": "12.2 12.2.1",
    "PET_SCAN": "128 128.1 130",
    "ENDOSCOPY": "77.1.1 77.1.1.1",
    "MICROSCOPY": "77.1.2 77.1.2.1 77.1.3 77.1.6 77.1.8 77.1.9",
    "CLINICAL_PHOTOGRAPHY": "77.1.4 77.1.4.1 77.1.7",
    "FUNDUS_PHOTOGRAPHY": "77.1.5.1 77.1.5.2 77.1.5.5 77.1.5.6",
    "OCT_SCAN": "77.1.5.4 77.1.5.7 77.1.5.8 14.1 14.2",
}
TAG_OF_SOP_CLASS = {f"{_STORAGE}{end}": tag for tag, ends in _SOP_CLASSES.items() for end in ends.split()}
"""Tag of each SOP class of images of one modality (PS3.4 B.5)."""

_NUCLEAR = f"{_STORAGE}20"
_SECONDARY_CAPTURE = f"{_STORAGE}7"
_DERIVED = {f"{_STORAGE}66.4": "SEG", f"{_STORAGE}481.2": "RTDOSE"}
_PROJECTIONS = {"X_RAY", "MAMMOGRAPHY", "FLUOROSCOPY", "ANGIOGRAPHY"}


def is_secondary_capture(header: DicomHeader) -> bool:
    """Whether an image is a copy of a screen or of a film, of one frame or of several."""
    sop_class = header.uid("SOPClassUID")
    return sop_class == _SECONDARY_CAPTURE or sop_class.startswith(f"{_SECONDARY_CAPTURE}.")


@dataclass(frozen=True, slots=True)
class DicomModality:
    """The modality of an image.

    Attributes:
        tag: the tag.
        by: what it comes from: the code of Modality, the SOP class, or nothing.
    """

    tag: str
    by: Literal["modality", "sop_class", "unknown"]

    @classmethod
    def of(cls, header: DicomHeader) -> "DicomModality":
        """The modality that a header states.

        The code of Modality decides. Where it is missing, is none of the standard's, or is ``OT``, the SOP class does;
        where that belongs to no modality either, the tag is ``OTHER``. ImageType, the body part and the anatomic region
        tell apart what shares a code: planar and tomographic nuclear medicine, CT slices and their localizers (which
        are projections), radiographs and mammograms, photographs of the fundus and of the front of the eye.

        Raises:
            RowError: it is an object without an image of its own, or code and SOP class contradict each other.
        """
        code, sop_class = header.code("Modality"), header.uid("SOPClassUID")
        if code in NO_IMAGE or sop_class in _DERIVED:
            remedy = "objects of this kind hold no image of their own; leave the file out"
            raise RowError("Modality", _DERIVED.get(sop_class, code), remedy, "not_an_image", refused=True)
        stated, stored = TAG_OF_CODE.get(code), TAG_OF_SOP_CLASS.get(sop_class)
        if sop_class == _NUCLEAR and code in ("", "NM", "OT"):
            return cls(_nuclear(header), "modality" if code == "NM" else "sop_class")
        if stated is not None and code != "OT":
            _check(code, stated, sop_class, stored)
            return cls(_refined(header, code, stated), "modality")
        if stored is not None:
            return cls(_refined(header, "", stored), "sop_class")
        return cls("OTHER", "modality" if code == "OT" else "unknown")


def _check(code: str, stated: str, sop_class: str, stored: str | None) -> None:
    """Refuse a code that the SOP class contradicts; projections may be stored as one another."""
    if stored in (None, stated) or stated == "OTHER" or {stored, stated} <= _PROJECTIONS:
        return
    from pydicom.uid import UID

    remedy = f"the SOP class is {UID(sop_class).name}; correct the header, or say which it is with --modality"
    raise RowError("Modality", code, remedy, "contradiction")


def _refined(header: DicomHeader, code: str, tag: str) -> str:
    if code == "NM":
        return _nuclear(header)
    if tag == "CT_SCAN" and header.codes("ImageType")[2:3] == ("LOCALIZER",):
        return "X_RAY"
    if tag == "X_RAY" and header.code("BodyPartExamined") == "BREAST":
        return "MAMMOGRAPHY"
    if tag == "FUNDUS_PHOTOGRAPHY" and _regions(header) & _ANTERIOR:
        return "CLINICAL_PHOTOGRAPHY"
    return tag


def _nuclear(header: DicomHeader) -> str:
    return "SPECT" if header.codes("ImageType")[2:3] and header.codes("ImageType")[2] in _TOMOGRAPHIC else "OTHER"


def _regions(header: DicomHeader) -> set[str]:
    return {item.text("CodeValue") for item in header.items("AnatomicRegionSequence")}
