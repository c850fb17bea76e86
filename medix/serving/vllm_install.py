"""Whether vLLM can run in this environment."""

import importlib.util

import torch


def why_absent() -> str | None:
    """Why vLLM cannot run here, with the remedy; None if nothing is against it, as far as is seen without importing."""
    spec = importlib.util.find_spec("vllm")
    if spec is None:
        return "vLLM is not installed: run make install-vllm, or pip install 'medix-rl[vllm]' on a machine with a GPU"
    if torch.version.cuda is None and any(letter.isspace() for letter in spec.origin or ""):
        return (
            f"vLLM cannot run on a CPU from {spec.origin}: the dynamic linker and the compiler that it calls split "
            "paths at spaces; install it where the path has none (make install-vllm VENV=/folder/without/spaces)"
        )
    return None
