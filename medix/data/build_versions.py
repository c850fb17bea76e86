"""Versions of the programs that the bytes of shards depend on."""

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version

from PIL import features

from medix import __version__

_PACKAGES = (
    "numpy", "Pillow", "webdataset", "pyarrow", "datasets", "pydicom", "pylibjpeg", "pylibjpeg-openjpeg",
    "pylibjpeg-libjpeg", "pyjpegls", "python-gdcm",
)  # fmt: skip
"""What reads rows, decodes images and writes them, if it is installed: a row may be decoded by what is added later."""

_LIBRARIES = ("libjpeg_turbo", "jpg", "jpg_2000", "libtiff", "webp", "avif", "zlib")
"""Libraries of Pillow, which is also built with others than those of its wheels."""


def versions() -> dict[str, str]:
    """Version of each program by its name, without those that are not installed."""
    libraries = {f"Pillow's {name}": str(found) for name in _LIBRARIES if (found := features.version(name))}
    return {"medix": __version__, **dict(_installed()), **libraries}


def difference(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """What changed, in words; empty if nothing did."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    return ", ".join(f"{name} ({before.get(name, 'none')} before, now {now.get(name, 'none')})" for name in names)


def _installed() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            continue
