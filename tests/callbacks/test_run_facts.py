"""Facts of a run, as far as the run has them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medix.callbacks.run_facts import _data, run_facts, versions
from medix.data.build import write_shards
from medix.data.datamodule import ShardDataModule
from medix.data.manifest import DataStatement
from medix.judge.own_arguments import named
from medix.rollout.engine import Sampling
from medix.types import Sample
from tests.support.fake_training import CountingJudge, FakeData, FakeModule, make_trainer


def _facts(folder: Path, data: dict[str, Any] | None = None, **parts: Any) -> dict[str, str]:
    trainer = make_trainer(folder, [], limit_val_batches=0)
    module = FakeModule(max_steps=1, judge=CountingJudge())
    datamodule = FakeData()
    vars(datamodule).update(data or {})
    trainer.fit(module, datamodule)
    for name, value in parts.items():
        object.__setattr__(module, name, value)
    return run_facts(trainer, module, "own/v2")


def test_what_a_module_does_not_have_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)
    facts = _facts(tmp_path)
    assert facts["Judge of the validation"] == "own/v2"
    assert facts["Judge of the rewards"] == named(CountingJudge())
    assert not {"Loss", "Seed", "Training sampling", "Policy"} & facts.keys()


def test_sampling_seed_and_algorithm_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "3")
    engine = SimpleNamespace(sampling=Sampling(completions_per_prompt=4, max_completion_tokens=32, seed=9))
    facts = _facts(tmp_path, engine=engine, loss=CountingJudge(), prompts_per_step=24)
    assert facts["Seed"] == "run 3, sampling 9"
    assert facts["Training sampling"] == "4 per prompt, up to 32 tokens, temperature 1, top_p 1"
    assert facts["Loss"] == "CountingJudge"
    assert facts["Prompts per step"] == "24"


def test_manifests_are_named_with_their_sizes(tmp_path: Path) -> None:
    manifest = SimpleNamespace(name="train", dataset="phantoms", names_dataset=True, samples=1200)
    data = {"paths": {"train": ["x"], "val": []}, "manifests": lambda split: (manifest, manifest)}
    facts = _facts(tmp_path, data)
    assert facts["Data, train"] == "train of phantoms (2,400 samples)"
    assert "Data, val" not in facts


def test_cases_that_may_be_shared_are_a_fact_of_the_run(tmp_path: Path) -> None:
    """The case p of both manifests, neither of which names its data set."""
    for name, question in (("a", "q"), ("b", "r")):
        sample = Sample("1", question, "r", None, case="p")
        write_shards([sample], tmp_path / name, DataStatement(name, "CC0-1.0", "nobody is shown"))
    data = ShardDataModule(train=[str(tmp_path / "a")], val=[str(tmp_path / "b")])
    assert data.label("val") == "validation (1 case name also in training)"
    assert "1 names of cases or samples in common (p)" in _data(data)["Validation and training data"]


def test_versions_name_what_is_installed() -> None:
    assert {"medix", "Python", "torch", "lightning"} <= versions().keys()
