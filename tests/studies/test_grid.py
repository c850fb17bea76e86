"""Grid files."""

from pathlib import Path

import pytest

from medix.specs import __file__ as specs_file
from medix.studies.grid import Grid

SPECS = Path(specs_file).parent


def grid(folder: Path, text: str) -> Grid:
    file = folder / "grid.yaml"
    file.write_text(text)
    return Grid.read(file)


def test_every_combination_of_values_in_every_cell_is_a_run_with_every_seed(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("model: {}\n")
    found = grid(
        tmp_path,
        """
spec: spec.yaml
seeds: [3, 4]
seed_keys: [seed_everything, model.seed]
settings: {model.max_steps: 2, model.loss: {class_path: A, init_args: {x: 1}}}
cells: {plain: null, other: {model.loss: {class_path: B}}}
grid: {model.optimizer.init_args.lr: [1.0e-4, 0.5], data.seed: [7]}
""",
    )
    assert [cell.name for cell in found.cells] == [
        "plain,lr=0.0001,seed=7", "plain,lr=0.5,seed=7", "other,lr=0.0001,seed=7", "other,lr=0.5,seed=7",
    ]  # fmt: skip
    assert [(cell.name[:5], seed) for cell, seed in found.runs][::4] == [("plain", 3), ("plain", 4)]
    assert len(found.runs) == 8
    spec = found.cells[3].spec(4, found.seed_keys)
    assert spec == {
        "seed_everything": 4,
        "model": {
            "max_steps": 2, "loss": {"class_path": "B"}, "optimizer": {"init_args": {"lr": 0.5}}, "seed": 4,
        },
        "data": {"seed": 7},
    }  # fmt: skip
    assert found.cells[0].spec(4, ["seed_everything"])["model"]["loss"]["init_args"] == {"x": 1}
    assert (found.baseline, found.title, found.spec) == ("plain,lr=0.0001,seed=7", "grid", tmp_path / "spec.yaml")


def test_values_name_their_folders_by_what_differs(tmp_path: Path) -> None:
    found = grid(
        tmp_path,
        """
spec: demo
grid:
  model.loss: [{class_path: medix.losses.GSPOLoss}, {class_path: medix.losses.DAPOLoss, init_args: {clip_low: 0.1}}]
  model.rewards: [rewards_offline, null]
  data.train: [[a/b, c d]]
""",
    )
    assert [cell.name for cell in found.cells][:2] == [
        "loss=GSPOLoss,rewards=rewards_offline,train=a_b_c_d", "loss=GSPOLoss,rewards=null,train=a_b_c_d",
    ]  # fmt: skip
    assert "DAPOLoss_clip_low_0.1" in found.cells[2].name
    rewards = found.cells[0].settings["model.rewards"]
    assert Path(rewards).is_absolute()
    assert Path(rewards).name == "rewards_offline.yaml"


def test_what_is_said_later_holds_also_inside_of_a_block(tmp_path: Path) -> None:
    """Of a grid over a key inside a block, in whichever order all rows would else be the same run."""
    found = grid(
        tmp_path,
        """
spec: demo
settings: {model.loss.init_args.clip_low: 0.1}
cells: {other: {model.loss: {class_path: B}}}
grid: {model.loss.init_args.clip_low: [0.2, 0.3], model.loss.init_args: [{clip_low: 0.5, x: 1}]}
""",
    )
    losses = [cell.spec(1, found.seed_keys)["model"]["loss"] for cell in found.cells]
    assert losses == [{"class_path": "B", "init_args": {"clip_low": value, "x": 1}} for value in (0.2, 0.3)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "holds no keys"),
        ("spec: demo\nseed: [1]\ncells: {a: null}", "line 2: seed: there is no such key"),
        ("cells: {a: null}", "spec: is missing"),
        ("spec: nosuch\ncells: {a: null}", "line 1: spec: nosuch: there is no such file"),
        ("spec: demo", "cells: is missing, and so is grid"),
        ("spec: demo\ncells: [a]", "line 2: cells: give a mapping"),
        ("spec: demo\ncells: {a/b: null}", "'a/b' is no name of a folder"),
        ("spec: demo\ncells: {..: null}", "is no name of a folder"),
        ("spec: demo\ncells: {a: [1]}", "line 2: cells: give dotted keys"),
        ("spec: demo\ncells: {a: null}\nseeds: []", "line 3: seeds"),
        ("spec: demo\ncells: {a: null}\nseeds: [1, true]", "give a list of whole numbers"),
        ("spec: demo\ncells: {a: null}\nseeds: [1, 1]", "1 stands there twice"),
        ("spec: demo\ngrid: {model.x: 1}", "line 2: grid: give a list of values"),
        ("spec: demo\ngrid: {model.x: ['a b', 'a_b']}", "two combinations have the name 'x=a_b'"),
        ("spec: demo\ncells: {a: null}\nbaseline: b", "'b' is no combination; combinations: a"),
        ("spec: demo\ncells: {a: null}\nmeasures: [speed]", "give a list of accuracy, modality_accuracy, reward"),
        ("spec: demo\ncells: {a: null}\npublished: [{cell: a}]", "published: give a list of mappings"),
        ("spec: demo\ncells: {a: null}\nseed_keys: [1]", "seed_keys: give a list of dotted keys"),
        ("spec: demo\ncells: {a: {model.x: 1, model.x.y: 2}}", "model.x.y is inside model.x"),
        ("spec: demo\nsettings: {model.x: 1}\ncells: {a: {model.x.y: 2}}", "model.x.y is inside x, which is 1"),
        (f"spec: demo\ngrid: {{model.x: [{'a' * 254}]}}", "is too long for the name of a folder; give values as cells"),
        ("spec: demo\ngrid: {data.seed: [5, 6]}", "data.seed is 5, and every run sets it to its seed; take it out"),
        ("spec: demo\ncells: {a: {data: {seed: 5}}}", "a: data.seed is 5, and every run sets it to its seed"),
        ("spec: demo\ngrid: {a.b: [" + ",".join(map(str, range(10_001))) + "]}", "10,001 runs"),
        ("spec: demo\ncells: {a: null, a: null}", "stands"),
    ],
)
def test_what_is_wrong_is_told_with_line_key_and_remedy(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ValueError, match=r"^GRID .*grid\.yaml") as caught:
        grid(tmp_path, text)
    assert told in str(caught.value)


@pytest.mark.parametrize("file", sorted((SPECS / "ablations").glob("*.yaml")), ids=lambda file: file.stem)
def test_the_shipped_grids_are_specs_that_can_be_read(file: Path, tmp_path: Path) -> None:
    """Every cell passes the checks that a fit begins with; three seeds; what it can say is stated."""
    from medix.spec.spec_early import check_early
    from medix.studies.grid_run import GridRun

    found = Grid.read(file)
    assert len(found.seeds) == 3
    assert found.note
    for cell in found.cells:
        run = GridRun(found, cell, 1, tmp_path)
        run.write_spec()
        check_early(run.words[1:])
