"""What vLLM calls as it starts."""

import sys
from importlib.metadata import entry_points
from types import ModuleType
from typing import ClassVar

import pytest

from medix.rollout.serving.plugin import BACKEND, register


class Factory:
    _registry: ClassVar[dict[str, tuple[str, str]]] = {}

    @classmethod
    def register_engine(cls, name: str, module: str, engine: str) -> None:
        if name in cls._registry:
            raise ValueError("already registered")
        cls._registry[name] = (module, engine)


def test_the_receiver_is_registered_once_by_the_name_of_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("vllm.distributed.weight_transfer.factory")
    module.WeightTransferEngineFactory = Factory  # type: ignore[attr-defined]
    for name in ("vllm", "vllm.distributed", "vllm.distributed.weight_transfer"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    register()
    register()  # vLLM may call it twice
    assert Factory._registry == {BACKEND: ("medix.rollout.serving.folder_receiver", "FolderReceiver")}


def test_the_package_names_it_to_vllm() -> None:
    """Fails where the package was installed before the plugin came: install it again."""
    found = [point.value for point in entry_points(group="vllm.general_plugins") if point.name == "medix"]
    assert set(found) == {"medix.rollout.serving.plugin:register"}
