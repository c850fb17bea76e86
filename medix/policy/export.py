"""Export of a trained policy as a Hugging Face folder."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError

from medix.files.disk_room import NO_ROOM, error_number
from medix.policy.asking import FILE, Asking, generation_config
from medix.policy.merged import check_merged, merged_weights, untied
from medix.policy.vision_language import VisionLanguagePolicy


def export(policy: VisionLanguagePolicy, folder: str | Path, card: str, asking: Asking | None = None) -> Path:
    """Write weights, processor and model card; adapters are merged into a copy of the weights.

    The folder is written under a temporary name beside it and renamed at the end, so that it is never incomplete. Its
    weights are those that engines get. Where adapters made a head differ from the embeddings that it is tied to, it
    holds both, and its configuration says ``tie_word_embeddings: false``.

    The generation settings of the base model are replaced, because none of them was used in training, and because
    transformers refuses to write some that it reads.

    Args:
        policy: the policy to export, with its weights loaded.
        folder: must not exist, or be empty.
        card: text of README.md.
        asking: how the policy was asked; written to ``medix.json``, and into chat template and processor where they
            can hold it. None writes the processor of the base model, and greedy decoding.

    Returns:
        The folder, for ``AutoModelForImageTextToText`` and ``AutoProcessor``.

    Raises:
        ValueError: the folder has something in it.
        OSError: it cannot be written; no part of it stays.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"output: {folder} exists and is not empty; give another folder or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        check_merged(policy.hugging_face)
        weights = {name: one.value() for name, one in merged_weights(policy.hugging_face).items()}
        needed = sum(weight.nbytes for weight in weights.values())
        with _config_of_export(policy), _generating(policy, asking), _disk_errors(folder, needed):
            policy.hugging_face.save_pretrained(partial, state_dict=weights)
        processor = policy.processor
        if asking is not None:
            text = json.dumps(asking.to_dict(processor), indent=2, ensure_ascii=False)
            (partial / FILE).write_text(text + "\n", encoding="utf-8")
            processor = asking.asking_processor(processor)
        processor.save_pretrained(partial)
        (partial / "README.md").write_text(card, encoding="utf-8")
        partial.chmod(0o777 & ~_umask())  # a temporary folder is private to its owner
        if folder.exists():
            folder.rmdir()
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _disk_errors(folder: Path, needed: int) -> Iterator[None]:
    """Have an error of the disk name the folder and the bytes of its weights; safetensors makes another kind of it."""
    try:
        yield
    except SafetensorError as error:
        if "os error" not in str(error):
            raise
        number = error_number(error, folder, needed)
        text = os.strerror(number) + (f": at least {needed} bytes are needed" if number in NO_ROOM else "")
        raise OSError(number, text, str(folder)) from error


@contextlib.contextmanager
def _config_of_export(policy: VisionLanguagePolicy) -> Iterator[None]:
    """Inside, the configuration describes the weights that are written.

    All of its parts state their dtype, of which transformers sets that of the whole alone; and head and embeddings are
    not tied if adapters made them differ.
    """
    model = policy.hugging_face
    config = model.config
    parts = [getattr(config, name) for name in config.sub_configs]
    changes = [(part, "dtype", model.dtype) for part in parts]
    if untied(model):
        tied = {id(one): one for one in (config, config.get_text_config())}.values()
        changes += [(one, "tie_word_embeddings", False) for one in tied if hasattr(one, "tie_word_embeddings")]
    before = [(part, name, getattr(part, name)) for part, name, _ in changes]
    try:
        for part, name, value in changes:
            setattr(part, name, value)
        yield
    finally:
        for part, name, value in before:
            setattr(part, name, value)


@contextlib.contextmanager
def _generating(policy: VisionLanguagePolicy, asking: Asking | None) -> Iterator[None]:
    """Give the model the generation settings of the run while it is saved."""
    model = policy.hugging_face
    given = model.generation_config
    padding = policy.processor.tokenizer.pad_token_id
    model.generation_config = generation_config(policy.eos_token_ids, padding, policy.banned_token_ids, asking)
    try:
        yield
    finally:
        model.generation_config = given


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
