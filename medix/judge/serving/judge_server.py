"""A vLLM server for a judge."""

from collections.abc import Iterator
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
        arguments = {"base_url": f"{address}/v1", "model": self.name, **self._stated()}
        return {"judge": {"class_path": "medix.judge.ServedJudge", "init_args": arguments}}

    def _stated(self) -> dict[str, str]:
        """Revision and precision, where vLLM is told them."""
        told = {name: value for name, value in self._options() if value}
        found = {"revision": told.get("--revision"), "precision": told.get("--quantization") or told.get("--dtype")}
        return {name: value for name, value in found.items() if value and value != "auto"}

    def _options(self) -> Iterator[tuple[str, str]]:
        words = [_SHORT.get(word, word) for word in self.extra]
        for word, after in zip(words, [*words[1:], ""], strict=False):
            name, sign, value = word.partition("=")
            yield name.replace("_", "-"), value if sign else after


_SHORT = {"-q": "--quantization"}
