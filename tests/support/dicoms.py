"""Small DICOM files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from medix.data.sources.dicom_decode import decode
from medix.data.sources.dicom_file import check_image, read_header
from medix.data.sources.dicom_header import DicomHeader
from medix.data.sources.source import RowError

CT = "1.2.840.10008.5.1.4.1.1.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6.1"


def dataset(pixels: Any = ((0, 1), (2, 3)), **elements: Any) -> Dataset:
    """A CT image of the given values; further elements by keyword, those that are None are left out."""
    values = np.asarray(pixels)
    if values.dtype == np.int64:
        values = values.astype(np.int16 if values.min() < 0 else np.uint16)
    shape = values.shape[:-1] if values.shape[-1] == 3 and values.ndim > 2 else values.shape
    bits = values.dtype.itemsize * 8
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    given = {
        "SOPClassUID": CT,
        "SOPInstanceUID": "1.2.3.4",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.1",
        "PatientID": "MRN 4711",
        "PatientName": "Doe^Jane",
        "Modality": "CT",
        "Rows": shape[-2],
        "Columns": shape[-1],
        "SamplesPerPixel": 1 if shape == values.shape else 3,
        "PhotometricInterpretation": "MONOCHROME2" if shape == values.shape else "RGB",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": (elements.get("BitsStored") or bits) - 1,
        "PixelRepresentation": int(values.dtype.kind == "i"),
        "NumberOfFrames": shape[0] if len(shape) == 3 else None,
        "PlanarConfiguration": None if shape == values.shape else 0,
        "PixelData": values.tobytes(),
        **elements,
    }
    for keyword, value in given.items():
        if value is not None:
            setattr(made, keyword, value)
    if "PixelData" in made:
        made["PixelData"].VR = "OB" if bits == 8 else "OW"
    made.file_meta.MediaStorageSOPClassUID = UID(made.SOPClassUID)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    return made


def item(**elements: Any) -> Dataset:
    """An item of a sequence."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def header(pixels: Any = ((0, 1), (2, 3)), **elements: Any) -> DicomHeader:
    """The header of such an image."""
    return DicomHeader(dataset(pixels, **elements))


def write(path: Path, pixels: Any = ((0, 1), (2, 3)), **elements: Any) -> Path:
    """Write such an image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset(pixels, **elements).save_as(path, enforce_file_format=True)
    return path


def fault(path: Path, *frames: int) -> RowError:
    """Why frames of a file cannot be decoded."""

    def read() -> None:
        found = read_header(path, with_pixels=True)
        check_image(found, len(frames or (0,)))
        list(decode(path, found, frames or (0,)))

    with pytest.raises(RowError) as caught:
        read()
    return caught.value
