"""A vLLM server: started as a child, watched until it is ready, stopped with this process."""

import contextlib
import ctypes
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, ClassVar

import yaml

_POLL = 0.5
_GRACE = 30.0
"""Seconds that vLLM has to end by itself once it was told to."""
_KEPT_LINES = 25
_TOLD_EVERY = 15.0
_PR_SET_PDEATHSIG = 1


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
    """What messages begin with: the words of the command that started it."""
    purpose: ClassVar[str]
    """What its block of a spec describes."""
    elsewhere: ClassVar[str] = ""
    """How to do without it, for a message that says that vLLM is missing."""

    @abstractmethod
    def block(self, address: str) -> dict[str, Any]:
        """What a spec says to use it.

        Args:
            address: where it is, without a path.
        """

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the child beside those of this process, which come before them."""
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
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return f"http://{host}:{port}"

    def free_port(self) -> int:
        """The port, once it is known that nobody else listens there.

        Raises:
            ValueError: vLLM is not installed, or the address cannot be listened on; names the remedy.
        """
        if importlib.util.find_spec("vllm") is None:
            raise ValueError(
                "vLLM is not installed: run make install-vllm, or pip install 'medix-rl[vllm]' on a machine with a "
                f"GPU{self.elsewhere}"
            )
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
            The child's status; 128 and the number of the signal after a signal.

        Raises:
            ValueError: vLLM is not installed, or the port is taken.
        """
        port = self.free_port()
        child = subprocess.Popen(
            self.words(port),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches it once, through us, and its workers can be ended with it
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            env={**self.environment, **os.environ},
        )
        assert child.stdout is not None
        output = _Output(child.stdout)
        with _forwarded(child) as told:
            try:
                if self._is_ready(child, output, port):
                    self._say(f"ready at {self.address(port)}; Ctrl-C stops it. The {self.purpose} block of a spec:")
                    print(yaml.safe_dump(self.block(self.address(port)), sort_keys=False).rstrip(), flush=True)
                    output.is_shown = True
                status = _wait(child, told)
            finally:
                _end(child)
                output.join()
        if told.at:
            return 128 + told.number
        if output.is_shown:
            self._say(f"vLLM ended by itself with status {status}")
            return status
        self._say(f"vLLM ended with status {status} before it was ready; its last lines:\n{output.tail()}")
        return status or 1

    def _is_ready(self, child: "subprocess.Popen[str]", output: "_Output", port: int) -> bool:
        """Wait until it answers and lists the model; False if it ended, or had to be ended, before."""
        begun = time.monotonic()
        with _Progress(self.model, output, self._say) as progress:
            while child.poll() is None:
                seconds = time.monotonic() - begun
                progress.tell(seconds)
                if _answers(self.address(port), self.name):
                    return True
                if seconds > self.start_limit:
                    self._say(f"not ready within --start-limit {self.start_limit:g} s; it is stopped")
                    _end(child)
                    return False
                time.sleep(_POLL)
        return False

    def _say(self, text: str) -> None:
        print(f"{self.command}: {text}", file=sys.stderr, flush=True)


def _end_with_parent() -> None:
    """In the child: have the kernel tell it to end when this process is killed, lest it keep the GPU for ever."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _answers(address: str, name: str) -> bool:
    """Whether the server is healthy and lists the model; one that asks for a key is taken at its word."""
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


class _Output:
    """What the child writes: always read, so that it never blocks; the last lines are kept; shown once it is ready."""

    def __init__(self, stream: IO[str]) -> None:
        self.is_shown = False
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._thread = threading.Thread(target=self._read, args=(stream,), name="medix-vllm-server", daemon=True)
        self._thread.start()

    def tail(self) -> str:
        """The last lines."""
        return "\n".join(f"  {line}" for line in self._lines) or "  (it wrote nothing)"

    def last(self) -> str:
        """The last line."""
        return self._lines[-1] if self._lines else "no output yet"

    def join(self) -> None:
        """Wait for the last lines; a worker that outlives the child may hold the pipe, so not for ever."""
        self._thread.join(timeout=5)

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            if line.strip():
                self._lines.append(line.rstrip())
            if self.is_shown:
                sys.stderr.write(line)


class _Progress:
    """A status line on a terminal; a line every now and then elsewhere."""

    def __init__(self, model: str, output: _Output, say: Callable[[str], None]) -> None:
        from rich.console import Console

        self.model = model
        self.output = output
        self.say = say
        self.console = Console(stderr=True)
        self._status: Any = self.console.status("") if self.console.is_terminal else contextlib.nullcontext()
        self._next = 0.0

    def __enter__(self) -> "_Progress":
        self._status.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._status.__exit__(*error)

    def tell(self, seconds: float) -> None:
        """Say how long it has taken so far, and what the child wrote last."""
        text = f"starting vLLM with {self.model}: {seconds:.0f} s, {self.output.last()[:120]}"
        if self.console.is_terminal:
            from rich.markup import escape

            self._status.update(escape(text))
        elif seconds >= self._next:
            self.say(text)
            self._next = seconds + _TOLD_EVERY


@dataclass
class _Told:
    """When this process received a signal, 0 if it did not, and which."""

    at: float = 0.0
    number: int = 0


@contextlib.contextmanager
def _forwarded(child: "subprocess.Popen[str]") -> Iterator[_Told]:
    """Pass Ctrl-C and SIGTERM on to the child; the second one ends it at once."""
    told = _Told()

    def forward(number: int, frame: Any) -> None:  # noqa: ARG001 - the signature of a handler
        if told.at:
            _kill(child)
        told.at, told.number = time.monotonic(), number
        child.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(child: "subprocess.Popen[str]", told: _Told) -> int:
    """The child's status as a shell gives it; a child that does not stop within the grace is killed."""
    while True:
        try:
            status = child.wait(timeout=_POLL)
        except subprocess.TimeoutExpired:
            if told.at and time.monotonic() - told.at > _GRACE:
                _kill(child)
            continue
        return status if status >= 0 else 128 - status


def _end(child: "subprocess.Popen[str]") -> None:
    """End the child and whatever it started, whatever happened."""
    if child.poll() is None:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=_GRACE)
    _kill(child)
    child.wait()


def _kill(child: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # it leads a group of its own
