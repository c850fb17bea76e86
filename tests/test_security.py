"""Attacks that go through several parts, and the list of SECURITY.md: every test that it names exists."""

import json
import os
import pickle
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from medix.cli import build_module
from medix.judge.local_model import LocalModel
from medix.modules import checkpoint_file
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rewards.encoder import SentenceEncoder
from tests.support.runs import ROOT

NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
CODE = """
import pathlib
pathlib.Path(__file__).with_name("ran").touch()
"""


def test_every_test_that_the_threat_list_names_exists() -> None:
    found = NAMED.findall((ROOT / "SECURITY.md").read_text("utf-8"))
    assert len(found) > 30
    missing = [f"{file}::{name}" for file, name in found if f"def {name}(" not in (ROOT / file).read_text("utf-8")]
    assert missing == []


def test_every_threat_names_a_test() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8").partition("## Threats")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) > 15
    assert [row for row in rows if not NAMED.search(row)] == []


# Programs in a model's folder ----------------------------------------------------------------------------------------

READERS = {
    "policy": lambda folder: VisionLanguagePolicy(folder).config,
    "processor": lambda folder: VisionLanguagePolicy(folder).processor,
    "weights": lambda folder: VisionLanguagePolicy(folder).load(),
    "judge": lambda folder: LocalModel(folder, None, "cpu", "auto"),
    "encoder": lambda folder: SentenceEncoder(folder).load_tokenizer(),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_program_in_a_models_folder_is_not_run_even_if_the_terminal_says_yes(
    reader: str, tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers would ask on the terminal, where a script may have been given an endless ``yes``."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_policy, folder)
    (folder / "own.py").write_text(CODE)
    classes = {f"Auto{kind}": "own.X" for kind in ("Config", "Processor", "Model", "ModelForImageTextToText")}
    for name, further in (
        ("config.json", {"model_type": "of_a_stranger"}),
        ("processor_config.json", {"processor_class": "X"}),
        ("tokenizer_config.json", {"tokenizer_class": "X"}),
    ):
        file = folder / name
        tokenizer = {"AutoTokenizer": [None, "own.X"]} if name.startswith("token") else classes
        file.write_text(json.dumps({**json.loads(file.read_text()), **further, "auto_map": tokenizer}))
    monkeypatch.setattr("builtins.input", lambda *prompt: "y")
    with pytest.raises(ValueError, match=r"of_a_stranger|custom code"):
        READERS[reader](str(folder))
    assert not (folder / "ran").exists()


# Checkpoints ---------------------------------------------------------------------------------------------------------


class Attack:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.file),)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_checkpoint_is_not_unpickled(is_zip: bool, tmp_path: Path) -> None:
    path, made = tmp_path / "step-000001.ckpt", tmp_path / "made"
    torch.save({"state_dict": {}, "medix": Attack(made)}, path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(checkpoint_file.DamagedCheckpointError) as caught:
        checkpoint_file.read(path)
    assert not made.exists()
    assert "weights_only" not in str(caught.value)  # torch's advice to load it all the same
    torch.load(path, weights_only=False)  # the attack works where the file is unpickled
    assert made.exists()


def test_a_folder_of_deepspeed_or_of_sharded_files_is_no_checkpoint(tmp_path: Path) -> None:
    """Both hold pickles: ``mp_rank_00_model_states.pt``, ``.metadata``."""
    made = tmp_path / "made"
    folder = tmp_path / "step-000001.ckpt"
    folder.mkdir()
    for name in ("mp_rank_00_model_states.pt", ".metadata", "meta.pt"):
        (folder / name).write_bytes(pickle.dumps(Attack(made)))
    with pytest.raises(OSError, match="directory"):
        checkpoint_file.read(folder)
    assert not made.exists()


# Specs ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        "model.loss", "model.optimizer", "model.policy", "model.engine.init_args.sampling.temperature",
        "model.optimizer.init_args.betas", "judge", "trainer.logger", "trainer.plugins", "trainer.callbacks",
    ],
)  # fmt: skip
def test_a_class_of_another_package_is_not_built_where_it_has_no_place(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "made"
    attack: Any = {"class_path": "subprocess.Popen", "init_args": {"args": ["mkdir", str(made)]}}
    spec: dict[str, Any] = yaml.safe_load((ROOT / "specs" / "demo.yaml").read_text("utf-8"))
    *owners, key = place.split(".")
    block = spec
    for owner in owners:
        block = block[owner]
    block[key] = [attack] if key in ("plugins", "callbacks") else attack
    file = tmp_path / "spec.yaml"
    file.write_text(yaml.safe_dump(spec))
    with pytest.raises(SystemExit) as caught:
        build_module(file)
    assert caught.value.code == 2
    assert not made.exists()
    assert "subprocess.Popen" in capsys.readouterr().err
