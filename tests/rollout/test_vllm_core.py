"""vLLM in this process: how it is started, and what starting it must not change. What it does: test_colocated_vllm."""

import os
import random

import numpy as np
import pytest
import torch

from medix.rollout.vllm_core import CoreSettings, VLLMCore, _environment, _left_alone


def settings(**changes: object) -> CoreSettings:
    given: dict[str, object] = {
        "model": "folder", "dtype": "float32", "memory_share": 0.3, "cache_gigabytes": None, "max_context": 512,
        "max_rows": 8, "enforce_eager": True, "can_sleep": False, "adapter_rank": None, "device": torch.device("cpu"),
    }  # fmt: skip
    return CoreSettings(**{**given, **changes})  # type: ignore[arg-type]


def arguments(**changes: object) -> dict[str, object]:
    core = VLLMCore(settings(**changes), lambda: None)
    core._owns_group = True
    return core._arguments()


def test_an_adapter_gets_the_smallest_room_that_holds_it() -> None:
    assert "max_lora_rank" not in arguments()
    assert arguments(adapter_rank=4)["max_lora_rank"] == 8
    assert arguments(adapter_rank=33)["max_lora_rank"] == 64


def test_the_cache_is_given_in_bytes_only_where_it_is_asked_for() -> None:
    assert "kv_cache_memory_bytes" not in arguments()
    assert arguments(cache_gigabytes=0.5)["kv_cache_memory_bytes"] == 500_000_000


def test_images_come_processed_and_log_probabilities_as_the_processor_makes_them() -> None:
    given = arguments()
    assert given["mm_device_do_normalize"] is False
    assert (given["logprobs_mode"], given["logits_processors"]) == (
        "processed_logits", ["medix.rollout.full_softmax:FullSoftmax"],
    )  # fmt: skip
    assert given["generation_config"] == "vllm"


def test_variables_are_set_inside_and_all_changes_gone_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIX_KEPT", "old")
    with _environment({"MEDIX_KEPT": "new", "MEDIX_GIVEN": "1"}):
        assert os.environ["MEDIX_KEPT"] == "new"
        os.environ["MEDIX_LEFT"] = "by vLLM"
    assert os.environ["MEDIX_KEPT"] == "old"
    assert "MEDIX_GIVEN" not in os.environ
    assert "MEDIX_LEFT" not in os.environ


def test_random_states_and_threads_are_as_before() -> None:
    def draws() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    wanted = draws()
    random.seed(3)
    np.random.seed(3)
    torch.manual_seed(3)
    with _left_alone():
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)
        torch.set_num_threads = lambda nthreads: None
    assert draws() == wanted
    torch.set_num_threads(torch.get_num_threads())
    assert torch.set_num_threads.__name__ == "set_num_threads"


def test_a_core_that_never_started_closes() -> None:
    VLLMCore(settings(), lambda: None).close()
