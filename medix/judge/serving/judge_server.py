"""A vLLM server for a judge."""

from dataclasses import dataclass
from typing import Any, ClassVar

from medix.serving.vllm_server import VLLMServer


@dataclass(frozen=True)
class JudgeServer(VLLMServer):
    """``medix judge serve``: an OpenAI-compatible server, and the judge block of a spec."""

    command: ClassVar[str] = "medix judge serve"
    purpose: ClassVar[str] = "judge"
    alternative: ClassVar[str] = "; a judge can also be served by any other OpenAI-compatible server"

    def block(self, address: str) -> dict[str, Any]:
        arguments = {"base_url": f"{address}/v1", "model": self.name}
        return {"judge": {"class_path": "medix.judge.ServedJudge", "init_args": arguments}}
