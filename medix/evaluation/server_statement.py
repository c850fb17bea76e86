"""What a server of vLLM states about the weights that it serves, held against what a judge's spec states."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medix.judge.served import ServedJudge
from medix.serving.address import Address

_NAMES = ("revision", "precision")


@dataclass(frozen=True)
class ServerStatement:
    """What a server states; empty for what it does not say.

    Attributes:
        weights: name or folder of the weights, where clients call them by another name.
        revision: commit or tag on the hub.
        precision: the quantisation, or without one the dtype.
    """

    weights: str = ""
    revision: str = ""
    precision: str = ""

    @property
    def shown(self) -> str:
        """All of it in a few words."""
        return ", ".join(f"{name} {value}" for name, value in vars(self).items() if value)

    def against(self, judge: ServedJudge) -> str:
        """Why the spec of the judge is of other weights; empty if it is not."""
        for name in _NAMES:
            stated, given = getattr(self, name), getattr(judge, name)
            if stated and given and stated != given:
                return f"states {name} {stated!r}, and judge.{name} is {given!r}; correct judge.{name}, or the server"
        return ""

    def left_out(self, judge: ServedJudge) -> Iterator[str]:
        """Each argument that the spec could state and does not, with the value of the server."""
        yield from (f"judge.{name}: {getattr(self, name)}" for name in _NAMES
                    if getattr(self, name) and not getattr(judge, name))  # fmt: skip


def statement_of(url: str, entry: Mapping[str, Any], authorization: str, timeout: float) -> ServerStatement:
    """Read what a server states.

    The list of models holds the name of the weights. Revision and precision are told by ``/server_info`` alone, which
    vLLM has only with ``VLLM_SERVER_DEV_MODE=1``, and no other server.

    Args:
        url: the base address of the judge, which ends in ``/v1``.
        entry: of the list of models.
        authorization: header with the key.
        timeout: seconds.
    """
    root, name = entry.get("root"), entry.get("id")
    weights = root if isinstance(root, str) and root != name else ""
    if entry.get("owned_by") != "vllm" or not url.rstrip("/").endswith("/v1"):
        return ServerStatement(weights)
    target = Address(url.rstrip("/").removesuffix("/v1")).at("/server_info?config_format=json")
    request = urllib.request.Request(target, headers={"Authorization": authorization})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            model = json.loads(reply.read(_LONGEST))["vllm_config"]["model_config"]
        dtype, revision = str(model.get("dtype") or ""), str(model.get("revision") or "")
        return ServerStatement(weights, revision, str(model.get("quantization") or dtype.removeprefix("torch.")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ServerStatement(weights)  # the ordinary server has no such page


_LONGEST = 2**22
