"""States of the random number generators that dropout, libraries and user code draw from."""

import random
from typing import Any

import numpy as np
import torch


def random_states() -> dict[str, Any]:
    """States of the torch, CUDA, NumPy and Python generators, as plain data and tensors."""
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, internal, gauss_next = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [kind, torch.from_numpy(np.array(keys, dtype=np.int64)), position, has_gauss, gauss],
        "python": [version, list(internal), gauss_next],
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Restore states, or seed all generators if ``states`` holds only a ``seed``.

    CUDA states are restored only where there are as many GPUs as when they were saved.
    """
    if "seed" in states:
        torch.manual_seed(states["seed"])  # GPUs too
        np.random.seed(states["seed"] % 2**32)
        random.seed(states["seed"])
        return
    torch.set_rng_state(states["torch"].cpu())
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([state.cpu() for state in states["cuda"]])
    kind, keys, position, has_gauss, gauss = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    version, internal, gauss_next = states["python"]
    random.setstate((version, tuple(internal), gauss_next))
