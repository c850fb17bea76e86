"""One training step on shards made of three kinds of input, one of them tars that are only listed."""

import itertools
import json
from pathlib import Path

from lightning.pytorch import Trainer

from medix.data.adoption import Adoption
from medix.data.build import Build, BuildPlan
from medix.data.datamodule import ShardDataModule
from medix.data.manifest import DataStatement
from medix.data.sources.csv_file import CsvSource
from medix.data.sources.llava import LlavaSource
from medix.data.sources.table_source import Reading
from medix.data.sources.webdataset import WebDatasetSource
from tests.data.conftest import picture
from tests.support.group_rl_runs import Keep, make
from tests.support.tars import tar


def plan(folder: Path, name: str) -> BuildPlan:
    return BuildPlan(DataStatement(name, "CC0-1.0", "nobody is shown"), folder / "shards", modality="CT_SCAN")


def test_every_sample_of_three_kinds_is_trained_on(tiny_policy: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(1, (64, 64)))
    (tmp_path / "rows.csv").write_text("id,image,question,answer\n1,a.png,q,a\n2,,q,a\n")
    Build(CsvSource(tmp_path / "rows.csv"), plan(tmp_path, "table")).run()
    turns = [("human", "<image>\nWhich side?"), ("gpt", "left"), ("human", "Why?"), ("gpt", "because")]
    row = {"id": "c", "image": "a.png", "conversations": [{"from": who, "value": text} for who, text in turns]}
    (tmp_path / "rows.json").write_text(json.dumps([row]))
    Build(LlavaSource(tmp_path / "rows.json", Reading()), plan(tmp_path, "talk")).run()
    said = {"question": "q", "answer": "a"}
    images = {f"{n}": {"png": picture(n, (64, 64)), "json": said | {"id": n}} for n in (1, 2)}
    source = WebDatasetSource(str(tar(tmp_path / "x.tar", images)), Reading())
    Adoption(source, plan(tmp_path, "tars")).run()

    turn = itertools.count()
    module = make(tiny_policy, lambda _: next(turn) % 2, prompts_per_step=6)
    keep = Keep()
    trainer = Trainer(
        default_root_dir=tmp_path, accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, callbacks=[keep],
    )  # fmt: skip
    trainer.fit(module, datamodule=ShardDataModule(train=[str(tmp_path / "shards")]))
    (record,) = keep.records
    trained = {group.rollout.prompt.sample.key for group in record.trained}
    assert trained == {
        ("table", "1"), ("table", "2"), ("talk", "c:1"), ("talk", "c:2"), ("tars", "1"), ("tars", "2"),
    }  # fmt: skip
