"""What decides how this processor rounds."""

from pathlib import Path

import pytest
import torch

from medix.numerics import processor as module
from medix.numerics.processor import processor


def test_kernels_and_threads_are_those_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    found = processor()
    assert found["kernels"] == torch.backends.cpu.get_cpu_capability()
    assert (found["threads"], found["MKL_CBWR"]) == (str(torch.get_num_threads()), "COMPATIBLE")
    assert found["model"]


def test_the_model_is_the_first_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CPU_INFO", tmp_path / "cpuinfo")
    assert processor()["model"] != "Xeon"
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: Xeon\nmodel name\t: Other\n")
    assert processor()["model"] == "Xeon"
