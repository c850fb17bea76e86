"""What decides, beside versions and shapes, in which order this processor adds up."""

import os
import platform
from pathlib import Path

import torch

_CPU_INFO = Path("/proc/cpuinfo")
_VARIABLES = ("MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA")


def processor() -> dict[str, str]:
    """Model, kernels of torch, threads, GPU, and variables that choose other kernels, by name.

    Two computations with the same calls, shapes and package versions are bit-equal on a CPU where these are equal (see
    ``medix.numerics``).
    """
    found = {
        "model": _model(),
        "kernels": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
        "GPU": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
    }
    return found | {name: os.environ[name] for name in _VARIABLES if name in os.environ}


def _model() -> str:
    text = _CPU_INFO.read_text(encoding="utf-8", errors="replace") if _CPU_INFO.is_file() else ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
