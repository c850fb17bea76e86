"""The row of ``tools.bench_shards`` on DICOM: reading files beside bare pydicom.

Single-frame CT files of 12 bits are generated in a temporary folder, one set per transfer syntax, and read once before
anything is timed. Then the sides take turns, in seconds of CPU, which other programs on the machine disturb least:

- ``pydicom``: ``dcmread(path).pixel_array``, nothing else;
- ``shown``: header, checks, decoding, rescale and window to eight bits, as ``DicomSource`` does it;
- ``stored``: the whole sample, with its PNG.

``ratio_shown`` and ``ratio_stored`` are medians over the rounds of that side's rate divided by that of pydicom in the
same round. ``headers`` is files per second when rows are enumerated.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless
from rich.console import Console
from rich.table import Table

from medix.data.sources.dicom import DicomSource
from medix.data.sources.dicom_decode import decode
from medix.data.sources.dicom_file import check_image, read_header
from medix.data.sources.dicom_picture import DicomRenderer
from medix.data.sources.dicom_pseudonyms import Pseudonyms

SYNTAXES = {
    "uncompressed": ExplicitVRLittleEndian,
    "RLE": RLELossless,
    "JPEG-LS": JPEGLSLossless,
    "JPEG 2000": JPEG2000Lossless,
}
_CT = "1.2.840.10008.5.1.4.1.1.2"


def measured(files: int, size: int, rounds: int) -> dict[str, Any]:
    """Files per second of CPU of each side, and their ratios, by transfer syntax.

    Args:
        files: number of files of each transfer syntax.
        size: side of an image in pixels.
        rounds: how often the sides take turns.
    """
    found: dict[str, Any] = {"files": files, "size": size, "rounds": rounds}
    with tempfile.TemporaryDirectory() as folder:
        for name, syntax in SYNTAXES.items():
            root = Path(folder) / name
            root.mkdir()
            paths = [write(root / f"{number}", syntax, size, number) for number in range(files)]
            found[name] = compared(_sides(root, paths), files, rounds)
    return found


def _sides(root: Path, paths: Sequence[Path]) -> dict[str, Callable[[], Any]]:
    source = DicomSource(root, Pseudonyms("a secret"), question="Which?", answer="modality")
    rows = list(source.rows())
    return {
        "pydicom": lambda: [pydicom.dcmread(path).pixel_array for path in paths],
        "shown": lambda: [shown(path) for path in paths],
        "stored": lambda: [source.sample(row) for row in rows],
        "headers": lambda: list(replace(source.folder, _known={}).entries()),
    }


def write(path: Path, syntax: UID, size: int, number: int) -> Path:
    """A CT slice of a disk and noise; each is a series of its own."""
    random = np.random.default_rng(number)
    distance = np.hypot(*np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j])
    values = np.where(distance < 0.8, 1064, 24) + random.normal(0, 12, (size, size))
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID, made.Modality, made.PatientID = _CT, "CT", str(number)
    made.SOPInstanceUID, made.StudyInstanceUID, made.SeriesInstanceUID = (f"1.2.{kind}.{number}" for kind in (1, 2, 3))
    made.Rows, made.Columns, made.SamplesPerPixel = size, size, 1
    made.PhotometricInterpretation, made.PixelRepresentation = "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made.RescaleSlope, made.RescaleIntercept = "1", "-1024"
    made.WindowCenter, made.WindowWidth = "40", "400"
    made.PixelData = values.clip(0, 4095).astype(np.uint16).tobytes()
    made["PixelData"].VR = "OW"
    if syntax != ExplicitVRLittleEndian:
        made.compress(syntax, generate_instance_uid=False)
    made.save_as(path, enforce_file_format=True)
    return path


def shown(path: Path) -> Any:
    """The picture of a file."""
    header = read_header(path, with_pixels=True)
    check_image(header)
    (frame,) = decode(path, header, [0])
    return DicomRenderer().render(header, frame.values, frame.photometric, "CT_SCAN")


def compared(sides: dict[str, Callable[[], Any]], files: int, rounds: int) -> dict[str, float]:
    """Files per second of CPU of each side, medians over the rounds, and ratios to the first side."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for read in sides.values():
        read()
    for _ in range(rounds):
        for name, read in sides.items():
            start = time.process_time()
            read()
            rates[name].append(files / (time.process_time() - start))
    found = {name: statistics.median(of) for name, of in rates.items()}
    for name in ("shown", "stored"):
        pairs = zip(rates[name], rates["pydicom"], strict=True)
        found[f"ratio_{name}"] = statistics.median(mine / bare for mine, bare in pairs)
    return found


def show(found: dict[str, Any]) -> None:
    """Print the numbers."""
    names = ("pydicom", "shown", "stored", "headers", "ratio_shown", "ratio_stored")
    table = Table(title=f"DICOM files/s of CPU, {found['size']} x {found['size']}", title_justify="left")
    table.add_column("transfer syntax")
    for name in names:
        table.add_column(name, justify="right")
    for syntax in SYNTAXES:
        numbers = [found[syntax][name] for name in names]
        table.add_row(syntax, *(f"{one:.2f}" if one < 10 else f"{one:.0f}" for one in numbers))
    Console(highlight=False, width=110).print(table)
