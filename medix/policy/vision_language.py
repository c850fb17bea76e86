"""Any Hugging Face image-text-to-text model as a policy."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from PIL import Image
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.utils.checkpoint import checkpoint
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from medix.numerics.logprobs import token_logprobs
from medix.policy.asking import end_tokens, restored
from medix.policy.base import Policy
from medix.policy.decoding import Decoding
from medix.policy.family import Family, vision_parameters
from medix.policy.fully_sharded import FullySharded, shard
from medix.policy.images import join_images
from medix.policy.lora import LoRA
from medix.policy.merged import check_merged
from medix.policy.narrowing import only_weights_narrowed
from medix.policy.patch_embedding import multiply_patches
from medix.policy.placeholders import placeholder_ids
from medix.policy.plain_pass import PlainPass
from medix.policy.prefix_attention import as_before
from medix.policy.reference import AdapterReference, FrozenReference, ReferencePolicy, in_evaluation
from medix.policy.released_layout import keep_released_layout
from medix.policy.run_path import of_a_run
from medix.policy.self_check import ALLOWED, Allowed, compare, precision, shortened
from medix.policy.shared_decoding import SharedDecoding
from medix.policy.shared_prefix import FLEX, SharedPass, why_plain
from medix.policy.vision_features import VisionFeatures
from medix.special_tokens import CompletionDecoder
from medix.types import Prompt, RolloutGroup

LOGITS_AT_ONCE = 2**27
"""Logits in memory at one time while training; more are computed in chunks and recomputed in the backward pass."""


class VisionLanguagePolicy(Policy):
    """A model of the Hugging Face classes that ``AutoModelForImageTextToText`` knows.

    Tested with Qwen3-VL (also with experts), Qwen2.5-VL, Gemma 3 and SmolVLM. Images are used as the processor returns
    them; videos are not supported.

    Args:
        name: a model on the hub, or a folder.
        lora: train adapters only; None trains every weight.
        freeze_vision: do not train the vision tower and its projection to the language model. With ``lora``, they get
            no adapters.
        gradient_checkpointing: store only the inputs of each layer and recompute it in the backward pass.
        dtype: dtype of the weights.
        attention: ``sdpa``, ``eager`` or ``flash_attention_2``; ``flex_attention`` is ``sdpa`` except where completions
            share their prompt, and needs a GPU.
        shared_prefix: pass a prompt and its images once for all completions of a group; on first use the result is
            compared with one pass per completion. If a model does not support it, a warning says why and every
            completion passes its prompt again, as with ``false``.
        vision_gigabytes: main memory for cached image features: with ``freeze_vision`` an image passes through the
            tower once, not in every pass. The images of a step should fit.
        every_parameter: run the vision tower on an empty image, with weight zero, for a prompt without images. Needed
            where a distributed strategy waits for a gradient of every parameter; ``GroupRLModule`` sets it there.
    """

    def __init__(
        self,
        name: str,
        lora: LoRA | None = None,
        freeze_vision: bool = False,
        gradient_checkpointing: bool = False,
        dtype: Literal["float32", "bfloat16"] = "float32",
        attention: str = "sdpa",
        shared_prefix: bool = True,
        vision_gigabytes: float = 4.0,
        every_parameter: bool = False,
    ) -> None:
        super().__init__()
        self.name = name
        self.lora = lora
        self.freeze_vision = freeze_vision
        self.gradient_checkpointing = gradient_checkpointing
        self.dtype = dtype
        self.attention = attention
        self.shared_prefix = shared_prefix
        self.vision_features = VisionFeatures(vision_gigabytes)
        self.every_parameter = every_parameter
        self.model: nn.Module | None = None
        self._reference: ReferencePolicy | None = None
        self._compute_dtype: torch.dtype | None = None  # of sharded weights, if not their own
        self._checked: set[str] = set()  # aspects of the shared pass that were compared with the plain one
        self._checked_in: torch.dtype | None = None  # precision of these comparisons

    # What needs no weights.

    @cached_property
    def config(self) -> Any:
        """The Hugging Face configuration."""
        with _naming(self.name):
            return AutoConfig.from_pretrained(self.name, trust_remote_code=False)

    @cached_property
    def processor(self) -> Any:
        """The Hugging Face processor."""
        with _naming(self.name):
            return restored(AutoProcessor.from_pretrained(self.name, trust_remote_code=False), self.name)  # type: ignore[no-untyped-call]

    @property
    def context_length(self) -> int:
        """Maximum number of positions of the language model."""
        return int(self.config.get_text_config().max_position_embeddings)

    @property
    def image_token_id(self) -> int:
        """The placeholder token whose embeddings are replaced by image features."""
        return int(self.config.image_token_id)

    @cached_property
    def banned_token_ids(self) -> tuple[int, ...]:
        """Placeholders of images and videos in configuration, processor and tokenizer."""
        ids = placeholder_ids(self.config, self.processor)
        return tuple(sorted((ids - set(self.eos_token_ids)) & set(range(self._vocabulary_size))))

    @cached_property
    def eos_token_ids(self) -> tuple[int, ...]:
        """Tokens that end a completion: those of the model's generation config, else the tokenizer's."""
        return end_tokens(self.name, self.processor.tokenizer)

    @cached_property
    def text_of(self) -> CompletionDecoder:
        """Decodes completions of this policy: ``policy.text_of(token_ids)``."""
        return CompletionDecoder(self.processor.tokenizer, self.eos_token_ids)

    @property
    def _vocabulary_size(self) -> int:
        return int(self.config.get_text_config().vocab_size)

    def fingerprint(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "lora": None if self.lora is None else asdict(self.lora),
            "freeze_vision": self.freeze_vision,
            "dtype": self.dtype,
        }

    # Weights.

    def load(self) -> None:
        if self.model is not None:
            return
        _refuse_altered_logits(self.config)
        self.eos_token_ids  # noqa: B018  # a generation config that is not valid is refused before the weights are read
        model = self._read("sdpa" if self.attention == FLEX else self.attention)
        keep_released_layout(model)
        if self.shared_prefix and self._why_plain is not None:
            warnings.warn(
                f"policy.shared_prefix: every completion passes its prompt again, because {self._why_plain}",
                stacklevel=2,
            )
        language = [_name_of(model, part) for part in (model.get_decoder(), model.get_output_embeddings())]
        multiply_patches(model)
        if self.freeze_vision:
            for parameter in vision_parameters(model):
                parameter.requires_grad_(False)
            self.vision_features.attach(model, vision_parameters(model))
        if self.gradient_checkpointing:
            # Not reentrant: reentrant checkpointing gives no gradient if the embeddings are frozen, as under LoRA.
            contexts = as_before(model.get_decoder().config)
            model.gradient_checkpointing_enable({"use_reentrant": False, "context_fn": contexts})
        only_inside = language if self.freeze_vision else None
        adapted = model if self.lora is None else self.lora.apply(model, only_inside)
        check_merged(model)  # before a step is trained that could be neither exported nor published
        self.model = adapted
        self.train()

    def _read(self, attention: str) -> Any:
        """The Hugging Face model, with its weights."""
        with _naming(self.name):
            return AutoModelForImageTextToText.from_pretrained(
                self.name,
                trust_remote_code=False,
                dtype=getattr(torch, self.dtype),
                attn_implementation=attention,
            )

    def shard(self, mesh: DeviceMesh, compute_dtype: torch.dtype | None = None) -> None:
        if isinstance(self.sharding, FullySharded):
            return
        self._compute_dtype = compute_dtype
        shard(self, self.layers, mesh, forward_methods=("prefill", "decode"), compute_dtype=compute_dtype)
        self.sharding = FullySharded()

    @property
    def layers(self) -> list[nn.Module]:
        """The transformer layers, of language model and vision tower."""
        return [part for part in self.hugging_face.modules() if isinstance(part, GradientCheckpointingLayer)]

    @property
    def hugging_face(self) -> Any:
        """The Hugging Face model, with its adapters."""
        model: Any = self.model
        if model is None:
            raise RuntimeError("the policy has no weights yet; call load() first")
        return model if isinstance(model, PreTrainedModel) else model.get_base_model()

    # Log-probabilities.

    def logprobs(self, groups: Sequence[RolloutGroup], temperature: float = 1.0) -> Float[Tensor, "row time"]:
        # Through __call__, where sharding strategies register hooks.
        rows: Tensor = self(groups, temperature)
        return rows

    def reference_logprobs(self, groups: Sequence[RolloutGroup], temperature: float = 1.0) -> Float[Tensor, "row time"]:
        return self._reference_policy.logprobs(groups, temperature)

    def reference_logprobs_in_chunks(
        self, parts: Sequence[RolloutGroup], temperature: float = 1.0
    ) -> Iterator[Float[Tensor, "row time"]]:
        return self._reference_policy.logprobs_in_chunks(parts, temperature)

    @property
    def _reference_policy(self) -> ReferencePolicy:
        if self._reference is None:
            self._reference = self._build_reference()
        return self._reference

    def _build_reference(self) -> ReferencePolicy:
        if self.lora is not None:
            return AdapterReference(self, lambda: self.model.disable_adapter())  # type: ignore[union-attr, operator]
        return FrozenReference(self, self._frozen_copy)

    def _frozen_copy(self) -> "VisionLanguagePolicy":
        """The policy before training, in the compute precision of the policy; a frozen tower's features are shared."""
        is_half = torch.bfloat16 in (self._compute_dtype, self._weight_dtype)
        copy = VisionLanguagePolicy(
            self.name,
            freeze_vision=self.freeze_vision,
            dtype="bfloat16" if is_half else "float32",
            attention=self.attention,
            shared_prefix=self.shared_prefix,
        )
        copy.vision_features = self.vision_features
        return copy

    def forward(self, groups: Sequence[RolloutGroup], temperature: float = 1.0) -> Float[Tensor, "row time"]:
        """``logprobs``, with the hooks of a sharding strategy."""
        _refuse_nothing(groups)
        if not self.shares_prompts:
            return PlainPass(self._family, self._chosen_logprobs).logprobs(groups, temperature)
        self._check_sharing(groups, temperature)
        return self._shared_pass.logprobs(groups, temperature)

    def logprobs_in_chunks(
        self, parts: Sequence[RolloutGroup], temperature: float = 1.0
    ) -> Iterator[Float[Tensor, "row time"]]:
        # Ranks must make the same passes as each other, whatever they split.
        if self.sharding.reduces_every_pass or not self.shares_prompts or self.attention != "sdpa":
            yield from super().logprobs_in_chunks(parts, temperature)
            return
        _refuse_nothing(parts)
        self._check_sharing(parts, temperature)
        yield from self._shared_pass.logprobs_in_chunks(parts, temperature)

    @property
    def shares_prompts(self) -> bool:
        return self.shared_prefix and self._why_plain is None

    @cached_property
    def _why_plain(self) -> str | None:
        return why_plain(self.config, self.attention)

    @property
    def _shared_pass(self) -> SharedPass:
        return SharedPass(self._family, self._chosen_logprobs, flex=self.attention == FLEX)

    @property
    def rounding(self) -> float:
        return self._allowed.logprobs

    @property
    def _allowed(self) -> Allowed:
        return ALLOWED[self._precision]

    @property
    def compute_dtype(self) -> torch.dtype:
        """Dtype of the matrix products of a pass that is made now: autocast's, else that of the weights."""
        device = self._device.type
        if torch.is_autocast_enabled(device):
            return torch.get_autocast_dtype(device)
        return self._compute_dtype or self._weight_dtype

    @property
    def _precision(self) -> torch.dtype:
        """The coarsest dtype of a pass that is made now."""
        return precision(self._compute_dtype or self._weight_dtype, self._device)

    def _check_sharing(self, groups: Sequence[RolloutGroup], temperature: float) -> None:
        """Compare the shared with the plain pass, once without and once with gradients, on first use in a precision.

        A group with an image is preferred, and the first one is compared even after groups without images: images
        have positions, and in some models masks, of their own.
        """
        group = next((one for one in groups if one.prompt.inputs), groups[0])
        gathers = self.sharding.gathers_weights
        weights = [] if gathers or not torch.is_grad_enabled() else _some_trained(self.hugging_face)
        done = {"values", "gradients"} if weights else {"values"}
        done |= {"images"} if group.prompt.inputs else set()
        if self._checked_in not in (None, self._precision):
            self._checked.clear()  # what was compared was another computation
        self._checked_in = self._precision
        if done <= self._checked or (gathers and "values" in self._checked):
            return  # ranks that gather weights from each other compare equally often
        plain = PlainPass(self._family, self._chosen_logprobs)
        with in_evaluation(self):
            compare(
                lambda groups: self._shared_pass.logprobs(groups, temperature),
                lambda groups: plain.logprobs(groups, temperature),
                shortened(group, self.banned_token_ids),
                weights,
                self._allowed,
                f"{type(self.hugging_face).__name__} with attention {self.attention}",
            )
        self._checked |= done

    def _chosen_logprobs(
        self, hidden: Float[Tensor, "token width"], tokens: Int[Tensor, " token"], temperature: float
    ) -> Float[Tensor, " token"]:
        """Log-probabilities of tokens from the hidden states that predict them."""
        head = self.hugging_face.get_output_embeddings()

        def piece(part: Tensor, chosen: Tensor) -> Tensor:
            return token_logprobs(head(part), chosen, temperature, self.banned_token_ids)

        size = max(1, LOGITS_AT_ONCE // self._vocabulary_size)
        pairs = zip(torch.split(hidden, size), torch.split(tokens, size), strict=True)
        if len(tokens) <= size or not torch.is_grad_enabled():
            return torch.cat([piece(*pair) for pair in pairs])
        return torch.cat([checkpoint(piece, *pair, use_reentrant=False) for pair in pairs])

    @property
    def _touches_vision(self) -> bool:
        if self.sharding.gathers_weights:
            return True  # ranks gather the tower's weights together, with or without gradient
        trained = any(parameter.requires_grad for parameter in vision_parameters(self.hugging_face))
        return torch.is_grad_enabled() and self.every_parameter and trained

    @property
    def _empty_image(self) -> dict[str, Tensor]:
        made = self.processor.image_processor([Image.new("RGB", (64, 64), (128, 96, 64))], return_tensors="pt")
        return dict(made)

    # Decoding.

    @torch.no_grad()
    def prefill(self, prompts: Sequence[Prompt]) -> Decoding:
        """Pass prompts and their images through the policy once, left-padded.

        Args:
            prompts: one row each.
        """
        device = self._device
        longest = max(len(prompt.token_ids) for prompt in prompts)
        padding = self._padding_id
        input_ids = torch.tensor(
            [[padding] * (longest - len(prompt.token_ids)) + list(prompt.token_ids) for prompt in prompts],
            device=device,
        )
        lengths = torch.tensor([len(prompt.token_ids) for prompt in prompts], device=device)
        mask = (torch.arange(longest, device=device) >= longest - lengths[:, None]).long()
        images = join_images([self._image_inputs(prompt) for prompt in prompts])
        positions, following = self._prompt_positions(input_ids, images, mask)
        needed = None if bool(mask.all()) else mask
        output = self.hugging_face(
            input_ids=input_ids,
            attention_mask=needed,
            position_ids=positions,
            use_cache=True,
            logits_to_keep=1,
            **self._token_types(input_ids),
            **images,
        )
        axes = 3 if self._family.has_mrope else 1
        return Decoding(output.logits[:, -1], output.past_key_values, needed, following, axes)

    @torch.no_grad()
    def decode(self, decoding: Decoding | SharedDecoding, tokens: Int[Tensor, " row"]) -> None:
        """Append one token to each row, in place.

        Args:
            decoding: the state of decoding; gets the logits of the next tokens.
            tokens: the token of each row.
        """
        decoding.step(self.hugging_face, tokens)

    # Inputs that differ between model families.

    @cached_property
    def _family(self) -> Family:
        return Family(
            self.hugging_face,
            self._weight_dtype,
            touches_vision=lambda: self._touches_vision,
            empty_image=lambda: self._empty_image,
        )

    @property
    def _weight_dtype(self) -> torch.dtype:
        """Dtype of the weights: ``dtype`` unless the trainer converted them, as ``bf16-true`` does."""
        if self._compute_dtype is not None:
            return getattr(torch, self.dtype)  # type: ignore[no-any-return]  # during a pass they have the other one
        # Not through the attribute ``weight``, which DeepSpeed would gather for.
        return next(iter(self.hugging_face.get_input_embeddings().parameters())).dtype  # type: ignore[no-any-return]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "VisionLanguagePolicy":
        """Move or convert the weights, as ``to`` does; a narrower dtype is for weights only."""
        with only_weights_narrowed(self):
            super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.__dict__.pop("_family", None)  # it was built for the dtype of before
        return self

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def _padding_id(self) -> int:
        padding = self.processor.tokenizer.pad_token_id
        return self.eos_token_ids[0] if padding is None else int(padding)

    def _token_types(self, input_ids: Int[Tensor, "row time"]) -> dict[str, Tensor]:
        return self._family.token_types(input_ids)

    def _image_inputs(self, prompt: Prompt) -> dict[str, Tensor]:
        return self._family.image_inputs(prompt)

    def _prompt_positions(
        self, input_ids: Int[Tensor, "row time"], images: Mapping[str, Tensor], mask: Int[Tensor, "row time"] | None
    ) -> tuple[Tensor, Int[Tensor, " row"]]:
        return self._family.prompt_positions(input_ids, images, mask)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Name the model in errors of reading it, with a remedy."""
    try:
        yield
    except (OSError, ValueError) as error:
        if hint := of_a_run(Path(name)):
            raise ValueError(f"policy.name: {name!r} {hint}") from error
        gone = "" if Path(name).is_dir() else f" (there is no {Path(name).absolute()})"
        raise ValueError(
            f"policy.name: {name!r} could not be read: {error}\nGive a folder that holds a Hugging Face model with its "
            f"processor{gone}, or the name of one on the hub (HF_HUB_OFFLINE must then be unset the first time)"
        ) from error


def _refuse_altered_logits(config: Any) -> None:
    """The head is applied here, to selected positions; logits that the model changes after it would be wrong."""
    text = config.get_text_config()
    altering = {
        name: getattr(text, name, None) for name in ("final_logit_softcapping", "logit_scale", "logits_scaling")
    }
    found = {name: value for name, value in altering.items() if value not in (None, 1, 1.0)}
    if found:
        raise ValueError(
            f"policy.name: {config.model_type} changes its logits after its head ({found}), which is not supported"
        )


def _refuse_nothing(groups: Sequence[RolloutGroup]) -> None:
    if not groups:
        raise ValueError("logprobs of no groups were asked for; give at least one")
    empty = [group.prompt.sample.id for group in groups if not group.completions]
    if empty:
        raise ValueError(f"logprobs: the groups of samples {', '.join(empty)} have no completions; leave them out")


def _name_of(model: nn.Module, part: nn.Module) -> str:
    return next(str(name) for name, module in model.named_modules() if module is part)


def _some_trained(model: Any) -> list[nn.Parameter]:
    """Trained weights of the first layer of the language model, whose gradients depend on all layers, or others."""
    layers = getattr(model.get_decoder(), "layers", [])
    first = [parameter for parameter in layers[0].parameters() if parameter.requires_grad] if layers else []
    return first or [parameter for parameter in model.parameters() if parameter.requires_grad][:8]
