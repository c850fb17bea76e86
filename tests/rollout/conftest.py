"""Tiny models, made once for the tests of engines."""

from pathlib import Path

import pytest

from medix.policy.tiny import build_tiny
from tests.support.tiny import ARCHITECTURES


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the four architectures."""
    return {name: build_tiny(name, tmp_path_factory.mktemp(name)) for name in ARCHITECTURES}
