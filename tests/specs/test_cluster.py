"""The examples of specs/cluster: options exist, shells and API accept them, servers are started again."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from torch.distributed.run import get_args_parser

from medix.cli import MedixCLI
from medix.commands import judge, rollout
from medix.spec.spec_names import find_spec, resolve_specs
from tests.support import slurm

CLUSTER = Path(str(find_spec("demo"))).parent / "cluster"
SCRIPTS = sorted(path for path in CLUSTER.iterdir() if path.suffix in (".sh", ".sbatch"))
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all((CLUSTER / "kubernetes.yaml").read_text()))
SCHEMA = json.loads((Path(__file__).parent / "kubernetes.schema.json").read_text())
ADDRESSES = {"$servers": "host", "$port": "8086", "$model": "name", "$first": "host"}

STUB = """\
#!{python}
# A server that dies once after it has answered, hangs the second time, and then stays.
import http.server, os, pathlib, sys, time
starts = pathlib.Path("starts")
number = len(starts.read_text()) if starts.exists() else 0
starts.write_text("x" * (number + 1))
class Answers(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Answers.asked += 1
        if number == 0 and Answers.asked == 2:
            os._exit(1)
        self.send_response(503 if number == 1 and Answers.asked > 1 else 200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
"""


def commands() -> Iterator[list[str]]:
    """The words of every command in scripts and pods that runs medix."""
    for path in SCRIPTS:
        text = path.read_text().replace("\\\n", " ")
        for name, value in ADDRESSES.items():
            text = text.replace(name, value)
        for line in text.splitlines():
            if "-m medix" in line and not line.startswith("#"):
                words = shlex.split(line.removesuffix("&"))
                yield words[next(i for i, word in enumerate(words) if word in ("python", "torchrun")) :]
    for pod in (one["spec"]["template"]["spec"] for one in OBJECTS if "template" in one["spec"]):
        yield from (one["command"] for one in pod["containers"])


def test_there_are_commands_of_every_kind() -> None:
    kinds = [words[0] if words[0] == "torchrun" else words[3] for words in commands()]
    assert sorted(kinds) == ["fit", *["judge"] * 2, *["rollout"] * 4, *["torchrun"] * 2]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_the_options_of_every_command_exist(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if words[0] == "torchrun":
        given = get_args_parser().parse_args(words[1:])
        assert (given.nnodes, given.nproc_per_node, given.module, given.training_script) == ("2", "8", True, "medix")
        words = ["python", "-m", "medix", *given.training_script_args]
    command, rest = words[3], list(words[4:])
    if command == "fit":
        here = ["--trainer.accelerator=cpu", "--trainer.devices=1", "--trainer.num_nodes=1", "--trainer.strategy=auto"]
        model = MedixCLI(args=[*resolve_specs(rest), *here], run=False).model
        assert len(model.engine.base_url) == 3
        assert model.judge.base_url
    else:
        parsed = {"judge": judge, "rollout": rollout}[command]._parser().parse_args(rest)
        assert (parsed.host, parsed.command) == ("0.0.0.0", "serve")


def test_the_pods_ask_the_addresses_of_the_spec() -> None:
    """Service rollouts has the ports of the servers, and the spec names that host and these ports."""
    service = OBJECTS[0]
    ports = [one["port"] for one in service["spec"]["ports"]]
    parts = CLUSTER.parent / "parts"
    named = re.findall(r"http://(\w+):(\d+)", (parts / "engine_nodes.yaml").read_text())
    named += re.findall(r"http://(\w+):(\d+)", (parts / "judge_nodes.yaml").read_text())
    assert {host for host, _ in named} == {service["metadata"]["name"]}
    assert sorted(int(port) for _, port in named) == ports
    containers = next(one for one in OBJECTS if one["kind"] == "Deployment")["spec"]["template"]["spec"]["containers"]
    for port, one in zip(ports, containers, strict=True):
        assert str(port) in one["command"]
        assert one["startupProbe"]["httpGet"] == one["livenessProbe"]["httpGet"] == {"path": "/health", "port": port}


def test_the_plan_of_the_readme_is_of_the_servers_that_are_started() -> None:
    """As many GPUs each as ``--tensor-parallel-size`` of every rollout server, in pods and by the script."""
    (planned,) = re.findall(r"--plan .*--assume gpus_per_server=(\d)`", (CLUSTER / "README.md").read_text())
    servers = [words for words in commands() if words[3:5] == ["rollout", "serve"]]
    assert [words[words.index("--tensor-parallel-size") + 1] for words in servers] == [planned] * 4


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_shell_reads_every_script(path: Path) -> None:
    subprocess.run(["bash", "-n", str(path)], check=True)


@pytest.mark.parametrize("given", OBJECTS, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_an_object_has_the_fields_and_types_of_the_api(given: dict[str, Any]) -> None:
    found = jsonschema.Draft202012Validator(SCHEMA)
    assert [f"{error.json_path}: {error.message}" for error in found.iter_errors(given)] == []
    wrong = json.loads(json.dumps(given))
    wrong["spec"]["replica"] = 1
    assert not found.is_valid(wrong), "a field that the API does not know must be found"


def test_a_server_that_dies_or_hangs_is_started_again(tmp_path: Path) -> None:
    stub = tmp_path / "server"
    stub.write_text(STUB.format(python=sys.executable))
    stub.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {**os.environ, "EVERY": "0.2", "MISSES": "2"}
    words = ["bash", str(CLUSTER / "serve.sh"), port, str(stub), port]
    process = subprocess.Popen(words, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True)
    starts = tmp_path / "starts"
    end = time.monotonic() + slurm.LIMIT
    while (not starts.exists() or len(starts.read_text()) < 3) and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=slurm.LIMIT)
    assert process.returncode == 143
    assert f"port {port}: ended with status 1, is started again" in said
    assert f"port {port} does not answer" in said
