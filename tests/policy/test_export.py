"""Exported folders."""

import json
import resource
import signal
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForImageTextToText, AutoProcessor

from medix.policy import export as export_module
from medix.policy.export import export
from medix.policy.lora import LoRA
from tests.support.tiny import ARCHITECTURES, loaded, mixed_prompts, written
from tests.support.tolerances import LOGPROBS

CARD = "# A tiny policy\n\nResearch use, not for clinical decisions.\n"


@pytest.mark.parametrize("lora", [None, LoRA(rank=2)], ids=["full", "lora"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_exported_policy_gives_the_same_logprobs(
    tiny: dict[str, Path], tmp_path: Path, architecture: str, lora: LoRA | None
) -> None:
    policy = loaded(tiny[architecture], lora=lora)
    _train_a_little(policy)
    group = written(policy, mixed_prompts(policy)[2], (4, 2))
    with torch.no_grad():
        live = policy.logprobs([group])
    state = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    folder = export(policy, tmp_path / "exported", CARD)
    assert all(torch.equal(tensor, state[name]) for name, tensor in policy.state_dict().items())
    again = loaded(folder)
    assert mixed_prompts(again)[2].token_ids == group.prompt.token_ids
    with torch.no_grad():
        torch.testing.assert_close(again.logprobs([group]), live, rtol=0, atol=LOGPROBS)
    assert again.eos_token_ids == policy.eos_token_ids
    assert not [name for name, _ in again.named_parameters() if "lora" in name]


def test_the_folder_loads_without_this_project_and_has_the_card(tiny: dict[str, Path], tmp_path: Path) -> None:
    folder = export(loaded(tiny["qwen3_vl"]), tmp_path / "deep" / "exported", CARD)
    AutoModelForImageTextToText.from_pretrained(folder)
    AutoProcessor.from_pretrained(folder)
    assert (folder / "README.md").read_text() == CARD
    assert [path.name for path in folder.parent.iterdir()] == ["exported"]


def test_every_part_of_the_configuration_states_the_dtype_of_the_weights(tiny: dict[str, Path], tmp_path: Path) -> None:
    policy = loaded(tiny["qwen3_vl"]).to(torch.bfloat16)
    written = json.loads((export(policy, tmp_path / "exported", CARD) / "config.json").read_text())
    assert {part["dtype"] for part in (written, written["text_config"], written["vision_config"])} == {"bfloat16"}
    assert policy.hugging_face.config.text_config.dtype == torch.float32, "as it was before"


def test_a_folder_with_something_in_it_is_left_alone(tiny: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"output: .* is not empty"):
        export(loaded(tiny["qwen3_vl"]), tmp_path, CARD)
    assert [path.name for path in tmp_path.iterdir()] == ["kept.txt"]


def test_a_failed_export_leaves_nothing_behind(
    tiny: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(export_module, "merged_weights", fail)
    with pytest.raises(OSError, match="disk full"):
        export(loaded(tiny["qwen3_vl"]), tmp_path / "exported", CARD)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_ends_in_the_weights_is_told_with_folder_and_bytes(tiny: dict[str, Path], tmp_path: Path) -> None:
    policy = loaded(tiny["qwen3_vl"])
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: at least \d{6,} bytes are needed: '.*exported'"):
            export(policy, tmp_path / "exported", CARD)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not list(tmp_path.iterdir())


def _train_a_little(policy: nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
