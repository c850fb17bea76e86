"""Tiny policies."""

import inspect
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from medix.modality import ModalitySet
from medix.policy.tiny import Architecture, TinySize, build_tiny
from tests.support.tiny import ARCHITECTURES

TARGET = "<CT_SCAN><think>a cyst of the left kidney</think><answer>left</answer>"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: build_tiny(name, tmp_path_factory.mktemp(name)) for name in ARCHITECTURES}


def test_the_architectures_of_the_tests_are_the_ones_that_can_be_built() -> None:
    assert get_args(Architecture) == ARCHITECTURES


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_folder_loads_with_the_auto_classes(folders: dict[str, Path], architecture: str) -> None:
    model = AutoModelForImageTextToText.from_pretrained(folders[architecture])
    processor = AutoProcessor.from_pretrained(folders[architecture])
    assert model.config.model_type == architecture
    assert model.get_input_embeddings().weight.shape[0] == len(processor.tokenizer)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_tags_are_one_token_and_stay_in_decoded_text(folders: dict[str, Path], architecture: str) -> None:
    tokenizer = AutoProcessor.from_pretrained(folders[architecture]).tokenizer
    ids = tokenizer(TARGET, add_special_tokens=False)["input_ids"]
    tokens = tokenizer.convert_ids_to_tokens(ids)
    assert [token for token in tokens if token.startswith("<")] == [
        "<CT_SCAN>", "<think>", "</think>", "<answer>", "</answer>",
    ]  # fmt: skip
    assert tokenizer.decode([*ids, tokenizer.eos_token_id], skip_special_tokens=True) == TARGET


def test_any_text_survives_the_byte_level_tokenizer(folders: dict[str, Path]) -> None:
    tokenizer = AutoProcessor.from_pretrained(folders["qwen3_vl"]).tokenizer
    text = "  5 µm ± 3,  Zürich\n\t日本 <answer >"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_the_seed_decides_the_weights_and_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    state = torch.get_rng_state()
    folders = [build_tiny("qwen3_vl", tmp_path / str(i), seed=seed) for i, seed in enumerate((1, 1, 2))]
    assert torch.equal(torch.get_rng_state(), state)
    first, again, other = (_weights(folder) for folder in folders)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["lm_head.weight"], other["lm_head.weight"])


def test_the_demo_size_has_about_1_2_million_parameters(tmp_path: Path) -> None:
    model = AutoModelForImageTextToText.from_pretrained(build_tiny("qwen3_vl", tmp_path, "demo"))
    assert 1_100_000 < sum(parameter.numel() for parameter in model.parameters()) < 1_300_000


def test_width_and_depth_may_be_given(tmp_path: Path) -> None:
    size = TinySize(width=48, depth=3, vision_depth=1)
    config = AutoModelForImageTextToText.from_pretrained(build_tiny("gemma3", tmp_path, size)).config
    text = config.text_config
    assert (text.hidden_size, text.num_hidden_layers, config.vision_config.num_hidden_layers) == (48, 3, 1)


def test_the_tags_of_another_modality_set_are_tokens(tmp_path: Path) -> None:
    folder = build_tiny("qwen3_vl", tmp_path, modalities=ModalitySet(["DERMOSCOPY"]))
    tokenizer = AutoProcessor.from_pretrained(folder).tokenizer
    assert tokenizer.tokenize("<DERMOSCOPY>") == ["<DERMOSCOPY>"]
    assert len(tokenizer.tokenize("<CT_SCAN>")) > 1


def test_an_unknown_architecture_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"architecture: 'llava' is not one of qwen3_vl"):
        inspect.unwrap(build_tiny)("llava", tmp_path)  # past the check of types that tests add


def test_a_vocabulary_without_room_for_the_bytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"size\.vocabulary: 100"):
        build_tiny("qwen3_vl", tmp_path, TinySize(vocabulary=100))


def _weights(folder: Path) -> dict[str, Any]:
    return AutoModelForImageTextToText.from_pretrained(folder).state_dict()
