"""vLLM in this process: how it is started. What it does: test_colocated_vllm."""

import torch

from medix.rollout.vllm_core import CoreSettings, VLLMCore


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


def test_a_core_that_never_started_closes() -> None:
    VLLMCore(settings(), lambda: None).close()
