"""One frame of a DICOM image as a picture of eight bits."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medix.data.grey_range import GreyRange
from medix.data.sources.dicom_header import DicomHeader, malformed, quiet
from medix.data.sources.dicom_lookup import LookupTable
from medix.data.sources.dicom_window import OF_FILE, LinearWindow, SigmoidWindow, WindowChoice
from medix.data.sources.source import RowError

_MONOCHROME = ("MONOCHROME1", "MONOCHROME2")
_WINDOWS: dict[str, tuple[Callable[[float, float], "Display"], float]] = {
    "LINEAR": (LinearWindow.of, 1.0),
    "LINEAR_EXACT": (LinearWindow.exact, 0.0),
    "SIGMOID": (SigmoidWindow, 0.0),
}
"""Window functions, and the width below which they are not defined."""

_FLUOROGRAPHIC = tuple(f"1.2.840.10008.5.1.4.1.1.12.{end}" for end in ("1", "1.1", "2", "2.1", "3"))
"""X-ray angiography and fluoroscopy, whose modality table leads back to the intensity of the rays and is not for
display (PS3.4 N.2.5)."""

_INDICES = np.arange(-(1 << 15), 1 << 17)
"""Every index of a palette: it begins at -2^15 to 2^16 - 1 and has up to 2^16 entries."""


@runtime_checkable
class Display(Protocol):
    """Turns values into a picture."""

    def eight_bits(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """The picture from 0 (black) to 255 (white)."""
        ...


class DicomPicture(NamedTuple):
    """A frame as it is shown.

    Attributes:
        image: of mode ``L`` or ``RGB``.
        window: which values are black and white, in words.
        kind: what decided that: ``file``, ``table``, ``chosen``, ``bits``, ``range`` or ``colour``.
        is_blank: whether a single shade is shown of pixels that differ, as by a window that none of them lies in.
    """

    image: Image.Image
    window: str
    kind: str
    is_blank: bool = False


@dataclass(frozen=True)
class DicomRenderer:
    """Shows frames: stored values, modality table or rescale, window, presentation, in this order (PS3.4 N.2.1).

    - The modality table or rescale slope and intercept of the file (of the frame, in enhanced objects) come first.
      Angiography's and fluoroscopy's table is left out, as the standard says.
    - The first value of a VOI table is signed or not as PS3.3 C.11.2.1.1 says (``_is_signed_after_modality``), that of
      a modality table and of a palette as PixelRepresentation does (C.11.1.1.1, C.7.6.3.1.5).
    - The window is the choice. A named window is applied to CT only, other modalities are shown with ``file``. ``file``
      takes the file's first VOI table, or its first window with its function. Without one that is valid, images of up
      to eight bits are shown over all of their bits, deeper ones over their range of values
      (``medix.data.grey_range``).
    - Images are inverted at the end, once, if they are ``MONOCHROME1`` or PresentationLUTShape is ``INVERSE``.
    - Padding (PixelPaddingValue up to PixelPaddingRangeLimit, and NaN) takes no part in the range and is black.
    - Palettes are applied. Colours deeper than eight bits keep the upper eight. Overlays, shutters, colour profiles
      and supplemental palettes are not drawn.

    Args:
        window: the choice.
    """

    window: WindowChoice = OF_FILE

    def render(self, header: DicomHeader, stored: NDArray[Any], photometric: str, tag: str) -> DicomPicture:
        """The picture of one frame.

        Args:
            header: of the frame.
            stored: decoded values, ``[height, width]`` or ``[height, width, 3]``.
            photometric: photometric interpretation of ``stored``.
            tag: modality, for named windows.

        Raises:
            RowError: the header does not say how it is shown, or no pixel has a value.
        """
        if photometric == "RGB" and stored.ndim == 3:
            return DicomPicture(_upper_bits(stored, header), "", "colour")
        if photometric == "PALETTE COLOR" and stored.ndim == 2:
            return DicomPicture(_palette(header, stored), "", "colour")
        if photometric not in _MONOCHROME or stored.ndim != 2:
            remedy = "this colour space is not supported; convert the file to RGB"
            raise RowError("PhotometricInterpretation", photometric, remedy, "unsupported")
        levels, places = _levels(stored)
        values = _modality_values(header, levels.astype(np.float64))
        is_padding = _padding(header, levels) | np.isnan(values)
        values[is_padding] = np.nan
        display, window, kind = self._display(header, lambda: values[places], tag)
        shades = display.eight_bits(np.where(is_padding, 0.0, values))
        if photometric == "MONOCHROME1" or header.code("PresentationLUTShape") == "INVERSE":
            shades = 255 - shades
        shades[is_padding] = 0
        shown = shades[places]
        seen = (shown, stored) if not is_padding.any() else (one[~is_padding[places]] for one in (shown, stored))
        ranges = [np.ptp(one) if one.size else 0 for one in seen]
        return DicomPicture(Image.fromarray(shown), window, kind, bool(ranges[0] == 0 and ranges[1] > 0))

    def _display(
        self, header: DicomHeader, values: Callable[[], NDArray[np.float64]], tag: str
    ) -> tuple[Display, str, str]:
        """What shows the values, in words, and what decided it.

        Args:
            header: of the frame.
            values: gives the values of all pixels, NaN for padding.
            tag: modality.
        """
        if self.window.numbers and (tag == "CT_SCAN" or not self.window.needs_hounsfield):
            if self.window.needs_hounsfield and header.number("RescaleSlope") is None:
                remedy = "without it values are not Hounsfield units; give --window file or CENTER/WIDTH"
                raise RowError("RescaleSlope", None, remedy, "no_rescale")
            return LinearWindow.of(*self.window.numbers), self.window.name, "chosen"
        if (found := _file_window(header)) is not None:
            return found
        bits = header.whole("BitsStored") or 16
        if bits <= 8 and not _is_rescaled(header):
            lowest, highest = _stored_range(header, bits)
            return LinearWindow(lowest, highest), f"{lowest}..{highest}", "bits"
        try:
            found_range = GreyRange.of(values())
        except ValueError as error:
            remedy = f"{error} that is not padding; leave the file out"
            raise RowError("PixelData", None, remedy, "no_values") from error
        return found_range, f"{found_range.low:g}..{found_range.high:g}", "range"


def _levels(stored: NDArray[Any]) -> tuple[NDArray[Any], Any]:
    """The values that may occur, and the index of each pixel among them: a table is shown faster than an image.

    Numbers that are not whole, or spread over more than 16 bits, are the image itself.
    """
    if stored.dtype.kind in "iu" and stored.size and (spread := int(stored.max()) - int(stored.min())) < 1 << 16:
        lowest = int(stored.min())
        return np.arange(lowest, lowest + spread + 1), stored.astype(np.intp) - lowest
    return stored, ...


def _modality_tables(header: DicomHeader) -> tuple[DicomHeader, ...]:
    return () if header.uid("SOPClassUID") in _FLUOROGRAPHIC else header.items("ModalityLUTSequence")


def _modality_values(header: DicomHeader, values: NDArray[np.float64]) -> NDArray[np.float64]:
    if tables := _modality_tables(header):
        table = LookupTable.of(tables[0], header.whole("PixelRepresentation") == 1, not header.is_little_endian)
        return table.apply(values).astype(np.float64)
    slope, intercept = _stated(header, "RescaleSlope"), _stated(header, "RescaleIntercept")
    if slope == 0:
        raise RowError("RescaleSlope", slope, "every pixel would have the same value; correct the header", "malformed")
    return values * (1.0 if slope is None else slope) + (intercept or 0.0)


def _stated(header: DicomHeader, keyword: str) -> float | None:
    """A number without which the values are others: one that cannot be read is not missing."""
    number = header.number(keyword)
    if number is None and header.is_filled(keyword):
        raise RowError(keyword, None, "it is no number; correct the header or leave the file out", "malformed")
    return number


def _is_rescaled(header: DicomHeader) -> bool:
    slope, intercept = header.number("RescaleSlope"), header.number("RescaleIntercept")
    return bool(header.items("ModalityLUTSequence")) or slope not in (None, 1) or intercept not in (None, 0)


def _is_signed_after_modality(header: DicomHeader, stated: str) -> bool:
    """Whether the first value that a VOI table maps is signed (PS3.3 C.11.2.1.1).

    It is as PixelRepresentation says if there is neither a modality table nor a rescale, signed if the possible range
    of values after the rescale has negative ones, as Hounsfield units always do, and unsigned otherwise. What the file
    states decides where the range has room for both readings.

    Args:
        header: of the frame.
        stated: ``US`` or ``SS``, the type of the description in the file; empty if it states none.
    """
    if _modality_tables(header):
        return False
    lowest, highest = _stored_range(header, 16)
    slope, intercept = header.number("RescaleSlope"), header.number("RescaleIntercept")
    if slope is None and intercept is None:
        return lowest < 0
    ends = sorted(end * (1.0 if slope is None else slope) + (intercept or 0.0) for end in (lowest, highest))
    if header.code("RescaleType") == "HU":
        return True
    return ends[0] < 0 and (ends[1] < 1 << 15 or stated != "US")


def _stored_range(header: DicomHeader, default: int) -> tuple[int, int]:
    """The lowest and the highest value of the bits of a pixel, of which there are ``default`` if not stated."""
    bits = header.whole("BitsStored") or default
    lowest = -(1 << (bits - 1)) if header.whole("PixelRepresentation") == 1 else 0
    return lowest, lowest + (1 << bits) - 1


def _file_window(header: DicomHeader) -> tuple[Display, str, str] | None:
    """The window of the file, in words, and what it is; None if it has none that is valid."""
    tables = header.items("VOILUTSequence")
    if tables:
        is_signed = _is_signed_after_modality(header, tables[0].explicit_type("LUTDescriptor"))
        try:
            return LookupTable.of(tables[0], is_signed, not header.is_little_endian), "table of the file", "table"
        except RowError:
            pass  # a window may stand beside it
    center, width = header.number("WindowCenter"), header.number("WindowWidth")
    function = header.code("VOILUTFunction") or "LINEAR"
    make, least = _WINDOWS.get(function, (LinearWindow.of, np.inf))
    if center is None or width is None or width < least or width <= 0:
        return None
    return make(center, width), f"{center:g}/{width:g} {function}", "file"


def _padding(header: DicomHeader, stored: NDArray[Any]) -> NDArray[np.bool_]:
    """Where pixels are padding (PS3.3 C.7.5.1.1.2)."""
    first = header.whole("PixelPaddingValue")
    _stated(header, "PixelPaddingValue")
    if first is None or stored.dtype.kind not in "iu":
        return np.zeros(stored.shape, np.bool_)
    last = header.whole("PixelPaddingRangeLimit")
    ends = sorted(_signed(one, header) for one in (first, first if last is None else last))
    return (stored >= ends[0]) & (stored <= ends[1])


def _signed(value: int, header: DicomHeader) -> int:
    """A value of 16 bits with the sign of the pixels: files state it as unsigned where pixels are signed, too."""
    is_signed = header.whole("PixelRepresentation") == 1
    return value - (1 << 16) if is_signed and value >= 1 << 15 else value


def _upper_bits(stored: NDArray[Any], header: DicomHeader) -> Image.Image:
    bits = header.whole("BitsStored") or stored.dtype.itemsize * 8
    if stored.dtype.kind != "u" or bits > 32:
        remedy = "colours are unsigned numbers of up to 32 bits; convert the file"
        raise RowError("PixelRepresentation", str(stored.dtype), remedy, "unsupported")
    shown = stored >> (bits - 8) if bits > 8 else stored
    return Image.fromarray(np.ascontiguousarray(np.minimum(shown, 255).astype(np.uint8)))


def _palette(header: DicomHeader, stored: NDArray[Any]) -> Image.Image:
    if header.has("SegmentedRedPaletteColorLookupTableData"):
        from pydicom.pixels.processing import apply_color_lut

        try:
            with quiet():
                every = apply_color_lut(_INDICES, header.dataset)[..., :3]
                return _eight(apply_color_lut(stored, header.dataset)[..., :3], int(every.max()))
        except malformed() as error:
            remedy = f"it cannot be read ({error}); correct the header or leave the file out"
            raise RowError("SegmentedRedPaletteColorLookupTableData", "", remedy, "malformed") from error
    is_signed = header.whole("PixelRepresentation") == 1
    colours = [
        LookupTable.of(header, is_signed, not header.is_little_endian, f"{name}PaletteColorLookupTable")
        for name in ("Red", "Green", "Blue")
    ]
    highest = max(int(colour.entries.max()) for colour in colours)
    return _eight(np.stack([colour.apply(stored) for colour in colours], axis=-1), highest)


def _eight(colours: NDArray[np.integer], highest: int) -> Image.Image:
    """Colours of up to 16 bits, in eight.

    Args:
        colours: ``[height, width, 3]``.
        highest: in the whole palette, used or not; files that state 16 bits and go up to 255 use the lower eight.
    """
    shown = colours >> 8 if highest > 255 else colours
    return Image.fromarray(np.ascontiguousarray(shown.astype(np.uint8)))
