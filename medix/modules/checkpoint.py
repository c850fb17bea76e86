"""What a checkpoint holds beside weights and optimiser, so that a stopped run goes on as if it had not stopped."""

import hashlib
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from medix import __version__

KEY = "medix"
"""Where our part of a Lightning checkpoint lives."""


def random_states() -> dict[str, Any]:
    """States of the generators that dropout, libraries and users draw from; plain data and tensors."""
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, internal, gauss_next = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [kind, torch.from_numpy(np.array(keys, dtype=np.int64)), position, has_gauss, gauss],
        "python": [version, list(internal), gauss_next],
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """The inverse of ``random_states``; GPU states are restored where there are as many GPUs."""
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


def own_part(parts: Sequence[dict[str, Any]], rank: int, ranks: int) -> dict[str, Any]:
    """What a rank takes up of the buffers and random states that all ranks of a run had.

    As many ranks as before take each their own. Otherwise the buffered groups are dealt out anew, in the order of the
    data, as prompts are; a rank that was there before keeps its random states, and a further one is seeded from its
    number and the states of rank 0.

    Args:
        parts: ``buffer``, ``rollouts`` and ``random`` of every rank that wrote the checkpoint.
        rank: this rank.
        ranks: how many there are now.
    """
    if len(parts) == ranks:
        own: dict[str, Any] = parts[rank]
        return own
    waiting, ahead = (_in_order(parts, name) for name in ("buffer", "rollouts"))
    if rank < len(parts):
        states = parts[rank]["random"]
    else:
        digest = hashlib.sha256(parts[0]["random"]["torch"].numpy().tobytes() + str(rank).encode()).digest()
        states = {"seed": int.from_bytes(digest[:8], "big") >> 1}
    return {
        "buffer": {"groups": waiting[rank::ranks]},
        "rollouts": {"groups": ahead[rank::ranks]},
        "random": states,
    }


def _in_order(parts: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The groups of all ranks in the order of the data."""
    groups = [group for part in parts for group in part.get(name, {"groups": []})["groups"]]
    return sorted(groups, key=lambda group: int(group["index"]))


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
