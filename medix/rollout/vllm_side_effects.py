"""What vLLM does to the process that it runs in, and how it is undone."""

import os
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables that vLLM reads while it starts, and those it sets, gone again afterwards."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def left_alone() -> Iterator[None]:
    """vLLM seeds every random generator while it starts, and on a CPU forbids to set the number of threads."""
    states = random.getstate(), np.random.get_state()
    set_num_threads, threads = torch.set_num_threads, torch.get_num_threads()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
            torch.set_num_threads = set_num_threads
            torch.set_num_threads(threads)


@contextmanager
def proxies_hidden(device: torch.device) -> Iterator[None]:
    """On a CPU vLLM reads every value of every imported module, and some raise outside of a request (Flask's)."""
    modules = list(sys.modules.items()) if device.type == "cpu" else []
    hidden = {name: module for name, module in modules if _raises(module)}
    for name in hidden:
        del sys.modules[name]
    try:
        yield
    finally:
        sys.modules.update(hidden)


def _raises(module: object) -> bool:
    for value in list(getattr(module, "__dict__", {}).values()):
        try:
            hasattr(value, "__dict__")
        except Exception:  # noqa: BLE001  # whatever a proxy raises
            return True
    return False


@contextmanager
def group_kept(is_own: bool) -> Iterator[None]:
    """vLLM ends the process group when it ends; training may have opened it, and still need it."""
    from vllm.distributed import parallel_state

    ending = parallel_state.destroy_distributed_environment

    def forget() -> None:
        if parallel_state._WORLD is not None:
            parallel_state._WORLD.destroy()
        parallel_state._WORLD = None

    if not is_own:
        parallel_state.destroy_distributed_environment = forget
    try:
        yield
    finally:
        parallel_state.destroy_distributed_environment = ending
