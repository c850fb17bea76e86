from pathlib import Path

import pytest

from medix.policy.tiny import build_tiny


@pytest.fixture(scope="session")
def tiny_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained Qwen3-VL of some thousand parameters."""
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("policy"))
