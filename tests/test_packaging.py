"""The wheel holds medix with its callbacks and specs, and nothing else."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_wheel_holds_the_package_its_callbacks_and_specs_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    (wheel,) = tmp_path.glob("medix_rl-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"medix", next(n for n in names if "dist-info" in n).split("/")[0]}
    for path in ("callbacks/judge_validation.py", "specs/demo.yaml", "specs/parts/rewards_medical.yaml", "py.typed"):
        assert f"medix/{path}" in names
    expected = {f"medix/{p.relative_to(ROOT / 'medix')}" for p in (ROOT / "medix").rglob("*.py")}
    expected |= {
        f"medix/{p.relative_to(ROOT)}" for folder in ("callbacks", "specs") for p in (ROOT / folder).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == expected
