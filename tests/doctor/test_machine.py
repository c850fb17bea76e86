"""What is read of a machine: GPUs from nvidia-smi, hidden ones, planned ones, free memory."""

import os
import stat
import sys
from pathlib import Path

import pytest

from medix import main_memory
from medix.doctor import machine
from medix.doctor.machine import GIB, GPU, Machine, gib, parse_gpus

TABLE = """\
0, GPU-aaa, NVIDIA A100-SXM4-80GB, 81920, 512
1, GPU-bbb, NVIDIA A100-SXM4-80GB, 81920, 78000
2, GPU-ccc, Broken, [N/A], [N/A]
"""


def test_the_output_of_nvidia_smi_is_read_in_bytes() -> None:
    first, second = parse_gpus(TABLE)
    assert first == GPU(0, "NVIDIA A100-SXM4-80GB", 80 * GIB, 2**29, "GPU-aaa")
    assert second.free == (81920 - 78000) * 2**20


@pytest.mark.parametrize(
    ("limited", "left"),
    [(None, (0, 1)), ("1", (1,)), ("1,0", (1, 0)), ("GPU-b", (1,)), ("", ()), ("0,7,1", (0,)), ("-1", ())],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(limited: str | None, left: tuple[int, ...]) -> None:
    """Up to the first invalid entry; a GPU is named by its index or a prefix of its UUID."""
    assert machine._visible(parse_gpus(TABLE), limited) == left


def program(folder: Path, text: str) -> None:
    path = folder / "nvidia-smi"
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_a_machine_is_read_through_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, f"print({TABLE!r})")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    found = Machine.here()
    assert [gpu.index for gpu in found.gpus] == [0, 1]
    assert found.visible == (1,)
    assert found.gpu(1).used == 78000 * 2**20
    assert not found.is_planned
    assert found.memory > 2**20


@pytest.mark.parametrize(
    ("text", "seconds", "message"),
    [
        ("import sys; sys.exit('no driver')", 120.0, "ended with status 1: no driver"),
        ("import time; time.sleep(60)", 1.5, "did not answer within"),
    ],
)
def test_a_driver_that_fails_or_hangs_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, seconds: float, message: str
) -> None:
    program(tmp_path, text)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(OSError, match=message):
        Machine.here(seconds)


@pytest.mark.parametrize("text", ["8x80", "8x80GB", " 8X80gib "])
def test_another_machine_is_described_by_count_and_size(text: str) -> None:
    planned = Machine.planned(text)
    assert planned.is_planned
    assert planned.visible == tuple(range(8))
    assert {gpu.total for gpu in planned.gpus} == {80 * GIB}


@pytest.mark.parametrize("text", ["8", "x80", "8x", "eight"])
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"--gpus {text}: .*8x80"):
        Machine.planned(text)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.0.1.1", True), ("localhost", True), ("::1", True), ("judge.example", False)],
)
def test_addresses_of_this_machine_are_recognised(host: str, local: bool) -> None:
    assert Machine().is_local(host) is local


def test_a_container_bounds_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main_memory, "_of_control_groups", lambda: iter([600_000]))
    assert Machine.planned("8x80").memory == 600_000


def test_bytes_are_shown_in_readable_units() -> None:
    assert (gib(3 * GIB / 2), gib(2**20)) == ("1.5 GiB", "1.0 MiB")
