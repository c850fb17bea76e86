import pickle
from dataclasses import replace
from pathlib import Path

from medix.data.sources.source import RowError, content_id, files_below, stamp, stamps
from tests.data.conftest import make_sample


def test_an_error_travels_between_processes() -> None:
    # an error of a row comes from another process of the build
    error = pickle.loads(pickle.dumps(RowError("key", [1], "remedy", "kind", refused=True)))
    assert (error.key, error.value, error.remedy, error.kind, error.refused) == ("key", [1], "remedy", "kind", True)
    assert str(RowError("key", "x" * 500, "remedy")) == f"key: '{'x' * 119}; remedy"


def test_an_id_of_the_content_depends_on_what_is_asked() -> None:
    sample = make_sample(0)
    same = replace(sample, id="other", source="x", case="y")
    assert content_id(sample) == content_id(same)
    others = [replace(sample, **{key: "x"}) for key in ("question", "reference")]
    others += [replace(sample, images=()), replace(sample, aliases=("x",))]
    assert len({content_id(one) for one in (sample, *others)}) == 5


def test_a_stamp_changes_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    before = stamps(tmp_path / "a")
    assert stamps(tmp_path / "a") == before
    (tmp_path / "a").write_text("xy")
    assert stamps(tmp_path / "a") != before
    assert stamp(tmp_path / "a") == stamps(tmp_path / "a")
    assert [stamp(Path(name)) for name in ("gone", "a\0b", "x" * 300)] == ["gone", "a\0b", "x" * 300]


def test_what_begins_with_a_dot_is_passed_over_below_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / ".data"
    for name in ("b/x.csv", "a.CSV", "._a.csv", "b/._x.csv", ".cache/y.csv", "c.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    assert files_below(folder, (".csv",)) == [folder / "a.CSV", folder / "b" / "x.csv"]
