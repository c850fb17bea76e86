"""A build writes the same bytes however it is interrupted and by however many processes."""

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medix.data import build_output, row_pool
from medix.data.aliases import Aliases
from medix.data.build import Build, BuildError, BuildPlan, write_shards
from medix.data.build_versions import versions
from medix.data.manifest import DataStatement, read_manifests
from medix.data.partition import Partition, Unit
from medix.data.shards import Shard
from medix.data.sources.source import RowError, Source, SourceRow
from medix.types import Sample
from tests.data.conftest import make_sample

STATEMENT = DataStatement("made", "CC0-1.0", "nobody is shown")
PARTS = Partition((("train", 0.7), ("val", 0.3)))


class Killed(BaseException):
    """What ends a build at once."""


class Numbers(Source):
    """Samples by number; every seventh is faulty, every eleventh refused; ``dies_at`` stands for a kill."""

    def __init__(self, count: int = 40, dies_at: int = -1, bad: bool = True) -> None:
        self.count, self.dies_at, self.bad, self.made = count, dies_at, bad, 0

    def rows(self) -> Iterator[SourceRow]:
        return (SourceRow(f"row {number}", number) for number in range(self.count))

    def sample(self, row: SourceRow) -> Sample:
        number = row.content
        if number == self.dies_at:
            raise Killed
        self.made += 1
        self.counts["made"] += 1
        if self.bad and number % 7 == 3:
            raise RowError("question", None, "give the question", "question")
        if self.bad and number % 11 == 5:
            raise RowError("pixels", "YES", "look at them", "burned-in", refused=True)
        return make_sample(number, ("CT_SCAN", "MRI_SCAN", None)[number % 3])

    def fingerprint(self) -> str:
        return f"{self.count} {self.bad}"

    def notes(self, counts: Counter[str]) -> list[str]:
        return [f"{counts['made']} made, {counts['question']} without a question, {counts['burned-in']} burned in"]


def plan(folder: Path, **changes: Any) -> BuildPlan:
    return BuildPlan(STATEMENT, folder, samples_per_shard=3, skip_bad=True, partition=PARTS, **changes)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a build that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    result = Build(Numbers(), plan(folder)).run()
    assert result.left_out.faults == {"question": 6}  # 3, 10, 17, 24, 31, 38
    assert result.left_out.refused == {"burned-in": 3}  # 5, 16, 27; 38 is faulty before that
    assert result.notes[0] == "31 made, 6 without a question, 3 burned in"
    assert sum(manifest.samples for manifest in result.manifests) == 31
    sizes = [
        re.fullmatch(r"part (\w+): (\d+) samples of (\d+) cases, ([\d.]+)% .* of ([\d.]+)%", note)
        for note in result.notes[1:]
    ]
    (one, first, _, share, stated), (other, second, *_) = (match.groups() for match in sizes if match)
    assert (one, other, stated, int(first) + int(second)) == ("train", "val", "70.0", 31)
    assert float(share) == round(100 * int(first) / 31, 1)
    assert {manifest.skipped_rows for manifest in result.manifests} == {9}
    return contents(folder)


def test_the_parts_have_folders_names_and_one_data_set(whole: dict[str, bytes], tmp_path: Path) -> None:
    for name, data in whole.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert {name.partition("-")[0] for name in whole} == {"train/made_train", "val/made_val", "made.refused.jsonl"}
    manifests = {part: read_manifests([tmp_path / part]) for part in ("train", "val")}
    assert {manifest.dataset for found in manifests.values() for manifest in found} == {"made"}
    cases = {
        part: {sample.case for manifest in found for entry in manifest.shards for sample in Shard(manifest, entry)}
        for part, found in manifests.items()
    }
    assert cases["train"]
    assert cases["val"]
    assert not cases["train"] & cases["val"]
    refused = whole["made.refused.jsonl"].decode().splitlines()
    assert refused[1] == (
        '{"where": "row 5", "refused": true, "kind": "burned-in", "key": "pixels", "value": "\'YES\'", '
        '"remedy": "look at them"}'
    )


@pytest.mark.parametrize("row", [0, 1, 13, 26, 39])
def test_a_build_that_was_killed_continues_after_its_last_shard(
    whole: dict[str, bytes], tmp_path: Path, row: int
) -> None:
    with pytest.raises(Killed):
        Build(Numbers(dies_at=row), plan(tmp_path)).run()
    assert not list(tmp_path.rglob("*.yaml"))
    source = Numbers()
    result = Build(source, plan(tmp_path)).run()
    assert contents(tmp_path) == whole
    assert source.made + result.resumed == 40
    good = [number for number in range(row) if number % 7 != 3 and number % 11 != 5]
    groups = Counter((PARTS.part("made", make_sample(number)), number % 3) for number in good)
    assert result.resumed == sum(size // 3 * 3 for size in groups.values())  # whole shards of three only
    assert result.notes[0] == "31 made, 6 without a question, 3 burned in"


@pytest.mark.parametrize("has_ids", [True, False])
def test_rows_that_repeat_and_synonyms_are_counted_alike_after_several_kills(tmp_path: Path, has_ids: bool) -> None:
    class Repeating(Numbers):
        """Rows 20 to 34 repeat rows 5 to 19, two of them with another modality, and so do rows 35 to 39."""

        @property
        def has_ids(self) -> bool:
            return has_ids

        def sample(self, row: SourceRow) -> Sample:
            made = super().sample(row)
            first = make_sample(row.content if row.content < 20 else 5 + row.content % 15, made.modality)
            return replace(first, modality="X_RAY") if row.content in (26, 33) and made.modality else first

    repeated = plan(tmp_path / "whole", aliases=Aliases({f"finding {number}": ["other"] for number in range(0, 20, 2)}))
    uninterrupted = Build(Repeating(), repeated).run()
    assert uninterrupted.left_out.counts["duplicate-id" if has_ids else "duplicate"] > 5
    for row in (9, 4, 22, 31, 38):
        with pytest.raises(Killed):
            Build(Repeating(dies_at=row), replace(repeated, folder=tmp_path / "killed")).run()
    result = Build(Repeating(), replace(repeated, folder=tmp_path / "killed")).run()
    assert result.resumed
    assert result.notes == uninterrupted.notes
    assert result.left_out.counts == uninterrupted.left_out.counts
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


@pytest.mark.parametrize("moved", [1, 6, 13])  # 0 begins the journal
def test_a_build_that_was_killed_while_files_move_into_place_continues(
    whole: dict[str, bytes], tmp_path: Path, moved: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = iter(range(100))

    def move(source: Any, target: Any) -> None:
        if next(count) == moved:
            raise Killed
        os.rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(build_output.os, "replace", move)
        with pytest.raises(Killed):
            Build(Numbers(), plan(tmp_path)).run()
    source = Numbers()
    Build(source, plan(tmp_path)).run()
    assert contents(tmp_path) == whole
    assert source.made == 9  # the rows that are in no shard are read again


def test_a_line_of_the_journal_that_was_cut_is_no_shard(whole: dict[str, bytes], tmp_path: Path) -> None:
    with pytest.raises(Killed):
        Build(Numbers(dies_at=39), plan(tmp_path)).run()
    journal = tmp_path / ".building-made" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-10])
    lines = journal.read_bytes().count(b"\n")
    assert Build(Numbers(), plan(tmp_path)).run().resumed == 3 * (lines - 1)
    assert contents(tmp_path) == whole


def test_a_build_that_stopped_at_faults_and_was_killed_then_continues_without_them(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(output: Any) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(build_output.BuildOutput, "discard", killed)
        with pytest.raises(Killed):
            Build(Numbers(), replace(plan(tmp_path), skip_bad=False)).run()
    Build(Numbers(), plan(tmp_path)).run()
    assert contents(tmp_path) == whole


def test_another_input_or_plan_begins_anew(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        Build(Numbers(dies_at=39), plan(tmp_path)).run()
    result = Build(Numbers(41), plan(tmp_path)).run()
    assert result.resumed == 0
    assert result.notes[0].endswith("begun anew, because this changed: its input or an argument")


def test_a_build_is_not_continued_by_other_versions_which_are_named(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("medix.data.build.versions", lambda: versions() | {"Pillow": "0.1"})
        with pytest.raises(Killed):
            Build(Numbers(dies_at=39), plan(tmp_path)).run()
    result = Build(Numbers(), plan(tmp_path)).run()
    assert result.resumed == 0
    assert f"because this changed: Pillow (0.1 before, now {versions()['Pillow']})" in result.notes[0]
    assert contents(tmp_path) == whole


def test_several_processes_write_the_same_bytes(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_pool, "SMALL", 4)
    Build(Numbers(), plan(tmp_path, workers=2)).run()
    assert contents(tmp_path) == whole


def test_faults_stop_a_build_and_leave_nothing(tmp_path: Path) -> None:
    strict = BuildPlan(STATEMENT, tmp_path / "new" / "folder", samples_per_shard=3)
    with pytest.raises(BuildError) as caught:
        Build(Numbers(80), strict, "rows.x").run()
    lines = str(caught.value).splitlines()
    assert lines[0] == "rows.x: 11 faulty rows"  # 3, 10, …, 73
    assert lines[1] == "  row 3: question: None; give the question"
    assert lines[11:] == [
        "  … and 1 more", "Nothing was written. Correct the rows, or leave them out with --skip-bad"
    ]  # fmt: skip
    assert not (tmp_path / "new").exists()


def test_a_build_of_which_every_row_is_left_out_says_why(tmp_path: Path) -> None:
    class Refused(Numbers):
        def sample(self, row: SourceRow) -> Sample:
            raise RowError("pixels", row.content, "look at them", "burned-in", refused=True)

    with pytest.raises(
        BuildError, match=r"\(2 rows left out: 2 burned-in\); check the input\n  row 0: .*look at them\n  r"
    ):
        Build(Refused(2), plan(tmp_path / "shards")).run()


def test_nothing_is_overwritten_and_two_builds_do_not_meet(tmp_path: Path) -> None:
    once = BuildPlan(STATEMENT, tmp_path)
    Build(Numbers(3, bad=False), once).run()
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="already contains made-"):
        Build(Numbers(3, bad=False), once).run()
    assert contents(tmp_path) == before

    class Nested(Numbers):
        def sample(self, row: SourceRow) -> Sample:
            with pytest.raises(ValueError, match=r"--output: .*another build of shards is writing"):
                Build(Numbers(3), BuildPlan(STATEMENT, tmp_path / "other")).run()
            return super().sample(row)

    Build(Nested(1, bad=False), BuildPlan(STATEMENT, tmp_path / "other")).run()


def test_ids_that_repeat_are_faults_and_equal_rows_without_ids_are_one_sample(tmp_path: Path) -> None:
    class Twice(Numbers):
        def sample(self, row: SourceRow) -> Sample:
            return make_sample(row.content // 2)

    class WithoutIds(Twice):
        @property
        def has_ids(self) -> bool:
            return False

    with pytest.raises(BuildError, match=r"row 1: id: 'row\.0'; row 0 has the same; make ids unique"):
        Build(Twice(4), BuildPlan(STATEMENT, tmp_path / "a")).run()
    result = Build(WithoutIds(4), BuildPlan(STATEMENT, tmp_path / "b")).run()
    assert result.left_out.refused == {"duplicate": 2}
    assert [manifest.samples for manifest in result.manifests] == [2]


def test_an_id_of_a_finished_shard_is_still_known_after_a_kill(tmp_path: Path) -> None:
    class Late(Numbers):
        def sample(self, row: SourceRow) -> Sample:
            return make_sample(0) if row.content == 5 else super().sample(row)

    with pytest.raises(Killed):
        Build(Late(6, dies_at=4, bad=False), BuildPlan(STATEMENT, tmp_path, samples_per_shard=2)).run()
    with pytest.raises(BuildError, match=r"row 5: id: 'row\.0'; row 0 has the same"):
        Build(Late(6, bad=False), BuildPlan(STATEMENT, tmp_path, samples_per_shard=2)).run()


@pytest.mark.parametrize(
    ("change", "told"), [({"workers": 0}, "--workers 0"), ({"samples_per_shard": 0}, "per-shard 0")]
)
def test_numbers_that_make_no_sense(tmp_path: Path, change: dict[str, int], told: str) -> None:
    with pytest.raises(ValueError, match=f"{told}: give 1 or more"):
        BuildPlan(STATEMENT, tmp_path, **change)  # type: ignore[arg-type]


def test_synonyms_are_added_and_those_that_occur_are_counted(tmp_path: Path) -> None:
    aliases = Aliases({"Finding 0": ["nothing"], "finding 9": ["other"]})
    result = Build(Numbers(1, bad=False), BuildPlan(STATEMENT, tmp_path, aliases=aliases)).run()
    (manifest,) = result.manifests
    assert Shard(manifest, manifest.shards[0])[0].aliases == ("nothing",)
    assert result.notes[-1] == "1 of 2 references with synonyms occur in the data"


def test_synonyms_that_are_another_choice_are_left_out_and_told(tmp_path: Path) -> None:
    class Choices(Numbers):
        def sample(self, row: SourceRow) -> Sample:
            return replace(super().sample(row), question="Which?\n\nChoices:\nA. finding 0\nB. other\nC. none")

    aliases = Aliases({"Finding 0": ["nothing", "other", "C"]})
    result = Build(Choices(1, bad=False), BuildPlan(STATEMENT, tmp_path, aliases=aliases)).run()
    (manifest,) = result.manifests
    assert Shard(manifest, manifest.shards[0])[0].aliases == ("nothing",)
    assert result.notes[-2:] == (
        "1 of 1 references with synonyms occur in the data",
        "synonyms that are not added where they are another choice or a word of the question: 2",
    )


def test_images_in_two_parts_are_reported(tmp_path: Path) -> None:
    result = Build(
        Numbers(40, bad=False), BuildPlan(STATEMENT, tmp_path, partition=Partition(PARTS.shares, "sample"))
    ).run()
    assert not [note for note in result.notes if "in more than one part" in note]

    class Shared(Numbers):
        def sample(self, row: SourceRow) -> Sample:
            return make_sample(row.content) if row.content % 2 else _with_image_of_one(row.content)

    by_sample = Partition(PARTS.shares, "sample")
    result = Build(Shared(40), BuildPlan(STATEMENT, tmp_path / "x", partition=by_sample)).run()
    assert "1 of 20 images are in more than one part" in result.notes[-1]
    rare = Partition((("train", 1 - 1e-9), ("val", 1e-9)))
    result = Build(Numbers(3, bad=False), BuildPlan(STATEMENT, tmp_path / "y", partition=rare)).run()
    assert "part val: 0 samples, 0.0% of them for a share of 0.0%" in result.notes
    assert result.empty_parts == ("val",)


def test_samples_that_name_no_case_are_told_where_cases_are_divided(tmp_path: Path) -> None:
    class Cases(Numbers):
        def sample(self, row: SourceRow) -> Sample:
            return replace(make_sample(row.content), case=f"{row.content % 4}" if row.content < self.named else "")

        named = 40

    def notes(name: str, by: Unit = "case") -> tuple[str, ...]:
        return Build(Cases(40), BuildPlan(STATEMENT, tmp_path / name, partition=replace(PARTS, by=by))).run().notes

    assert sum("of 4 cases" in note or "name no case" in note for note in notes("all")) == 0
    Cases.named = 30
    assert notes("some")[-1].startswith("10 of 40 samples name no case, and were divided by their images, texts by")
    assert not [note for note in notes("by_id", "sample") if "name no case" in note]


def test_rows_without_a_patient_are_counted_where_patients_are_divided(tmp_path: Path) -> None:
    class Patients(Numbers):
        def sample(self, row: SourceRow) -> Sample:
            return replace(make_sample(row.content), metadata={"patient": "" if row.content % 4 else f"p{row.content}"})

    by_patient = replace(PARTS, by="patient")
    with pytest.raises(
        BuildError, match=r"--by patient: 30 rows name no patient\nNothing was written\. Correct the rows"
    ):
        Build(Patients(40), BuildPlan(STATEMENT, tmp_path / "a", partition=by_patient)).run()
    result = Build(Patients(40), BuildPlan(STATEMENT, tmp_path / "b", partition=by_patient, skip_bad=True)).run()
    assert "--by patient: 30 rows name no patient: they are in no part (--skip-bad)" in result.notes


def test_manifests_state_the_salt_of_the_source(tmp_path: Path) -> None:
    class Salted(Numbers):
        salt_digest = "0" * 16

    for kind, stated in ((Salted, "0" * 16), (Numbers, "")):
        Build(kind(3, bad=False), BuildPlan(STATEMENT, tmp_path / kind.__name__)).run()
        assert {one.salt_digest for one in read_manifests([tmp_path / kind.__name__])} == {stated}


@pytest.mark.parametrize("salt", [None, ""])
def test_manifests_of_one_build_are_told_by_it_where_no_salt_is_stated(tmp_path: Path, salt: str | None) -> None:
    class Foreign(Numbers):
        salt_digest = salt

    class Salted(Numbers):
        salt_digest = "0" * 16

    parts = Partition.parse("train=0.5,val=0.5")
    for kind, rows, folder in ((Foreign, 20, "a"), (Foreign, 20, "again"), (Foreign, 30, "b"), (Salted, 20, "c")):
        plan = BuildPlan(STATEMENT, tmp_path / folder, partition=parts)
        Build(kind(rows, bad=False), plan).run()
    found = {
        folder: {one.build for one in read_manifests([tmp_path / folder / "train", tmp_path / folder / "val"])}
        for folder in ("a", "again", "b", "c")
    }
    (one,), (other,) = found["a"], found["b"]
    assert found["again"] == {one}
    assert one
    assert other not in ("", one)
    assert found["c"] == {""}


def _with_image_of_one(number: int) -> Sample:
    return replace(make_sample(number), images=make_sample(1).images)


def test_samples_in_memory_leave_nothing_behind_when_they_fail(tmp_path: Path) -> None:
    def samples() -> Iterator[Sample]:
        yield make_sample(0)
        raise Killed

    with pytest.raises(Killed):
        write_shards(samples(), tmp_path / "new", STATEMENT)
    assert not (tmp_path / "new").exists()


def test_a_real_kill_ends_all_processes_and_the_next_build_continues(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "medix", "shards", "build", "--phantoms", "260", "--samples-per-shard", "10"]
    words += ["--name", "p", "--size", "32", "--workers", "2", "--output"]
    process = subprocess.Popen([*words, str(tmp_path / "killed")], stderr=subprocess.DEVNULL, process_group=0)
    journal = tmp_path / "killed" / ".building-p" / "journal.jsonl"
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 3):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _ in range(400):
        if not _alive(process.pid):
            break
        time.sleep(0.025)
    assert not _alive(process.pid), "a worker outlives the build"
    from medix.__main__ import main

    assert main([*words[3:-1], "--workers", "1", "--output", str(tmp_path / "killed")]) == 0
    assert main([*words[3:-1], "--workers", "1", "--output", str(tmp_path / "whole")]) == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
