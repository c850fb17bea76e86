"""The wheel holds medix with its callbacks and specs and nothing else, and works where nothing else is installed."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COMES_WITH = {
    "markupsafe": "jinja2",
    "tokenizers": "transformers",
    "safetensors": "transformers",
    "huggingface_hub": "transformers",
    "packaging": "transformers",
    "pydantic": "deepspeed",
}
LIMIT = 600  # seconds: a hang, not a slow machine


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: a ``build`` folder left in the checkout would put files that were moved since into it."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("medix", "callbacks", "specs"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    (built,) = folder.glob("medix_rl-*.whl")
    return built


def test_the_wheel_holds_the_package_its_callbacks_and_specs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"medix", next(n for n in names if "dist-info" in n).split("/")[0]}
    expected = {f"medix/{path.relative_to(ROOT / 'medix')}" for path in files(ROOT / "medix")}
    expected |= {f"medix/{path.relative_to(ROOT)}" for top in ("callbacks", "specs") for path in files(ROOT / top)}
    assert {
        "medix/callbacks/judge_validation.py",
        "medix/specs/parts/rewards_medical.yaml",
        "medix/py.typed",
    } < expected
    assert {name for name in names if name.startswith("medix/")} == expected


def files(folder: Path) -> list[Path]:
    """All files below a folder, code and data, without README files and without those below the links in it."""
    return [
        Path(where, name)
        for where, _, names in os.walk(folder)
        if Path(where).name != "__pycache__"
        for name in names
        if name != "README.md"
    ]


def test_every_package_that_is_imported_is_a_dependency_or_an_extra() -> None:
    """Packages that come with a dependency, and share its interface, are not listed again."""
    providers = importlib.metadata.packages_distributions()
    required = {distribution(line) for line in PROJECT["dependencies"]}
    extras = {
        n for k, lines in PROJECT["optional-dependencies"].items() if k != "dev" for n in map(distribution, lines)
    }
    unknown = []
    for path in [*files(ROOT / "medix"), *files(ROOT / "callbacks")]:
        if path.suffix != ".py":
            continue
        for name in imported(ast.parse(path.read_text())):
            providing = {distribution(one) for one in providers.get(name, [])} | {COMES_WITH.get(name, name)}
            if name not in sys.stdlib_module_names | {"medix"} and not providing & (required | extras):
                unknown.append(f"{path.relative_to(ROOT)} imports {name}")
    assert unknown == []


def imported(tree: ast.Module) -> set[str]:
    """Top-level names of the packages that a file imports anywhere."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def distribution(requirement: str) -> str:
    """The normalised name of the distribution in a requirement."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def test_the_citation_agrees_with_the_project_and_names_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {
        "cff-version",
        "message",
        "title",
        "authors",
    } <= citation.keys()  # required by the format
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] == "medix"
    assert citation["authors"] == [{"name": "The medix authors"}]
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    (paper,) = citation["references"]
    assert {"type", "title", "authors"} <= paper.keys()
    assert [entry["value"] for entry in paper["identifiers"]] == ["arXiv:2602.23363"]


def test_the_hooks_before_a_commit_are_the_commands_of_make_lint() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]
    rule = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert rule is not None
    commands = rule[1].replace("$(VENV)", ".venv").replace("\t", "").splitlines()
    assert [hook["entry"] for hook in hooks[0]["hooks"]] == commands


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The interpreter of a fresh environment that holds the wheel and what it depends on, without any extra."""
    uv = Path(sys.executable).with_name("uv")
    assert uv.exists(), f"{uv} is absent: run make install"
    environment = wheel.parent / "environment"
    python = environment / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True, timeout=LIMIT)
    install = [uv, "pip", "install", "--quiet", "--python", python, "-c", ROOT / "constraints.txt", wheel]
    offline = subprocess.run([*install, "--offline"], capture_output=True, text=True, check=False, timeout=LIMIT)
    if offline.returncode:  # uv's cache lacks something, or was deleted
        online = subprocess.run(install, capture_output=True, text=True, check=False, timeout=LIMIT)
        assert online.returncode == 0, offline.stderr + online.stderr
    return python


def test_the_wheel_alone_builds_shards_and_trains_a_step(installed: Path, tmp_path: Path) -> None:
    """``python -m medix`` in a folder outside the checkout, with the policy of the demo, as somebody would who has
    installed the package only."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
    environment |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}

    def run(*words: str) -> str:
        command = [installed, *words]
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT
        )
        assert ended.returncode == 0, f"{words}:\n{ended.stdout[-2000:]}\n{ended.stderr[-4000:]}"
        return ended.stdout

    where = run(
        "-c", "import importlib.util as u, medix; print(medix.__file__, *map(u.find_spec, ('beartype', 'tests')))"
    )
    assert where.split() == [
        str(next(installed.parents[1].glob("lib/python*/site-packages/medix/__init__.py"))),
        "None",
        "None",
    ]
    assert "\n  shards " in run("-m", "medix", "--help")
    run("-m", "medix", "shards", "build", "--phantoms", "10", "--name", "train", "--output", "runs/demo/data/train")
    shutil.copytree(ROOT / "data_shards" / "demo_policy", tmp_path / "data_shards" / "demo_policy")
    small = {
        "data.val": '["runs/demo/data/train"]',
        "model.max_steps": 1,
        "model.prompts_per_step": 2,
        "model.update.prompts_per_update": 2,
        "model.engine.init_args.sampling.completions_per_prompt": 2,
        "model.evaluation.completions_per_prompt": 1,
    }
    run("-m", "medix", "fit", "--config", "demo", *(f"--{key}={value}" for key, value in small.items()))
    assert (tmp_path / "runs" / "demo" / "checkpoints" / "step-000001.ckpt").is_file()
    assert (tmp_path / "runs" / "demo" / "report.html").is_file()
