"""Seeds, no network, no environment that leaks; medix is imported lazily, after the jaxtyping hook."""

import gc
import os
import signal
import socket
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import tests.support.typecheck  # noqa: F401  # the jaxtyping hook looks it up by its dotted name
from tests.support import order, requirements

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # by a shell that starts the tests in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # a GPU must not change what a test of arithmetic sees

settings.register_profile("medix", deadline=None, derandomize=True, max_examples=50)
settings.register_profile("fuzz", deadline=None, derandomize=False, max_examples=5_000)  # see SECURITY.md
settings.load_profile("medix")

GOLDEN = Path(__file__).parent / "golden"


def pytest_configure(config: pytest.Config) -> None:
    requirements.register(config)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Imports leave no garbage, and no later collection goes through the million objects that they leave."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_report_header() -> list[str]:
    return requirements.header()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items[:], left = requirements.select(items)
    if left:
        config.hook.pytest_deselected(items=left)
    items.sort(key=lambda item: order.rank(item.path))


def pytest_runtest_setup(item: pytest.Item) -> None:
    requirements.check(item)


@pytest.fixture(scope="session")
def tiny_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained Qwen3-VL of some thousand parameters."""
    from medix.policy.tiny import build_tiny

    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("policy"))


@pytest.fixture(autouse=True, scope="module")
def modules_of_temporary_folders_are_forgotten(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two test files may both write a ``my_rewards.py``; a worker that runs both must not import the first twice."""
    yield
    base = f"{tmp_path_factory.getbasetemp()}{os.sep}"  # as text: there are thousands of modules
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(base):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def seeded() -> None:
    import random

    import numpy as np
    import torch

    random.seed(0)
    np.random.seed(0)
    torch.default_generator.manual_seed(0)  # torch.manual_seed keeps a stack trace of each call for a GPU's start


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only loopback and local sockets may be reached."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family != socket.AF_UNIX and str(address[0]) not in {"127.0.0.1", "::1", "localhost"}:  # type: ignore[index]
            raise RuntimeError(f"a test reached for the network: {address}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def environment_is_left_alone() -> Iterator[None]:
    before = dict(os.environ)
    yield
    allowed = {"PYTEST_CURRENT_TEST"}
    leaked = {k for k in before.keys() | os.environ.keys() if before.get(k) != os.environ.get(k)} - allowed
    for name in leaked:
        if name in before:
            os.environ[name] = before[name]
        else:
            del os.environ[name]
