"""A real vLLM for completions, started by the command under test."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from tests.support.vllm_server import LIMIT, ROOT, Served


def start(model: Path, port: int = 0) -> Served:
    """``medix rollout serve``, on a free port unless one is named; returns when the command says that it is ready."""
    words = ["rollout", "serve", "--model", str(model), "--port", str(port), "--max-model-len", "1024"]
    words += ["--start-limit", str(LIMIT), "--extra", "--enforce-eager", "--dtype", "float32", "--max-num-seqs", "32"]
    process = subprocess.Popen(
        [sys.executable, "-m", "medix", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1"},
    )
    served = Served(process, 0)
    assert process.stdout is not None
    assert process.stderr is not None
    threading.Thread(target=served.heard.extend, args=(process.stderr,), daemon=True).start()
    for line in process.stdout:
        served.said.append(line)
        if "base_url:" in line:  # the last line of the block
            served.port = int(line.rpartition(":")[2])
            return served
    process.wait(timeout=30)
    raise RuntimeError(f"medix rollout serve ended with status {process.returncode}:\n{''.join(served.heard[-40:])}")


def start_again(served: Served, model: Path) -> None:
    """The same server anew, on the port it had."""
    fresh = start(model, served.port)
    served.process, served.said, served.heard = fresh.process, fresh.said, fresh.heard


def address(served: Served) -> str:
    """Where an engine finds it."""
    return f"http://127.0.0.1:{served.port}"
