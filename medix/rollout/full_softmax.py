"""Logits processor for vLLM that reports log-probabilities as training computes them; vLLM imports it by name."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from vllm.v1.sample.logits_processor import process_dict_updates
from vllm.v1.sample.logits_processor.interface import LogitsProcessor
from vllm.v1.worker.gpu.sample.logits_processor.interface import LogitsProcessor as LogitsProcessorOfRunner2

from medix.rollout.unfinished_prompts import hold_generators_back


class FullSoftmax(LogitsProcessor, LogitsProcessorOfRunner2):  # type: ignore[misc]  # vLLM may be missing
    """Turns logits into log-probabilities before ``top_k`` and ``top_p`` remove tokens.

    With vLLM's ``logprobs_mode: processed_logits`` the value reported for a token is then its log-probability at the
    sampling temperature over all tokens but the banned ones, as training computes it. Of vLLM's own modes,
    ``raw_logprobs`` ignores temperature and banned tokens, and ``processed_logprobs`` is normalised within the nucleus.

    vLLM divides by the temperature afterwards, so the shift is multiplied by it here. The sampled distribution does not
    change. Greedy rows are reported at temperature 1.

    Supports both of vLLM's model runners, whose interfaces have one method name in common.
    """

    def __init__(self, vllm_config: Any, where: Any, is_pin_memory: bool = False) -> None:  # noqa: ARG002  # of vLLM
        if vllm_config.use_v2_model_runner:
            rows, device = where.max_num_reqs, where.device
        else:
            rows, device = vllm_config.scheduler_config.max_num_seqs, where
        if torch.device(device).type == "cpu":
            # Here, because this is the only object of ours that vLLM creates in every process with a model runner.
            from vllm.v1.worker.cpu_model_runner import CPUModelRunner

            hold_generators_back(CPUModelRunner)
        self._of_rows: dict[int, float] = {}
        self._host = torch.ones(rows, dtype=torch.float32)
        self._temperatures = torch.ones(rows, dtype=torch.float32, device=device)
        self._is_stale = False

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Every request is served."""

    def is_argmax_invariant(self) -> bool:
        """False, though it is: vLLM applies invariant ones after the temperature, and not to greedy rows."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Called by the first runner with rows that were added, removed or moved."""
        if process_dict_updates(self._of_rows, batch_update, lambda params, *_: _temperature(params)):
            self._host.fill_(1.0)
            for row, temperature in self._of_rows.items():
                self._host[row] = temperature
            self._temperatures.copy_(self._host)

    def add_request(self, req_idx: int, sampling_params: Any) -> bool:
        """Called by the second runner with a request that takes a slot."""
        self._host[req_idx] = _temperature(sampling_params)
        self._is_stale = True
        return True

    def apply_staged_writes(self) -> None:
        """Called once per step, before the pass."""
        if self._is_stale:
            self._temperatures.copy_(self._host)
            self._is_stale = False

    def apply(self, logits: Tensor, ctx: Any = None) -> Tensor:
        """Shift the logits of each row so that, divided by its temperature, they are log-probabilities; in place."""
        rows = slice(len(logits)) if ctx is None else ctx.expanded_idx_mapping
        return _normalised(logits, self._temperatures[rows])


def _temperature(params: Any) -> float:
    return float(params.temperature) or 1.0


def _normalised(logits: Float[Tensor, "row vocab"], temperatures: Float[Tensor, " row"]) -> Float[Tensor, "row vocab"]:
    column = temperatures[:, None]
    return logits.sub_(column * (logits / column).logsumexp(dim=-1, keepdim=True))
