"""A vLLM server: started as a child process, watched until it is ready, stopped with this process."""

import contextlib
import json
import socket
import sys
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import yaml

from medix.serving.child_process import ChildProcess
from medix.serving.temporary_folder import temporary_folder
from medix.serving.vllm_install import why_absent

_POLL = 0.5
_REPORT_EVERY = 15.0


@dataclass(frozen=True)
class VLLMServer(ABC):
    """``python -m vllm.entrypoints.openai.api_server`` for one model; a subclass says what it is for.

    Args:
        model: name on a model hub, or a folder.
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        served_model_name: what clients call the model; its own name if not given.
        max_model_len: tokens of prompt and reply; the model's own limit if not given.
        start_limit: seconds until it must be ready.
        extra: further arguments of vLLM.
    """

    model: str
    host: str = "127.0.0.1"
    port: int = 8085
    served_model_name: str | None = None
    max_model_len: int | None = None
    start_limit: float = 1800.0
    extra: tuple[str, ...] = ()

    command: ClassVar[str]
    """What messages begin with: the command that started it."""
    purpose: ClassVar[str]
    """What its block of a spec describes."""
    alternative: ClassVar[str] = ""
    """How to do without it, for the message that vLLM cannot run here."""

    @abstractmethod
    def block(self, address: str) -> dict[str, Any]:
        """The block of a spec that uses it.

        Args:
            address: where it is, without a path.
        """

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the child beside those of this process, which take precedence over them."""
        return {"VLLM_NO_USAGE_STATS": "1"}

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"--port {self.port}: is no port; give 0 to 65535")
        if self.start_limit <= 0:
            raise ValueError(f"--start-limit {self.start_limit:g}: must be more than 0 seconds")

    @property
    def name(self) -> str:
        """What clients call the model."""
        return self.served_model_name or self.model

    def words(self, port: int) -> list[str]:
        """The command line of the child."""
        words = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", self.model]
        words += ["--host", self.host, "--port", str(port)]
        if self.served_model_name is not None:
            words += ["--served-model-name", self.served_model_name]
        if self.max_model_len is not None:
            words += ["--max-model-len", str(self.max_model_len)]
        return [*words, *self.extra]

    def address(self, port: int) -> str:
        """Where a client on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def free_port(self) -> int:
        """The port, once it is known that nothing else listens there.

        Raises:
            ValueError: vLLM cannot run here, or the port cannot be bound; the message names the remedy.
        """
        if reason := why_absent():
            raise ValueError(reason + self.alternative)
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                raise ValueError(
                    f"--host {self.host} --port {self.port}: cannot be listened on ({error.strerror or error}); stop "
                    "what listens there, or give another --port (0 takes a free one)"
                ) from error
            return int(probe.getsockname()[1])

    def run(self) -> int:
        """Serve until the child ends or this process receives a signal.

        Returns:
            0, or 1 if vLLM failed; 128 and the number of the signal after a signal.

        Raises:
            ValueError: vLLM cannot run here, or the port is taken.
        """
        port = self.free_port()
        with temporary_folder() as variables:
            return self._run(ChildProcess(self.words(port), self.environment, variables), port)

    def _run(self, child: ChildProcess, port: int) -> int:
        with child.forwarding_signals():
            try:
                if self._becomes_ready(child, port):
                    self._say(f"ready at {self.address(port)}; Ctrl-C stops it. The {self.purpose} block of a spec:")
                    yaml.safe_dump(self.block(self.address(port)), sys.stdout, sort_keys=False)
                    sys.stdout.flush()
                    child.is_shown = True
                status = child.wait()
            finally:
                child.stop()
                child.finish_output()
        if child.stopped_at is not None:
            return 128 + child.signal_number
        if child.is_shown:
            self._say(f"vLLM ended by itself with status {status}")
            return 1 if status else 0
        self._say(f"vLLM ended with status {status} before it was ready; its last lines:\n{child.tail()}")
        return 1

    def _becomes_ready(self, child: ChildProcess, port: int) -> bool:
        """Wait until it answers and lists the model; False if it ended, or was told to, before."""
        from rich.console import Console
        from rich.markup import escape

        console, begun, next_report = Console(stderr=True), time.monotonic(), 0.0
        with console.status("") if console.is_terminal else contextlib.nullcontext() as status:
            while child.is_running and child.stopped_at is None:  # one that was told to stop is waited for elsewhere
                seconds = time.monotonic() - begun
                text = f"starting vLLM with {self.model}: {seconds:.0f} s, {child.last_line()[:120]}"
                if status is not None:
                    status.update(escape(text))
                elif seconds >= next_report:
                    self._say(text)
                    next_report = seconds + _REPORT_EVERY
                if _is_ready(self.address(port), self.name):
                    return True
                if seconds > self.start_limit:
                    self._say(f"not ready within --start-limit {self.start_limit:g} s; it is stopped")
                    child.stop()
                    return False
                time.sleep(_POLL)
        return False

    def _say(self, text: str) -> None:
        sys.stderr.write(f"{self.command}: {text}\n")
        sys.stderr.flush()


def _is_ready(address: str, name: str) -> bool:
    """Whether the server is healthy and lists the model; one that asks for a key counts as ready."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on this machine
    try:
        with opener.open(f"{address}/health", timeout=5):
            pass
        with opener.open(f"{address}/v1/models", timeout=5) as reply:
            listed = json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code in (401, 403)
    except (OSError, ValueError):  # not up yet; the time limit is the caller's
        return False
    return any(entry.get("id") == name for entry in listed.get("data", ()))
