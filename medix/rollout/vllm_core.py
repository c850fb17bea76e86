"""vLLM inside this process: started, given weights, asked, put to sleep, ended. All from one thread."""

import gc
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, distributed
from torch._C._distributed_c10d import HashStore

from medix.rollout.vllm_sampling import LOGITS_PROCESSOR, LOGPROBS_MODE
from medix.rollout.vllm_side_effects import environment, group_kept, left_alone, proxies_hidden
from medix.serving.vllm_install import why_absent

LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM makes room for."""

Ended = Callable[[str, int, list[int], list[float], str], None]
"""Told of a completion: name of the request, which of its completions, tokens, log-probabilities, finish reason."""


class OverdueError(TimeoutError):
    """Requests took longer than they may.

    Attributes:
        names: of the requests.
    """

    def __init__(self, names: list[str]) -> None:
        super().__init__(f"requests took too long: {', '.join(names)}")
        self.names = names


@dataclass(frozen=True)
class Request:
    """What is asked: the prompt as vLLM's engine takes it, and arguments of ``SamplingParams``."""

    prompt: Any
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class CoreSettings:
    """How vLLM is started.

    Attributes:
        model: folder or name.
        dtype: of its weights.
        memory_share: of the device's memory, for weights and cache together.
        cache_gigabytes: for keys and values; None takes what ``memory_share`` leaves.
        max_context: tokens of prompt and completion; None for what the model is made for.
        max_rows: completions decoded at the same time.
        enforce_eager: no compilation, no captured graphs.
        can_sleep: memory is taken so that it can be given back.
        adapter_rank: of an adapter that is published alone; None for none.
        device: of the policy.
    """

    model: str
    dtype: str
    memory_share: float
    cache_gigabytes: float | None
    max_context: int | None
    max_rows: int
    enforce_eager: bool
    can_sleep: bool
    adapter_rank: int | None
    device: torch.device


class VLLMCore:
    """One ``vllm.LLM``, driven step by step.

    Args:
        settings: how it is started.
        heartbeat: called after every step of work.
    """

    def __init__(self, settings: CoreSettings, heartbeat: Callable[[], None]) -> None:
        self.settings = settings
        self.heartbeat = heartbeat
        self._llm: Any = None
        self._adapter: Any = None
        self._adapters = 0
        self._folder: Path | None = None
        self._owns_group = False
        self._is_asleep = False

    def start(self) -> None:
        """Build vLLM. With several ranks all of them must come here."""
        if reason := why_absent():
            raise ValueError(f"engine: {reason}; or take medix.rollout.LocalEngine")
        _refuse_second()
        self._owns_group = not distributed.is_initialized()
        with left_alone(), environment(self._environment()), proxies_hidden(self.settings.device):
            if self._owns_group:
                # vLLM would open a group for its own device alone, and sums over numbers on the CPU fail in such a one.
                backend = "cpu:gloo,cuda:nccl" if self.settings.device.type == "cuda" else "gloo"
                distributed.init_process_group(backend, store=HashStore(), rank=0, world_size=1)
            from vllm import LLM

            self._llm = LLM(**self._arguments())

    def load(self, weights: Iterator[tuple[str, Tensor]]) -> None:
        """Take weights by the names of the model's folder, and forget all that was computed with others."""
        weights = self._beating(weights)
        self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": weights, "is_checkpoint_format": True})
        if self.settings.device.type == "cpu":
            self._llm.apply_model(lay_out_for_cpu)
        self._synchronize()
        self.forget()

    def load_adapter(self, settings: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
        """Take an adapter, as peft saves it, in place of the one before."""
        from vllm.lora.request import LoRARequest

        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="medix-adapter-"))
        self._adapters += 1
        folder = self._folder / str(self._adapters)
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
        save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / "adapter_model.safetensors")
        self._adapter = LoRARequest(f"policy-{self._adapters}", self._adapters, str(folder))
        self._llm.llm_engine.add_lora(self._adapter)  # reads the folder
        shutil.rmtree(folder)
        self.forget()

    def forget(self) -> None:
        """Empty every cache: of keys and values, of image features, of images."""
        engine = self._llm.llm_engine
        if not engine.reset_prefix_cache():
            raise RuntimeError("vLLM kept its cache of keys and values, because requests are still running")
        engine.reset_mm_cache()
        engine.reset_encoder_cache()

    def ask(self, requests: Mapping[str, Request], ended: Ended, seconds: float) -> None:
        """Complete prompts; returns when every completion has been told of.

        Args:
            requests: by name.
            ended: told of each completion at once.
            seconds: from the first token of a request to the end of its last completion.

        Raises:
            OverdueError: a request took longer.
        """
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        engine = self._llm.llm_engine
        begun: dict[str, float] = {}
        inner = []
        try:
            for name, request in requests.items():
                params = SamplingParams(
                    **request.settings,
                    flat_logprobs=True,
                    output_kind=RequestOutputKind.CUMULATIVE,
                    stream_interval=request.settings["max_tokens"] + 1,  # the first token, and the end
                )
                inner.append(engine.add_request(name, request.prompt, params, lora_request=self._adapter))
                self.heartbeat()
            while engine.has_unfinished_requests():
                with torch.random.fork_rng(devices=[]):  # on a CPU vLLM draws from torch's own generator too
                    outputs = engine.step()
                for output in outputs:
                    begun.setdefault(output.request_id, time.monotonic())
                    for choice in output.outputs:
                        if choice.finish_reason is not None:
                            tokens, logprobs = list(choice.token_ids), list(choice.logprobs.logprobs)
                            ended(output.request_id, choice.index, tokens, logprobs, choice.finish_reason)
                    if output.finished:
                        begun[output.request_id] = float("inf")
                self.heartbeat()
                overdue = [name for name, since in begun.items() if time.monotonic() - since > seconds]
                if overdue:
                    raise OverdueError(overdue)
        finally:
            if engine.has_unfinished_requests():
                engine.abort_request(inner, internal=True)

    def sleep(self) -> None:
        """Give back the memory of weights and cache, their contents lost."""
        if self.settings.can_sleep and not self._is_asleep:
            self._llm.sleep(level=2)
            self._is_asleep = True

    def wake(self, part: str) -> None:
        """Take memory again for ``weights``, which must then be loaded, or for the ``kv_cache``."""
        if self._is_asleep:
            self._llm.wake_up(tags=[part])
            self._is_asleep = part == "weights"

    def close(self) -> None:
        """End vLLM and give back what it held."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if self._llm is None:
            return
        with left_alone(), group_kept(self._owns_group):
            self._llm.llm_engine.engine_core.shutdown()
        self._llm = None
        gc.collect()
        if self.settings.device.type == "cuda":
            torch.cuda.empty_cache()

    def _arguments(self) -> dict[str, Any]:
        settings = self.settings
        arguments: dict[str, Any] = {
            "model": settings.model,
            "dtype": settings.dtype,
            "gpu_memory_utilization": settings.memory_share,
            "max_model_len": settings.max_context,
            "max_num_seqs": settings.max_rows,
            "enforce_eager": settings.enforce_eager,
            "enable_sleep_mode": settings.can_sleep,
            "enable_prefix_caching": True,  # the completions of a group find their prompt there
            "limit_mm_per_prompt": {"image": 1, "video": 0},  # what memory is measured with; prompts may have more
            "mm_processor_cache_gb": 0,  # images come processed,
            "mm_device_do_normalize": False,  # and with their colours normalised
            "logprobs_mode": LOGPROBS_MODE,
            "logits_processors": [LOGITS_PROCESSOR],
            "generation_config": "vllm",  # a folder's own temperature and the like stay out
            "disable_log_stats": True,
        }
        if settings.cache_gigabytes is not None:
            arguments["kv_cache_memory_bytes"] = int(settings.cache_gigabytes * 1e9)
        if settings.adapter_rank is not None:
            room = next((rank for rank in LORA_RANKS if rank >= settings.adapter_rank), settings.adapter_rank)
            arguments |= {"enable_lora": True, "max_lora_rank": room, "max_loras": 1, "max_cpu_loras": 1}
        if not self._owns_group and distributed.get_world_size() > 1:
            arguments["distributed_executor_backend"] = "external_launcher"
        return arguments

    def _environment(self) -> dict[str, str]:
        found = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_NO_USAGE_STATS": "1"}
        found["VLLM_LOGGING_LEVEL"] = os.environ.get("VLLM_LOGGING_LEVEL", "ERROR")
        if not self._owns_group:
            found |= {"RANK": str(distributed.get_rank()), "WORLD_SIZE": str(distributed.get_world_size()),
                      "LOCAL_RANK": str(self.settings.device.index or 0)}  # fmt: skip
        return found

    def _beating(self, weights: Iterator[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
        self._synchronize()  # the optimiser's step may still be under way, on another stream
        for pair in weights:
            self.heartbeat()
            yield pair

    def _synchronize(self) -> None:
        if self.settings.device.type == "cuda":
            torch.cuda.synchronize(self.settings.device)


def _refuse_second() -> None:
    # vLLM holds its groups in variables of a module: a second one would take those of the first, and end them.
    if "vllm.distributed.parallel_state" in sys.modules:
        from vllm.distributed import parallel_state

        if parallel_state._WORLD is not None:
            raise RuntimeError(
                "engine: vLLM runs in this process already, and there is room for one; close the other engine first"
            )


def lay_out_for_cpu(model: torch.nn.Module) -> None:
    """Lay out weights of a model of vLLM for its CPU again, after weights were loaded (vLLM 0.32).

    vLLM's CPU build multiplies with a copy of the head's weights that is laid out for oneDNN. A head tied to the
    embeddings is not loaded by itself, and so would keep the copy of the old ones. Experts are laid out for its own
    kernel when the model is started, and not when they are loaded again: it would read them as what they are not.
    """
    from vllm.model_executor.layers.fused_moe.routed_experts import RoutedExperts
    from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

    for layer in model.modules():
        if isinstance(layer, ParallelLMHead):
            layer.quant_method.process_weights_after_loading(layer)
        elif isinstance(layer, RoutedExperts):
            layer.quant_method.moe_kernel.fused_experts.process_weights_after_loading(layer)
