"""The rates of a run, from its logs and its spec."""

from dataclasses import replace
from pathlib import Path

import pytest

from medix.doctor.measured_run import MeasuredRate, MeasuredRun

HEAD = "step,seconds/publish,seconds/rollout,seconds/step,seconds/update,train/completions,train/ranks,"
LOG = f"""\
{HEAD}train/tokens_per_second,val/reward
0,,,,,,,,0.5
1,0.1,4.0,10.0,6.0,20,2,20,
2,0.2,2.0,8.0,6.0,30,2,25,
3,0.3,2.0,5.0,3.0,10,2,20,
"""
SPEC = """\
model:
  prompts_per_step: 5
  engine: {init_args: {sampling: {completions_per_prompt: 2}, base_url: URLS}}
"""


def run(folder: Path, log: str = LOG, urls: str = "null") -> Path:
    add_start(folder, 0, log)
    (folder / "spec.yaml").write_text(SPEC.replace("URLS", urls))
    return folder


def add_start(folder: Path, version: int, log: str) -> None:
    (folder / "logs" / f"version_{version}").mkdir(parents=True)
    (folder / "logs" / f"version_{version}" / "metrics.csv").write_text(log)


def one_step(number: int, seconds: float, ranks: int) -> str:
    return f"{HEAD}train/tokens_per_second\n{number},1,1,{seconds},{seconds},10,{ranks},100\n"


def test_seconds_are_divided_by_the_tokens_of_their_step_but_those_of_publishing(tmp_path: Path) -> None:
    """Steps of 200, 200 and 100 tokens; rollout 0.02, 0.01, 0.02 a token, update 0.03 in all."""
    found = MeasuredRun.read(run(tmp_path))
    assert (found.ranks, found.steps, found.servers) == (2, 3, 0)
    assert {name: rate.seconds for name, rate in found.rates.items()} == pytest.approx(
        {"rollout": 0.02, "update": 0.03, "publish": 0.2}
    )
    assert [name for name, rate in found.rates.items() if rate.is_of_a_step] == ["publish"]


def test_sampling_ahead_takes_the_step_that_hides_it(tmp_path: Path) -> None:
    """The log has what training waited for it; steps of 10, 8 and 5 s are 0.05, 0.04 and 0.05 s a token."""
    spec = run(tmp_path) / "spec.yaml"
    spec.write_text(f"{spec.read_text()}  rollouts_ahead: 1\n")
    assert MeasuredRun.read(tmp_path).rates["rollout"].seconds == pytest.approx(0.05)


def test_lengths_and_share_of_signal_are_those_of_the_run(tmp_path: Path) -> None:
    """500 tokens in 3 steps of 5 x 2 completions; 30 were trained of 60 that were sampled."""
    found = MeasuredRun.read(run(tmp_path))
    assert found.completion_tokens == pytest.approx(500 / 30)
    assert found.with_signal == pytest.approx(30 / 60)


@pytest.mark.parametrize(("urls", "count"), [("http://a", 1), ("[http://a, http://b]", 2)])
def test_the_servers_of_its_rollouts_are_counted(tmp_path: Path, urls: str, count: int) -> None:
    found = MeasuredRun.read(run(tmp_path, urls=urls))
    assert (found.servers, found.samples_on) == (count, "servers")


def test_of_starts_with_other_ranks_only_those_with_the_last_number_count(tmp_path: Path) -> None:
    """Two ranks, one, two again: 0.01 x 3 and 0.01 x 5 seconds a token; files of records do not count ranks."""
    run(tmp_path, one_step(1, 3.0, 2))
    (tmp_path / "completions").mkdir()
    (tmp_path / "completions" / "train.rank2.jsonl").touch()
    add_start(tmp_path, 2, one_step(2, 50.0, 1))
    add_start(tmp_path, 10, one_step(3, 5.0, 2))
    found = MeasuredRun.read(tmp_path)
    assert (found.ranks, found.steps) == (2, 2)
    assert found.rates["update"] == MeasuredRate(pytest.approx(0.01))
    add_start(tmp_path, 11, one_step(4, 7.0, 1))
    assert (MeasuredRun.read(tmp_path).ranks, MeasuredRun.read(tmp_path).steps) == (1, 2)


def test_steps_that_a_later_start_made_again_are_superseded_with_all_behind_them(tmp_path: Path) -> None:
    """Steps 2 and 3 of the first start: the second went on from step 1 with another spec, and was killed at 2."""
    run(tmp_path)
    add_start(tmp_path, 1, one_step(2, 7.0, 2))
    found = MeasuredRun.read(tmp_path)
    assert (found.steps, found.rates["publish"].seconds) == (2, pytest.approx(0.55))  # of 0.1 and 1
    (tmp_path / "spec.from-step-000001.yaml").write_text(SPEC.replace("URLS", "null"))
    found = MeasuredRun.read(tmp_path)
    assert (found.steps, found.rates["publish"].seconds) == (1, 1.0)
    assert found.rates["update"].seconds == pytest.approx(7.0 / 700)


def test_what_a_damaged_log_does_not_give_is_said_with_its_numbers_and_where_there_are_none(tmp_path: Path) -> None:
    whole = MeasuredRun.read(run(tmp_path))
    log = tmp_path / "logs" / "version_0" / "metrics.csv"
    log.write_bytes(log.read_bytes() + b"\0" * 100)
    said = f"1 line of {log} passed over, from the first damaged one on"
    assert MeasuredRun.read(tmp_path) == replace(whole, damage=(said,))
    (tmp_path / "spec.from-step-000003.yaml").write_text(SPEC.replace("URLS", "null"))
    with pytest.raises(ValueError, match=rf"by whose sizes they are divided \({said}\); let the run"):
        MeasuredRun.read(tmp_path)
    log.write_bytes(b"\0" * 100)
    with pytest.raises(ValueError, match=rf"no logs of steps with .* \({said}\); name the folder"):
        MeasuredRun.read(tmp_path)


def test_specs_without_a_number_are_not_of_the_run(tmp_path: Path) -> None:
    whole = MeasuredRun.read(run(tmp_path))
    (tmp_path / "spec.from-step-old.yaml").write_text(SPEC.replace("URLS", "[http://a, http://b]"))
    assert MeasuredRun.read(tmp_path) == whole


def test_of_a_spec_that_a_resume_changed_only_later_steps_count(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "spec.from-step-000002.yaml").write_text(SPEC.replace("URLS", "[http://a, http://b]"))
    found = MeasuredRun.read(tmp_path)
    assert (found.steps, found.servers) == (1, 2)
    assert found.rates["publish"].seconds == 0.3


def test_a_log_without_a_step_of_the_last_spec_is_refused(tmp_path: Path) -> None:
    """Its tokens were made by other sizes than those of the spec."""
    run(tmp_path)
    (tmp_path / "spec.from-step-000003.yaml").write_text(SPEC.replace("URLS", "null"))
    told = r"its logs have no steps with the last spec \(spec.from-step-000003.yaml\).*let the run make a step"
    with pytest.raises(ValueError, match=told):
        MeasuredRun.read(tmp_path)


def test_a_spec_that_does_not_count_completions_is_refused(tmp_path: Path) -> None:
    (run(tmp_path) / "spec.yaml").write_text("model: {prompts_per_step: 5, engine: {init_args: {}}}\n")
    with pytest.raises(ValueError, match=r"--rates .*: spec.yaml does not say how many completions a step trains"):
        MeasuredRun.read(tmp_path)


@pytest.mark.parametrize("lacks", ["logs", "spec.yaml", "train/ranks"])
def test_a_folder_without_logs_or_spec_is_refused(tmp_path: Path, lacks: str) -> None:
    run(tmp_path, LOG.replace("train/ranks", "other") if lacks == "train/ranks" else LOG)
    if lacks != "train/ranks":
        (tmp_path / lacks).rename(tmp_path / "away")
    with pytest.raises(ValueError, match=r"--rates .*spec.yaml.*train/ranks; name the folder of a run with .*LogRew"):
        MeasuredRun.read(tmp_path)
