"""The data module under a real Lightning trainer: epochs, stops, resumes."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning.pytorch as lightning
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from medix.data.build import write_shards
from medix.data.datamodule import ShardDataModule
from medix.data.manifest import DataStatement, Manifest, ShardEntry
from medix.data.mixture import Mixture
from medix.data.prompting import Prompting
from medix.data.selectors.mixture import MixtureSelector
from medix.modality import ModalitySet
from medix.types import PromptBatch, Sample
from tests.data.conftest import Writer


class Recorder(lightning.LightningModule):
    """Does with the data what a training module does, and writes down what it saw."""

    def __init__(self, processor: Any, per_rollout: int = 4, template: str = "short") -> None:
        super().__init__()
        self.automatic_optimization = False
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.processor = processor
        self.per_rollout = per_rollout
        self.template = template
        self.position = 0
        self.seen: list[list[str]] = []
        self.validated: list[list[str]] = []
        self.epochs: list[int] = []

    def setup(self, stage: str) -> None:
        self.trainer.datamodule.bind(Prompting(template=self.template), self.processor, self.per_rollout)  # type: ignore[attr-defined]

    def training_step(self, prompts: PromptBatch, index: int) -> None:
        self.position = prompts.next_index
        self.seen.append([prompt.sample.id for prompt in prompts])
        self.epochs.append(self.current_epoch)
        self.optimizers().step()  # type: ignore[union-attr, call-arg]

    def validation_step(self, prompts: PromptBatch, index: int) -> None:
        self.validated.append([prompt.sample.id for prompt in prompts])

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.0)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["position"] = self.position

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.trainer.datamodule.position = checkpoint["position"]  # type: ignore[attr-defined]


class StopAfter(Callback):
    """Saves after a number of steps and stops, as a killed run would have."""

    def __init__(self, steps: int, path: Path) -> None:
        self.steps, self.path = steps, path

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        if len(module.seen) == self.steps:
            trainer.save_checkpoint(self.path)
            trainer.should_stop = True


def _trainer(tmp_path: Path, *callbacks: Callback, **arguments: Any) -> lightning.Trainer:
    return lightning.Trainer(
        default_root_dir=tmp_path, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, callbacks=list(callbacks),
        **{"max_epochs": 3} | arguments,
    )  # fmt: skip


def _paths(manifests: tuple[Manifest, ...]) -> list[str]:
    return [str(manifest.path) for manifest in manifests]


@pytest.fixture
def train(write: Writer) -> list[str]:
    return _paths(write({"CT_SCAN": 9, "MRI_SCAN": 5}))


def _fit(tmp_path: Path, train: list[str], processor: Any, *callbacks: Callback, **arguments: Any) -> Recorder:
    module = Recorder(processor)
    resume = arguments.pop("resume", None)
    workers = arguments.pop("num_workers", 0)
    data = ShardDataModule(train=train, seed=3, num_workers=workers)
    _trainer(tmp_path, *callbacks, **arguments).fit(module, datamodule=data, ckpt_path=resume, weights_only=True)
    return module


def test_epochs_of_the_trainer_are_epochs_of_the_stream(tmp_path: Path, train: list[str], processor: Any) -> None:
    module = _fit(tmp_path, train, processor)
    assert module.epochs == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert [len(batch) for batch in module.seen] == [4] * 9
    for epoch in range(3):
        names = [name for batch in module.seen[3 * epoch : 3 * epoch + 3] for name in batch]
        assert len(set(names)) == 12
    assert module.seen[:3] != module.seen[3:6]


def test_worker_processes_change_nothing(tmp_path: Path, train: list[str], processor: Any) -> None:
    alone = _fit(tmp_path, train, processor, max_epochs=2)
    helped = _fit(tmp_path, train, processor, max_epochs=2, num_workers=2)
    assert helped.seen == alone.seen


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 6, 7])
def test_a_stopped_run_continues_with_the_next_sample(
    tmp_path: Path, train: list[str], processor: Any, steps: int
) -> None:
    """Stopped inside an epoch (1, 2, 4, 7) and after the last batch of one (3, 6)."""
    straight = _fit(tmp_path, train, processor)
    first = _fit(tmp_path, train, processor, StopAfter(steps, tmp_path / "stop.ckpt"))
    second = _fit(tmp_path, train, processor, resume=tmp_path / "stop.ckpt")
    assert first.seen == straight.seen[:steps]
    assert second.seen == straight.seen[steps:]
    assert second.epochs == straight.epochs[steps:]


def test_an_epoch_cut_short_by_the_trainer_goes_on_in_the_next(
    tmp_path: Path, train: list[str], processor: Any
) -> None:
    straight = _fit(tmp_path, train, processor)
    short = _fit(tmp_path, train, processor, limit_train_batches=2)
    assert short.seen == straight.seen[:5]


def test_validation_runs_between_without_moving_training(
    tmp_path: Path, train: list[str], processor: Any, write: Writer
) -> None:
    val = _paths(write({"X_RAY": 5}, folder="val"))
    module = Recorder(processor)
    data = ShardDataModule(train=train, val=val, seed=3, val_batch_size=2)
    _trainer(tmp_path, max_epochs=2, val_check_interval=1).fit(module, datamodule=data)
    assert module.seen == _fit(tmp_path, train, processor, max_epochs=2).seen
    assert module.validated == [["row.0", "row.1"], ["row.2", "row.3"], ["row.4"]] * 6


def test_a_limit_of_validation_samples_spreads_over_the_split(tmp_path: Path, processor: Any, write: Writer) -> None:
    module = Recorder(processor)
    data = ShardDataModule(val=_paths(write({"CT_SCAN": 6, "MRI_SCAN": 6})), limit_val=4)
    _trainer(tmp_path).validate(module, datamodule=data, verbose=False)
    assert module.validated == [["row.0", "row.3", "row.6", "row.9"]]


@pytest.mark.parametrize(
    "change",
    [{"seed": 4}, {"window": 3}, {"mixture": Mixture(total=13)}, {"train": "other"}],
    ids=lambda c: next(iter(c)),
)
def test_a_resume_on_other_data_or_another_order_is_refused(
    tmp_path: Path, train: list[str], processor: Any, write: Writer, change: dict[str, Any]
) -> None:
    _fit(tmp_path, train, processor, StopAfter(1, tmp_path / "stop.ckpt"))
    if "train" in change:
        change = {"train": _paths(write({"CT_SCAN": 14}, folder="other"))}
    data = ShardDataModule(**{"train": train, "seed": 3} | change)
    with pytest.raises(ValueError, match=rf"another order.*{next(iter(change))}.* saved, .* now"):
        _trainer(tmp_path).fit(
            Recorder(processor), datamodule=data, ckpt_path=tmp_path / "stop.ckpt", weights_only=True
        )


def test_moved_data_can_be_continued(tmp_path: Path, train: list[str], processor: Any) -> None:
    straight = _fit(tmp_path, train, processor)
    _fit(tmp_path, train, processor, StopAfter(4, tmp_path / "stop.ckpt"))
    (tmp_path / "shards").rename(tmp_path / "moved")
    moved = [path.replace("/shards/", "/moved/") for path in train]
    assert _fit(tmp_path, moved, processor, resume=tmp_path / "stop.ckpt").seen == straight.seen[4:]


def test_a_checkpoint_is_validated_on_any_data(tmp_path: Path, train: list[str], processor: Any, write: Writer) -> None:
    _fit(tmp_path, train, processor, StopAfter(1, tmp_path / "stop.ckpt"))
    module = Recorder(processor)
    other = _paths(write({"X_RAY": 3}, folder="other"))
    data = ShardDataModule(train=other, val=other)
    _trainer(tmp_path).validate(
        module, datamodule=data, ckpt_path=tmp_path / "stop.ckpt", weights_only=True, verbose=False
    )
    assert module.validated == [["row.0", "row.1", "row.2"]]


def test_fewer_samples_than_a_rollout_is_an_error_with_both_numbers(train: list[str], processor: Any) -> None:
    data = ShardDataModule(train=train)
    data.bind(Prompting(), processor, 15)
    with pytest.raises(ValueError, match="has 14 samples, fewer than prompts_per_rollout = 15"):
        data.train_dataloader()


def test_a_split_without_manifests_is_named() -> None:
    with pytest.raises(ValueError, match=r"data\.test: no manifests are given"):
        ShardDataModule().setup("test")
    assert ShardDataModule().val_dataloader() == []


def test_a_modality_outside_the_set_is_named_before_training(train: list[str], processor: Any) -> None:
    data = ShardDataModule(train=train)
    data.setup("fit")
    with pytest.raises(
        ValueError, match=r"made-ct_scan\.yaml has modality CT_SCAN, not in the modality set; known: MRI_SCAN"
    ):
        data.bind(Prompting(ModalitySet(["MRI_SCAN"])), processor, 4)


def test_a_loader_before_bind_is_an_error(train: list[str]) -> None:
    with pytest.raises(RuntimeError, match="bind"):
        ShardDataModule(val=train).val_dataloader()


@pytest.mark.parametrize("wrong", [{"window": 0}, {"num_workers": -1}, {"val_batch_size": 0}, {"limit_val": 0}])
def test_impossible_numbers_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=rf"data\.{next(iter(wrong))}: {next(iter(wrong.values()))}; give"):
        ShardDataModule(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_takes_its_share_of_every_batch(train: list[str], processor: Any, rank: int) -> None:
    whole, share = ShardDataModule(train=train, val=train), ShardDataModule(train=train, val=train, val_batch_size=3)
    share.trainer = SimpleNamespace(global_rank=rank, world_size=2)  # type: ignore[assignment]
    for data in (whole, share):
        data.bind(Prompting(template="short"), processor, 4)
    pairs = zip(whole.train_dataloader(), share.train_dataloader(), strict=True)
    for batch, part in pairs:
        assert [prompt.index for prompt in part] == [prompt.index for prompt in batch][rank::2]
        assert part.next_index == batch.next_index
    assert [len(part) for part in share.val_dataloader()] == ([2, 2, 2, 2, 1] if rank == 0 else [1] * 5)  # type: ignore[union-attr, arg-type]


def test_prompts_that_ranks_cannot_share_are_refused(train: list[str], processor: Any) -> None:
    data = ShardDataModule(train=train)
    data.trainer = SimpleNamespace(global_rank=0, world_size=3)  # type: ignore[assignment]
    data.bind(Prompting(), processor, 4)
    with pytest.raises(ValueError, match="prompts_per_rollout: 4 prompts cannot be shared by 3 ranks"):
        data.train_dataloader()


def test_two_validation_sets_that_count_from_one_are_twelve_samples(tmp_path: Path) -> None:
    for name in ("a", "b"):
        samples = [Sample(str(i), f"{name} {i}?", "r", None, source=name, case=str(i)) for i in range(1, 7)]
        write_shards(samples, tmp_path / name, DataStatement(name, "CC0-1.0", "nobody is shown"))
    stream = ShardDataModule(val=[str(tmp_path / "a"), str(tmp_path / "b")]).stream("val")
    found = [stream[i] for i in range(len(stream))]
    assert len({sample.key for sample in found}) == len({sample.cluster for sample in found}) == 12


def test_the_state_of_the_selector_is_saved_with_the_data(train: list[str]) -> None:
    data = ShardDataModule(train=train, selector=MixtureSelector(by=["modality"]))
    data.selector.finish_step(1, 6, [])
    again = ShardDataModule(train=train, selector=MixtureSelector(by=["modality"]))
    again.load_state_dict(data.state_dict())
    assert [again.selector.locate(i) for i in range(6, 40)] == [data.selector.locate(i) for i in range(6, 40)]
    assert again.state_dict() == data.state_dict()
    assert again.state_dict()["selector state"]["index"] == 6


def test_another_selector_than_that_of_the_checkpoint_is_refused(train: list[str]) -> None:
    """Also where the checkpoint is from before there were selectors: it was written with the default one."""
    mixed = ShardDataModule(train=train, selector=MixtureSelector(by=["modality"]))
    plain = ShardDataModule(train=train).state_dict()
    old = {name: value for name, value in plain.items() if not name.startswith("selector")}
    for state in (plain, old):
        with pytest.raises(ValueError, match=r"selector: \['EpochSelector', \{\}\] saved, \['MixtureSelector'"):
            mixed.load_state_dict(state)
    ShardDataModule(train=train).load_state_dict(old)


def test_a_cache_that_cannot_hold_the_open_shards_is_refused_with_the_arithmetic(
    tmp_path: Path, processor: Any
) -> None:
    """Four shards of 1 GB, of which windows of two and one more are open."""
    entries = tuple(ShardEntry(f"https://host/{i}.tar", f"{i}" * 64, 10**9, 10) for i in range(4))
    Manifest("far", "CT_SCAN", "CC0-1.0", "nobody", entries).write(tmp_path / "far.yaml")
    data = ShardDataModule(train=[str(tmp_path)], window=2, cache_gb=2.5)
    with pytest.raises(ValueError, match=r"cache_gb: 2\.5 GB cannot hold the 3 shards of data\.train .* \(3 GB\)"):
        data.setup("fit")
    fitting = ShardDataModule(train=[str(tmp_path)], window=2, cache_gb=3, download_seconds=7)
    assert (fitting.servers("train", "val"), fitting.cache.seconds) == ({"https://host"}, 7)
    fitting.setup("fit")
    fitting.bind(Prompting(), processor, 4)
    assert fitting.train_dataloader().read_ahead is not None


def test_a_large_manifest_is_ready_at_once(tmp_path: Path) -> None:
    """1,000 shards of 1,000 samples: 0.3 s of CPU without the checks of types at run time; a scan of all samples for
    each shard would take many seconds."""
    entries = [ShardEntry(f"{i}.tar", f"{i:064d}", 1, 1000) for i in range(1000)]
    Manifest("large", "CT_SCAN", "CC0-1.0", "nobody", tuple(entries)).write(tmp_path / "large.yaml")
    began = time.process_time()
    data = ShardDataModule(train=[str(tmp_path)], mixture=Mixture(repeat={"CT_SCAN": 1}))
    assert data.selector.locate(0).shard < 1000
    assert time.process_time() - began < 3


@pytest.mark.parametrize("wrong", [{"cache_gb": 0.0}, {"read_ahead": -1}, {"download_seconds": 0.0}])
def test_sizes_of_the_cache_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"data\.{next(iter(wrong))}"):
        ShardDataModule(**wrong)


def test_training_samples_that_differ_under_one_id_are_refused_before_anything_is_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of so many that it would delay the start, ids are left to ``shards verify``, which is said."""
    for name in ("a", "b"):
        samples = [Sample(str(i), f"{name} {i}?", "r", None) for i in range(1, 4)]
        write_shards(samples, tmp_path / name, DataStatement(name, "CC0-1.0", "nobody is shown", dataset="one"))
    with pytest.raises(ValueError, match=r"data\.train: 3 ids are used by different samples of one data set \(one: 1"):
        ShardDataModule(train=[str(tmp_path / "a"), str(tmp_path / "b")]).setup("fit")
    monkeypatch.setattr("medix.data.datamodule._MOST_COMPARED", 5)
    ShardDataModule(train=[str(tmp_path / "a"), str(tmp_path / "b")]).setup("fit")
    assert "more than 5; medix shards verify compares them" in caplog.text


def test_remarks_of_the_selector_are_logged(train: list[str], caplog: pytest.LogCaptureFixture) -> None:
    class Remarking(MixtureSelector):
        def remarks(self) -> list[str]:
            return ["what to know"]

    ShardDataModule(train=train, selector=Remarking()).setup("fit")
    assert "what to know" in caplog.messages


@pytest.mark.parametrize("names", [["modality"], ["sex", "sex"], "sex", [""]])
def test_subgroups_are_different_fields_of_metadata(names: list[str]) -> None:
    with pytest.raises(ValueError, match=r"data\.subgroups: .*give a list of different fields"):
        ShardDataModule(subgroups=names)
