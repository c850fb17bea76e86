"""The model that an evaluation runs here: an exported folder, a model of a hub, or a checkpoint of a run."""

from pathlib import Path

import torch

from medix.callbacks.watched import reward_judges
from medix.cli import quiet
from medix.evaluation.decoding import Decoding
from medix.evaluation.engine_model import EngineModel, sampling_of
from medix.evaluation.model_arguments import Evaluated, ModelArguments, card_of, facts_of
from medix.evaluation.prompts import prompting_of
from medix.export.checkpoint import trained
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.colocated import ColocatedEngine
from medix.rollout.engine import RolloutEngine
from medix.rollout.local import LocalEngine
from medix.rollout.weights import weights_fingerprint

_CACHE_GIGABYTES = 2.0  # of vLLM's cache on a CPU


def load_evaluated(arguments: ModelArguments) -> Evaluated:
    """Load a model, on a GPU if there is one.

    Raises:
        ValueError: there is no such model.
    """
    quiet()
    return _checkpoint(arguments) if arguments.model.endswith(".ckpt") else _folder(arguments)


def _folder(arguments: ModelArguments) -> Evaluated:
    card = card_of(arguments.model)
    prompt = arguments.prompt or ("plain" if card is None else "medix")
    decoding = arguments.decoding() if card is None else arguments.decoding(card.max_completion_tokens, card.stop)
    policy = VisionLanguagePolicy(arguments.model, dtype="bfloat16" if torch.cuda.is_available() else "float32")
    policy.load()
    model = EngineModel(prompting_of(prompt, card), *_placed(arguments, policy, decoding))
    return Evaluated(model, prompt, decoding, facts_of(arguments.model))


def _checkpoint(arguments: ModelArguments) -> Evaluated:
    with trained(Path(arguments.model)) as found:
        module, policy = found.module, found.policy
        prompt = arguments.prompt or "medix"
        prompting = module.prompting
        if prompt == "plain":
            prompting = prompting_of("plain", None)
            prompting.use_modalities(module.prompting.modalities)
            prompting.pictures = module.prompting.pictures
        decoding = arguments.decoding(module.evaluation.max_completion_tokens, module.evaluation.stop)
        about = {"base": policy.name, "training_judge": ", ".join(reward_judges(module)) or "none"}
        _ = policy.processor  # read here, where relative paths of the spec count from
    return Evaluated(EngineModel(prompting, *_placed(arguments, policy, decoding)), prompt, decoding, about)


def _placed(
    arguments: ModelArguments, policy: VisionLanguagePolicy, decoding: Decoding
) -> tuple[VisionLanguagePolicy, RolloutEngine, dict[str, str]]:
    """The policy on its device, its engine, and its identity: models of one name are told apart by their weights."""
    is_on_gpu = torch.cuda.is_available()
    policy = policy.to("cuda") if is_on_gpu else policy
    sampling = sampling_of(decoding)
    engine: RolloutEngine = LocalEngine(sampling)
    if arguments.engine == "vllm":
        engine = ColocatedEngine(sampling, cache_gigabytes=None if is_on_gpu else _CACHE_GIGABYTES, sleep=False)
    name = Path(arguments.model).name if Path(arguments.model).exists() else arguments.model
    identity = {"name": name, "revision": arguments.revision, "engine": arguments.engine}
    return policy, engine, {**identity, "weights": weights_fingerprint(policy)}
