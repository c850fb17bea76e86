"""The server's side of weights in a folder, around a stand-in for vLLM's classes."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from medix.rollout.serving.weight_folder import WeightFileError, WeightFolder
from medix.rollout.vllm_sampling import LOGITS_PROCESSOR, LOGPROBS_MODE

WEIGHTS = {"a": torch.ones(2), "b": torch.zeros(3)}
SIZES = {"hidden_size": 8}


class Engine:
    """What vLLM's base class keeps."""

    def __init__(self, model: Any, quantization: str | None = None, **settings: Any) -> None:
        self.model = model
        self.device = torch.device("cpu")
        self.model_config = SimpleNamespace(
            hf_config=SimpleNamespace(hidden_size=8),
            quantization=quantization,
            **{
                "logprobs_mode": LOGPROBS_MODE,
                "logits_processors": [LOGITS_PROCESSOR],
                "multimodal_config": SimpleNamespace(mm_device_do_normalize=False),
            }
            | settings,
        )


class Experts(torch.nn.Module):
    """Experts of vLLM, which no model here has."""


class Head(torch.nn.Module):
    """A head of vLLM's CPU build."""

    def __init__(self, calls: list[str]) -> None:
        super().__init__()
        self.calls = calls

    @property
    def quant_method(self) -> Any:
        return SimpleNamespace(process_weights_after_loading=lambda layer: self.calls.append("head"))


class Model(torch.nn.Module):
    def __init__(self, *names: str, head: Head | None = None) -> None:
        super().__init__()
        self.names = names
        self.head = head
        self.loaded: dict[str, Any] = {}

    def named_parameters(self, *_: Any) -> Any:
        return [(name, None) for name in self.names]

    def load_weights(self, weights: Any) -> set[str]:
        self.loaded = dict(weights)
        return set(self.loaded)


@pytest.fixture
def calls() -> list[str]:
    return []


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, calls: list[str]) -> Iterator[Any]:
    """The module, imported with stand-ins."""
    contents: dict[str, dict[str, Any]] = {
        "vllm.distributed.weight_transfer.base": {
            "WeightTransferEngine": Engine,
            "WeightTransferInitInfo": object,
            "WeightTransferUpdateInfo": object,
        },
        "vllm.model_executor.model_loader.reload": {
            "initialize_layerwise_reload": lambda model: calls.append("begin"),
            "finalize_layerwise_reload": lambda model, config: calls.append("end"),
        },
        "vllm.model_executor.layers.vocab_parallel_embedding": {"ParallelLMHead": Head},
        "vllm.model_executor.layers.fused_moe.routed_experts": {"RoutedExperts": Experts},
        "vllm.model_executor.model_loader.mtp_validation": {"disable_mtp_completeness_check": nullcontext},
    }
    for full, names in contents.items():
        for end in range(1, full.count(".") + 2):
            name = ".".join(full.split(".")[:end])
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        sys.modules[full].__dict__.update(names)
    name = "medix.rollout.serving.folder_receiver"
    sys.modules.pop(name, None)
    yield importlib.import_module(name)
    sys.modules.pop(name, None)


def update(receiver: Any, folder: Path, sizes: dict[str, int] = SIZES) -> Any:
    files = WeightFolder(folder).write("v", WEIGHTS.items())
    return receiver.FolderUpdate([asdict(file) for file in files], sizes)


def test_whole_weights_are_loaded_between_beginning_and_end(receiver: Any, calls: list[str], tmp_path: Path) -> None:
    model = Model("a", "b", head=Head(calls))
    engine = receiver.FolderReceiver(model)
    engine.init_transfer_engine(receiver.FolderInit())
    engine.start_weight_update()
    engine.receive_weights(update(receiver, tmp_path))
    engine.finish_weight_update()
    engine.shutdown()
    assert calls == ["begin", "end", "head"]
    assert all(torch.equal(model.loaded[name], weight) for name, weight in WEIGHTS.items())


def test_a_model_of_another_size_is_refused_untouched(receiver: Any, calls: list[str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"hidden_size is 8 here and 16 there; start it with --model"):
        receiver.FolderReceiver(Model("a", "b")).receive_weights(update(receiver, tmp_path, {"hidden_size": 16}))
    assert calls == []


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"logprobs_mode": "raw_logprobs"}, "--logprobs-mode processed_logits;"),
        ({"logits_processors": None}, "--logits-processors medix"),
        ({"multimodal_config": SimpleNamespace(mm_device_do_normalize=True)}, "--no-mm-device-do-normalize"),
    ],
)
def test_a_server_that_was_started_another_way_is_refused(
    setting: dict[str, Any], told: str, receiver: Any, calls: list[str], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=f"started without {told}.*python -m medix rollout serve"):
        receiver.FolderReceiver(Model("a", "b"), **setting).receive_weights(update(receiver, tmp_path))
    assert calls == []


def test_a_damaged_file_is_refused_untouched(receiver: Any, calls: list[str], tmp_path: Path) -> None:
    info = update(receiver, tmp_path)
    Path(info.files[0]["path"]).write_bytes(b"half")
    with pytest.raises(WeightFileError):
        receiver.FolderReceiver(Model("a", "b")).receive_weights(info)
    assert calls == []


def test_a_parameter_without_weights_is_an_error(receiver: Any, calls: list[str], tmp_path: Path) -> None:
    """vLLM itself would keep the old weights of it, and warn."""
    with pytest.raises(ValueError, match=r"no weights for 1 of the 3 parameters .*such as c;"):
        receiver.FolderReceiver(Model("a", "b", "c")).receive_weights(update(receiver, tmp_path))
    assert calls == ["begin", "end"]


def test_quantised_layers_may_hold_what_no_folder_names(receiver: Any, tmp_path: Path) -> None:
    receiver.FolderReceiver(Model("a", "b", "scale"), "fp8").receive_weights(update(receiver, tmp_path))


def test_weights_that_were_rounded_for_narrower_servers_are_refused_untouched(
    receiver: Any, calls: list[str], tmp_path: Path
) -> None:
    """A server in float32 that comes back when the others are in bfloat16."""
    info = update(receiver, tmp_path)
    info.narrowed_to = "bfloat16"
    with pytest.raises(ValueError, match=r"published in bfloat16.*this server computes in float32"):
        receiver.FolderReceiver(Model("a", "b"), dtype=torch.float32).receive_weights(info)
    assert calls == []
    for dtype in (torch.bfloat16, torch.float16):
        receiver.FolderReceiver(Model("a", "b"), dtype=dtype).receive_weights(info)
