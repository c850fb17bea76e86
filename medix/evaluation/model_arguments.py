"""The arguments that name a model to evaluate, and what is known of it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medix.evaluation.decoding import Decoding
from medix.evaluation.evaluated_model import EvaluatedModel
from medix.evaluation.prompts import PromptName

if TYPE_CHECKING:
    from medix.policy.asking import Asking

_MAX_TOKENS = 2048  # the published evaluation's, where no card says another
_FACTS = {"base": r"^base_model: (.+)$", "training_judge": r"^- judge: (.+)$"}


@dataclass(frozen=True)
class ModelArguments:
    """The arguments that name a model and say how it is asked.

    Attributes:
        model: folder, name, or checkpoint; with ``base_url`` the name at the endpoint.
        base_url: endpoints of an OpenAI-compatible server; None to run the model here.
        engine: what runs it here.
        revision: what else tells it apart.
        prompt: None takes the one that its card states, or ``plain`` without a card.
        samples: completions of each item.
        temperature: None is 0 for one sample, 0.6 for several.
        top_p: None is 1 for one sample, 0.95 for several.
        max_tokens: None takes the card's, or 2,048.
        seed: of the random numbers.
        api_key_env: environment variable with the key of the endpoint.
        timeout: seconds for one completion of an endpoint.
        concurrency: most requests to one endpoint at the same time.
    """

    model: str
    base_url: list[str] | None = None
    engine: Literal["transformers", "vllm"] = "transformers"
    revision: str = ""
    prompt: PromptName | None = None
    samples: int = 1
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    seed: int = 1
    api_key_env: str = "OPENAI_API_KEY"
    timeout: float = 600.0
    concurrency: int = 64

    def decoding(self, max_tokens: int | None = None, stop: tuple[str, ...] = ()) -> Decoding:
        """How completions are drawn.

        Args:
            max_tokens: of the model's card.
            stop: of the model's card.
        """
        usual = (0.0, 1.0) if self.samples == 1 else (0.6, 0.95)
        return Decoding(
            samples=self.samples,
            temperature=usual[0] if self.temperature is None else self.temperature,
            top_p=usual[1] if self.top_p is None else self.top_p,
            max_tokens=self.max_tokens or max_tokens or _MAX_TOKENS,
            seed=self.seed,
            stop=stop,
        )


@dataclass(frozen=True)
class Evaluated:
    """A model that can be asked.

    Attributes:
        model: the model.
        prompt: name of its prompt.
        decoding: how completions are drawn.
        about: its base and the judge that rewarded it, as far as they are known.
        warning: what is odd about it; empty for nothing.
    """

    model: EvaluatedModel
    prompt: PromptName
    decoding: Decoding
    about: dict[str, str]
    warning: str = ""


def card_of(model: str) -> "Asking | None":
    """The card of a model that is a folder of ``medix export``; None for any other."""
    if not Path(model).is_dir():
        return None
    from medix.policy.asking import Asking

    return Asking.read(model)


def facts_of(model: str) -> dict[str, str]:
    """The base of an exported model and the judge that rewarded it, as its README states; empty for any other."""
    path = Path(model) / "README.md"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    found = {name: re.search(pattern, text, re.MULTILINE) for name, pattern in _FACTS.items()}
    return {name: match[1].strip() for name, match in found.items() if match is not None}
