"""One picture from a file: what ``medix.data.picture`` decodes, or a frame of a DICOM file."""

from pathlib import Path

from medix.data.picture import PictureError, open_picture, png
from medix.data.sources.dicom_window import OF_FILE, WindowChoice

_MARK = slice(128, 132)
_SUFFIXES = (".dcm", ".dicom", ".ima")


def read_picture(path: Path, window: WindowChoice = OF_FILE, frame: int | None = None) -> bytes:
    """The encoded picture: a file as it is, a DICOM frame as PNG, shown as ``shards build --from dicom`` shows it.

    Nothing of a DICOM header goes on, and errors repeat none of it. Whether text is burned into the pixels is not
    checked: who asks about a picture has it before their eyes.

    Args:
        path: the file.
        window: which values of a DICOM image are black and white.
        frame: of a DICOM file, counted from 0; None takes the one in the middle.

    Raises:
        PictureError: it is no picture, or cannot be decoded.
        ValueError: ``frame`` is given for another kind of file.
    """
    data = path.read_bytes()
    if data[_MARK] == b"DICM" or path.suffix.lower() in _SUFFIXES:
        return _dicom(path, window, frame)
    if frame is not None or window != OF_FILE:
        raise ValueError(
            f"{path}: is no DICOM file, which alone have frames and windows; leave --frame and --window out"
        )
    try:
        open_picture(data)
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from error
    return data


def _dicom(path: Path, window: WindowChoice, frame: int | None) -> bytes:
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise ValueError(f"{path}: DICOM files need pydicom; pip install 'medix-rl[dicom]'") from error
    from medix.data.sources.dicom_decode import decode
    from medix.data.sources.dicom_file import check_image, read_header
    from medix.data.sources.dicom_header import DicomHeader
    from medix.data.sources.dicom_modality import DicomModality
    from medix.data.sources.dicom_picture import DicomRenderer
    from medix.data.sources.dicom_series import MIDDLE
    from medix.data.sources.source import RowError

    try:
        header = read_header(path, with_pixels=True)
        check_image(header)
        if frame is not None and not 0 <= frame < header.frames:
            raise ValueError(f"--frame {frame}: {path} has frames 0 to {header.frames - 1}")
        (decoded,) = decode(path, header, MIDDLE.of(header.frames) if frame is None else [frame])
        tag = DicomModality.of(header).tag
        own = DicomHeader(header.dataset, decoded.index)
        return png(DicomRenderer(window).render(own, decoded.values, decoded.photometric, tag).image)
    except RowError as error:
        said = error.remedy.partition(" (")[0]  # what follows may repeat what stands in the file
        raise PictureError(f"{path}: {error.key}: {said}") from error
