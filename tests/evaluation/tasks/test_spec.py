"""Task files: the shipped ones, one's own, and what is wrong with a file."""

import json
from pathlib import Path

import pytest
import yaml

from medix.evaluation.tasks.spec import FOLDER, find_task, read_task, read_tasks, shipped, task_of

OWN = """\
about: mine
data:
  local: [mine.csv]
  columns: {question: q, answer: a}
  fixed_choices: [yes, no, maybe]
  filter: {language: no}
scoring: binary
cluster: item
licence: mine
"""


def test_the_shipped_tasks_are_the_papers_seventeen_and_two_more() -> None:
    tasks = {name: read_task(FOLDER / f"{name}.yaml") for name in shipped()}
    groups = {name: task.group for name, task in tasks.items()}
    assert sum(group == "llm" for group in groups.values()) == 11
    assert sum(group == "vlm" for group in groups.values()) == 6
    assert {name for name, group in groups.items() if not group} == {"mmmu_medical", "medpix"}
    # counts of the splits, as their authors and the hub give them
    expected = {"medmcqa": 4183, "medqa": 1273, "usmle_sa": 325, "pubmedqa": 500, "slake_vqa": 1061, "rad_vqa": 451,
                "path_vqa": 6719, "mmmu_medical": 150}  # fmt: skip
    assert {name: tasks[name].expected_rows for name in expected} == expected
    assert sum(task.expected_rows or 0 for name, task in tasks.items() if name.startswith("mmlu_")) == 1089
    assert {task.scoring for name, task in tasks.items() if name.startswith("mimic")} == {"rubric"}
    assert all(task.access for name, task in tasks.items() if name.startswith("mimic"))
    assert "not comparable" in tasks["medpix"].deviations


@pytest.mark.parametrize("name", shipped())
def test_no_shipped_task_restates_a_default(name: str) -> None:
    given = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    for key, value in {"prompt": "{{ question }}", "rules": ["option", "exact"]}.items():
        assert given.get(key) != value
    assert given["data"].get("split") != "test"


def test_yes_and_no_stay_text_in_a_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(OWN)
    task = read_task(tmp_path / "mine.yaml")
    assert task.data.fixed_choices == ["yes", "no", "maybe"]
    assert task.data.filter == {"language": "no"}
    assert read_task(FOLDER / "pubmedqa.yaml").data.fixed_choices == ["yes", "no", "maybe"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("question: q", "qestion: q", "mine.yaml, line 4: Group 'data' does not accept option 'columns.qestion'"),
        ("scoring: binary", "scoring: percent", "scoring"),
        ("cluster: item", "cluster: patient", "cluster: patient needs data.columns.case"),
        ("cluster: item", "cluster: image", "cluster: image needs data.columns.images"),
        ("scoring: binary", "scoring: rule\nrules: []", "scoring: rule needs rules"),
        ("licence: mine", "licence: mine\nprompt: '{{ question'", "prompt: line 1 of the template"),
        ("licence: mine", "", "licence"),
        ("about: mine", "about: mine\nabout: yours", "stands twice"),
        ("[yes, no, maybe]", "[1, 2]", "mine.yaml, line 5: "),
        ("language: no", "language: 1.5", "'data.filter.language': 1.5 is not allowed; give a text, a whole number"),
        ("language: no", "language: [no, 2]", "'data.filter.language': ['no', 2] is not allowed"),
        ("{language: no}", "[no]", "mine.yaml, line 6: 'data.filter': ['no'] is no mapping; write filter: {NAME"),
        ("language: no", "language: []", "'filter.language': [] leaves no row"),
        (OWN, "- 1", "holds no keys"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(OWN.replace(old, new))
    with pytest.raises(ValueError, match=r"mine\.yaml") as caught:
        read_task(path)
    assert told in str(caught.value)


def test_tasks_are_chosen_by_name_group_or_file_each_once(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(OWN)
    chosen = read_tasks(["vlm", "slake_vqa", str(tmp_path / "mine.yaml")])
    assert list(chosen)[-1] == "mine"
    assert len(chosen) == 7
    assert len(read_tasks(["all"])) == 17
    (tmp_path / "slake_vqa.yaml").write_text(OWN)
    with pytest.raises(ValueError, match="would both be slake_vqa; rename one of the files"):
        read_tasks(["slake_vqa", str(tmp_path / "slake_vqa.yaml")])
    with pytest.raises(ValueError, match="--tasks slake: is no task; give a YAML file, or some of: medmcqa"):
        find_task("slake")


@pytest.mark.parametrize("name", shipped())
def test_a_task_comes_back_from_plain_data(name: str) -> None:
    task = read_task(FOLDER / f"{name}.yaml")
    assert task_of({**json.loads(json.dumps(task.to_dict())), "name": name, "rows": 3}) == task
