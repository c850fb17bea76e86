"""Promises about the shape of the code: import directions, sizes, a test file for every source file, quick help."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path
    for folder in ("medix", "callbacks")
    for path in (ROOT / folder).rglob("*.py")
    if path.name != "__init__.py" and not path.is_relative_to(ROOT / "medix" / "callbacks")
)
TESTS = {path.name for path in (ROOT / "tests").rglob("test_*.py")}


def test_imports_point_one_way() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_source_file_has_a_test_file_of_its_name(path: Path) -> None:
    name = "test_main.py" if path.name == "__main__.py" else f"test_{path.name}"
    assert name in TESTS, f"{path.relative_to(ROOT)} has no tests/**/{name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_or_function_outgrows_a_screen_or_two(path: Path) -> None:
    source = path.read_text()
    assert source.count("\n") <= 500, "a crowded room: move the walls"
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "__init__":
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno <= 60, f"{node.name} has {node.end_lineno - node.lineno} lines"


def test_every_module_with_arrays_has_their_shapes_checked(request: pytest.FixtureRequest) -> None:
    checked = tuple(request.config.getoption("--jaxtyping-packages").split(","))
    for path in SOURCES:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if "from jaxtyping import" in path.read_text():
            assert any(name == part or name.startswith(f"{part}.") for part in checked), f"{name}: add it to addopts"


def test_the_training_step_reads_as_the_algorithm() -> None:
    tree = ast.parse((ROOT / "medix" / "modules" / "group_rl.py").read_text())
    step = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "training_step")
    statements = [n for n in ast.walk(step) if isinstance(n, ast.stmt)]
    assert len(statements) <= 24
    assert not [n for n in ast.walk(step) if isinstance(n, ast.Attribute) and n.attr in {"log", "log_dict", "print"}]


def test_help_is_quick_because_lightning_is_not_imported() -> None:
    code = "import sys; from medix.__main__ import main; main(['--help']); assert 'torch' not in sys.modules"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "fit" in result.stdout
    assert "never for clinical decisions" in result.stdout


@pytest.mark.parametrize(
    "module", ["medix.types", "medix.modality", "medix.grammar", "medix.judge", "medix.spec.spec_early"]
)
def test_the_nouns_and_the_judges_import_without_torch(module: str) -> None:
    code = f"import sys, {module}; assert 'torch' not in sys.modules, 'torch'; assert 'aiohttp' not in sys.modules"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_nothing_in_the_repository_names_an_index_or_the_workplace() -> None:
    banned = ("pypi." + "org", "python" + "hosted", "/wo" + "rk/", "sub" + "agent", ".li" + "brary")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    endings = (".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".jinja", ".cff", "Makefile", ".ci/run")
    texts = [ROOT / name for name in listed.splitlines() if name.endswith(endings)]
    assert texts
    found = [(str(p.relative_to(ROOT)), word) for p in texts if p.is_file() for word in banned if word in p.read_text()]
    assert not found
