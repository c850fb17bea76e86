"""The demo learns, and learns from images: train and held-out pictures differ, a learning rate of 0 moves nothing, and
with images exchanged between samples the gain is gone."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from medix.commands.shards import main as shards
from medix.data.manifest import read_manifests
from medix.data.stream import Stream
from medix.reporting.record import read_records
from tests.support.runs import ROOT, medix, medix_in_turn

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone's working directory as `make demo` finds it, data drawn as the Makefile draws it."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / "data_shards").mkdir()
    shutil.copytree(ROOT / "data_shards" / "demo_policy", folder / "data_shards" / "demo_policy")
    for line in (ROOT / "Makefile").read_text().splitlines():
        if "shards build --phantoms" in line:
            words = line.split("shards build", 1)[1].replace("$(DEMO)", str(folder / "runs" / "demo")).split()
            assert shards(["build", *words]) == 0
    return folder


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    """The report of a whole demo run."""
    medix(folder, "fit", "--config", "demo")
    made: dict[str, Any] = json.loads((folder / "runs" / "demo" / "report.json").read_text())
    return made


def test_train_and_held_out_pictures_differ(folder: Path) -> None:
    pictures = {}
    for split in ("train", "val"):
        stream = Stream(read_manifests([str(folder / "runs" / "demo" / "data" / split)]), shuffle=False)
        samples = [stream[i] for i in range(len(stream))]
        pictures[split] = {hashlib.sha256(image).hexdigest() for sample in samples for image in sample.images}
        assert len(pictures[split]) == len(samples)
        assert len({sample.modality for sample in samples}) >= 5
    assert not pictures["train"] & pictures["val"]


def test_held_out_reward_rises_by_a_quarter_to_three_quarters(report: dict[str, Any]) -> None:
    before, after = report["before"], report["after"]
    assert after["reward"] - before["reward"] >= 0.25
    assert after["reward"] >= 0.75
    assert after["accuracy"] > before["accuracy"]
    assert after["modality_accuracy"] > before["modality_accuracy"]
    assert before["unscored"] == after["unscored"] == 0


def test_all_three_reports_are_there(report: dict[str, Any], folder: Path) -> None:
    for suffix in ("md", "json", "html"):
        assert (folder / "runs" / "demo" / f"report.{suffix}").stat().st_size > 1000
    page = (folder / "runs" / "demo" / "report.html").read_text()
    assert "not for clinical decisions" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


@pytest.fixture(scope="module")
def later(report: dict[str, Any], folder: Path) -> Path:
    """Commands after the run, in one process: ``validate``, ``validate`` with images exchanged, and a run of three
    steps with a learning rate of 0 in ``runs/still``. Holds what the two validations wrote."""
    written = folder / "later"
    written.mkdir()
    result = str(folder / "runs" / "demo" / "validation.json")
    still = {"model.max_steps": 3, "model.optimizer.init_args.lr": 0, "data.limit_val": 40}
    still |= {"trainer.default_root_dir": "runs/still"}
    medix_in_turn(
        folder,
        ["validate", "--config", "demo"],
        ["copy", result, str(written / "again.json")],
        ["validate", "--config", "demo", "--data.exchange_images", "true"],
        ["copy", result.replace(".json", "-exchanged.json"), str(written / "exchanged.json")],
        ["fit", "--config", "demo", *(f"--{key}={value}" for key, value in still.items())],
    )
    return written


def test_validate_on_the_saved_checkpoint_reproduces_after_exactly(report: dict[str, Any], later: Path) -> None:
    again = json.loads((later / "again.json").read_text())
    for name in ("reward", "accuracy", "modality_accuracy", "unscored", "completions", "intervals", "modalities"):
        assert again[name] == report["after"][name], name


def test_with_images_exchanged_the_gain_disappears(report: dict[str, Any], later: Path) -> None:
    """Two-way questions name their two answers, so texts alone are right about half of the time, and one modality in
    five is right by chance; nothing above that may be left."""
    exchanged = json.loads((later / "exchanged.json").read_text())
    gain = report["after"]["reward"] - report["before"]["reward"]
    assert exchanged["reward"] - report["before"]["reward"] < 0.3 * gain
    assert exchanged["accuracy"] < 0.58
    assert exchanged["modality_accuracy"] < 0.32


def test_with_learning_rate_zero_nothing_rises(later: Path, folder: Path) -> None:
    report = json.loads((folder / "runs" / "still" / "report.json").read_text())
    for name in ("reward", "accuracy", "modality_accuracy"):
        assert report["after"][name] == report["before"][name], name
    first, last = (read_records(folder / "runs" / "still" / "completions" / f"val-step-{s:06d}.jsonl") for s in (0, 3))
    assert [record.completion for record in first] == [record.completion for record in last]
