"""A real vLLM, started by the command under test."""

import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from medix.policy.tiny import TinySize, build_tiny

ROOT = Path(__file__).parents[2]
NAME = "tiny-judge"
LIMIT = 1500.0


@dataclass
class Served:
    """``python -m medix judge serve`` and what it says."""

    process: "subprocess.Popen[str]"
    port: int
    said: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def child(self) -> int:
        """The process of vLLM itself."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def kill(self) -> None:
        """SIGKILL to vLLM and all it started: nothing of it gets a chance to answer."""
        os.killpg(self.child, signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM to the command; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=60)


def start(folder: Path) -> Served:
    """A tiny random model behind ``medix judge serve``; returns when the command says that it is ready.

    Heads of 32: attention of vLLM on a CPU knows no smaller ones.
    """
    model = build_tiny("qwen3_vl", folder / "model", TinySize(width=64, context=4096), lines=["YES NO"] * 4)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["judge", "serve", "--model", str(model), "--port", str(port), "--served-model-name", NAME]
    words += ["--max-model-len", "4096", "--start-limit", str(LIMIT), "--extra", "--enforce-eager"]
    words += ["--dtype", "float32", "--limit-mm-per-prompt", '{"image": 0, "video": 0}', "--max-num-seqs", "16"]
    process = subprocess.Popen(
        [sys.executable, "-m", "medix", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1"},
    )
    served = Served(process, port)
    assert process.stdout is not None
    assert process.stderr is not None
    threading.Thread(target=served.heard.extend, args=(process.stderr,), daemon=True).start()
    for line in process.stdout:
        served.said.append(line)
        if "model:" in line:  # the last line of the block
            return served
    served.process.wait(timeout=30)
    raise RuntimeError(f"medix judge serve ended with status {process.returncode}:\n{''.join(served.heard[-40:])}")
