"""Export of a trained policy as a Hugging Face folder."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medix.policy.merged import check_merged, merged_weights, untied
from medix.policy.vision_language import VisionLanguagePolicy


def export(policy: VisionLanguagePolicy, folder: str | Path, card: str) -> Path:
    """Write weights, processor and model card; adapters are merged into a copy of the weights.

    The folder is written under a temporary name beside it and renamed at the end, so that it is never incomplete. Its
    weights are those that engines get. Where adapters made a head differ from the embeddings that it is tied to, it
    holds both, and its configuration says ``tie_word_embeddings: false``.

    Args:
        policy: the policy to export, with its weights loaded.
        folder: must not exist, or be empty.
        card: text of README.md.

    Returns:
        The folder, for ``AutoModelForImageTextToText`` and ``AutoProcessor``.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"output: {folder} exists and is not empty; give another folder or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        check_merged(policy.hugging_face)
        weights = {name: one.value() for name, one in merged_weights(policy.hugging_face).items()}
        with _config_of_export(policy):
            policy.hugging_face.save_pretrained(partial, state_dict=weights)
        policy.processor.save_pretrained(partial)
        (partial / "README.md").write_text(card, encoding="utf-8")
        partial.chmod(0o777 & ~_umask())  # a temporary folder is private to its owner
        if folder.exists():
            folder.rmdir()
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


@contextmanager
def _config_of_export(policy: VisionLanguagePolicy) -> Iterator[None]:
    """Inside, the configuration says that head and embeddings are not tied, if adapters made them differ."""
    config = policy.hugging_face.config
    parts = {id(one): one for one in (config, config.get_text_config())} if untied(policy.hugging_face) else {}
    before = [(part, part.tie_word_embeddings) for part in parts.values() if hasattr(part, "tie_word_embeddings")]
    try:
        for part, _ in before:
            part.tie_word_embeddings = False
        yield
    finally:
        for part, tied in before:
            part.tie_word_embeddings = tied


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
