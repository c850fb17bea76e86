"""The servers that a spec names, each once."""

from pathlib import Path

from medix.callbacks.judge_validation import JudgeValidation
from medix.doctor.servers import Server, servers_of
from medix.judge.served import ServedJudge
from tests.support.doctoring import subject

ABSENT = Path("owner/model")
BOTH = ["http://127.0.0.1:8085/v1", "https://judge.example/v1?key=secret"]


def judge(base_url: object, model: str = "m") -> dict[str, object]:
    return {"class_path": "medix.judge.ServedJudge", "init_args": {"base_url": base_url, "model": model}}


def test_every_server_of_a_judge_is_listed_without_its_secrets(tmp_path: Path) -> None:
    assert servers_of(subject(tmp_path, ABSENT, judge=judge(BOTH))) == [
        Server("judge.init_args.base_url", "http://127.0.0.1:8085/v1", "m"),
        Server("judge.init_args.base_url", "https://judge.example/v1", "m"),
    ]


def test_a_server_is_a_host_and_a_port(tmp_path: Path) -> None:
    first, second = servers_of(subject(tmp_path, ABSENT, judge=judge(BOTH)))
    assert (first.host_and_port, second.host_and_port) == (("127.0.0.1", 8085), ("judge.example", 443))


def test_members_of_a_panel_on_one_server_count_once(tmp_path: Path) -> None:
    members = [judge(BOTH[0], model) for model in ("a", "b")]
    panel = {"class_path": "medix.judge.PanelJudge", "init_args": {"judges": members}}
    assert [server.model for server in servers_of(subject(tmp_path, ABSENT, judge=panel))] == ["a"]


def test_a_judge_that_validates_has_servers_too(tmp_path: Path) -> None:
    validation = JudgeValidation(judge=ServedJudge(BOTH[0], "m"))
    found = servers_of(subject(tmp_path, ABSENT, trainer={"callbacks": [validation]}))
    assert [server.address for server in found] == [BOTH[0]]


def test_a_judge_by_rules_has_none(tmp_path: Path) -> None:
    assert servers_of(subject(tmp_path, ABSENT)) == []


def test_servers_of_the_engine_come_first(tmp_path: Path) -> None:
    at = subject(tmp_path, ABSENT, judge=judge(BOTH[0]))
    at.module.engine.base_url = ["http://127.0.0.1:8086"]
    assert [server.key for server in servers_of(at)] == ["model.engine.init_args.base_url", "judge.init_args.base_url"]
