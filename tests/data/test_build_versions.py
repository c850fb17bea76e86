import numpy as np
import PIL
import pydicom

from medix import __version__
from medix.data.build_versions import difference, versions


def test_what_is_installed_has_its_version() -> None:
    found = versions()
    assert (found["medix"], found["numpy"], found["Pillow"]) == (__version__, np.__version__, PIL.__version__)
    assert found["pydicom"] == pydicom.__version__
    assert {"python-gdcm", "pyjpegls", "Pillow's libjpeg_turbo", "Pillow's zlib"} <= found.keys()
    assert difference(found, versions()) == ""


def test_what_changed_is_named() -> None:
    before, now = {"numpy": "1", "Pillow": "2", "old": "3"}, {"numpy": "1", "Pillow": "4", "new": "5"}
    assert difference(before, now) == "Pillow (2 before, now 4), old (3 before, now none), new (none before, now 5)"
