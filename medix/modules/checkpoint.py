"""What a checkpoint holds beside weights and optimiser, so that a stopped run goes on as if it had not stopped."""

import random
from typing import Any

import numpy
import torch

from medix import __version__

KEY = "medix"
"""Where our part of a Lightning checkpoint lives."""


def random_states() -> dict[str, Any]:
    """States of the generators that dropout, libraries and users draw from; plain data and tensors."""
    kind, keys, position, has_gauss, gauss = numpy.random.get_state(legacy=True)
    version, internal, gauss_next = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [kind, torch.from_numpy(numpy.array(keys, dtype=numpy.int64)), position, has_gauss, gauss],
        "python": [version, list(internal), gauss_next],
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """The inverse of ``random_states``; GPU states are restored where there are as many GPUs."""
    torch.set_rng_state(states["torch"].cpu())
    if states["cuda"] and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([state.cpu() for state in states["cuda"]])
    kind, keys, position, has_gauss, gauss = states["numpy"]
    numpy.random.set_state((kind, keys.numpy().astype(numpy.uint32), position, has_gauss, gauss))
    version, internal, gauss_next = states["python"]
    random.setstate((version, tuple(internal), gauss_next))


class SpecMismatchError(ValueError):
    """A checkpoint that another spec wrote."""


def check_fingerprint(saved: dict[str, Any], present: dict[str, Any], path_hint: str = "the checkpoint") -> None:
    """Refuse a checkpoint whose weights or trajectory cannot be continued by this spec.

    Args:
        saved: the fingerprint in the checkpoint.
        present: the fingerprint of this run.
        path_hint: how to name the checkpoint in the message.

    Raises:
        SpecMismatchError: names every key that differs, both values and the remedy.
    """
    differing = [key for key in present if saved.get(key) != present[key]]
    if differing:
        lines = "\n".join(
            f"  {key}: {saved.get(key)!r} in {path_hint}, {present[key]!r} in this spec" for key in differing
        )
        raise SpecMismatchError(
            f"{path_hint} was written by another spec:\n{lines}\n"
            "Give the spec it was trained with (spec.yaml beside it), or start afresh in another "
            "trainer.default_root_dir"
        )


def header() -> dict[str, str]:
    """Versions that wrote a checkpoint."""
    return {"medix": __version__, "torch": str(torch.__version__), "use": "research use, not for clinical decisions"}
