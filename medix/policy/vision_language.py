"""Any Hugging Face image-text-to-text model as a policy."""

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from PIL import Image
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.utils.checkpoint import checkpoint
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, GenerationConfig, PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from medix.numerics.logprobs import token_logprobs
from medix.policy.base import Policy
from medix.policy.decoding import Decoding
from medix.policy.images import join_images, repeat_images
from medix.policy.lora import LoRA
from medix.policy.parallel import gathered, is_sharded, shard
from medix.policy.reference import AdapterReference, FrozenReference, ReferencePolicy
from medix.policy.shared_decoding import SharedDecoding
from medix.types import Prompt, RolloutGroup

LOGITS_AT_ONCE = 2**27
"""Logits that exist at one time while training; above it they are made in pieces, and again for the backward pass."""

_PLACEHOLDER_ID = re.compile(
    r"(image|video|vision|audio|boi|eoi|boa|eoa)(_\w+)?_(token_id|token_index)|(image|video)_token"
)
_PLACEHOLDER_TOKENS = ("image_token", "video_token", "fake_image_token", "global_image_token", "boi_token", "eoi_token",
                       "vision_start_token", "vision_end_token")  # fmt: skip
_PLACEHOLDER_NAME = re.compile(r"<row_\d+_col_\d+>|<\|(vision|image|video)_\w+\|>")
_OF_THE_TEXT = frozenset({"input_ids", "attention_mask", "position_ids", "token_type_ids", "mm_token_type_ids"})


class VisionLanguagePolicy(Policy):
    """A model of the Hugging Face classes that ``AutoModelForImageTextToText`` knows.

    Tried with Qwen3-VL, Qwen2.5-VL, Gemma 3 and SmolVLM. Images are as the processor made them; videos are not served.

    Args:
        name: a model on the hub, or a folder.
        lora: train adapters only; None trains every weight.
        freeze_vision: keep the vision tower and its projection to the language model as they are. With ``lora``, no
            adapter is put there.
        gradient_checkpointing: keep only the inputs of each layer and compute it again in the backward pass.
        dtype: of the weights.
        attention: ``sdpa``, ``eager`` or ``flash_attention_2``.
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
        every_parameter: bool = False,
    ) -> None:
        super().__init__()
        self.name = name
        self.lora = lora
        self.freeze_vision = freeze_vision
        self.gradient_checkpointing = gradient_checkpointing
        self.dtype = dtype
        self.attention = attention
        self.every_parameter = every_parameter
        self.model: nn.Module | None = None
        self._reference: ReferencePolicy | None = None

    # What needs no weights.

    @cached_property
    def config(self) -> Any:
        """The Hugging Face configuration."""
        with _naming(self.name):
            return AutoConfig.from_pretrained(self.name)

    @cached_property
    def processor(self) -> Any:
        """The Hugging Face processor."""
        with _naming(self.name):
            return AutoProcessor.from_pretrained(self.name)  # type: ignore[no-untyped-call]

    @property
    def context_length(self) -> int:
        """Positions the language model is made for."""
        return int(self.config.get_text_config().max_position_embeddings)

    @property
    def image_token_id(self) -> int:
        """The placeholder that an image's vectors replace."""
        return int(self.config.image_token_id)

    @cached_property
    def banned_token_ids(self) -> tuple[int, ...]:
        """Every placeholder that configuration, processor and tokenizer name, within the vocabulary."""
        ids = {
            value
            for key, value in self.config.to_dict().items()
            if _PLACEHOLDER_ID.fullmatch(key) and isinstance(value, int)
        }
        vocabulary = self.processor.tokenizer.get_vocab()
        for holder in (self.processor, self.processor.tokenizer):
            tokens = (getattr(holder, name, None) for name in _PLACEHOLDER_TOKENS)
            ids |= {vocabulary[token] for token in tokens if isinstance(token, str) and token in vocabulary}
        ids |= {id_ for token, id_ in vocabulary.items() if _PLACEHOLDER_NAME.fullmatch(token)}
        return tuple(sorted((ids - set(self.eos_token_ids)) & set(range(self._vocabulary_size))))

    @cached_property
    def eos_token_ids(self) -> tuple[int, ...]:
        """Tokens that end a completion: those of the generation settings beside the weights, else the tokenizer's."""
        try:
            eos = GenerationConfig.from_pretrained(self.name).eos_token_id
        except OSError:  # many models come without generation settings
            eos = None
        eos = self.processor.tokenizer.eos_token_id if eos is None else eos
        if eos is None:
            raise ValueError(f"policy.name: {self.name} names no end-of-sequence token; add eos_token_id to its folder")
        return tuple(eos) if isinstance(eos, list) else (int(eos),)

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
        with _naming(self.name):
            model: Any = AutoModelForImageTextToText.from_pretrained(
                self.name, dtype=getattr(torch, self.dtype), attn_implementation=self.attention
            )
        text = _name_of(model, model.get_decoder())
        if self.freeze_vision:
            for parameter in _vision_parameters(model):
                parameter.requires_grad_(False)
        if self.gradient_checkpointing:
            # Not reentrant: the reentrant kind gives no gradient where the embeddings are frozen, as under LoRA.
            model.gradient_checkpointing_enable({"use_reentrant": False})
        self.model = (
            model if self.lora is None else self.lora.apply(model, only_inside=text if self.freeze_vision else None)
        )
        self.train()

    def shard(self, mesh: DeviceMesh, compute_dtype: torch.dtype | None = None) -> None:
        if is_sharded(self):
            return
        layers = [part for part in self.hugging_face.modules() if isinstance(part, GradientCheckpointingLayer)]
        shard(self, layers, mesh, forward_methods=("prefill", "decode"), compute_dtype=compute_dtype)

    def gathered(self) -> AbstractContextManager[None]:
        return gathered(self)

    @property
    def hugging_face(self) -> Any:
        """The Hugging Face model, its adapters in place."""
        model: Any = self.model
        if model is None:
            raise RuntimeError("the policy has no weights yet; call load() first")
        return model if isinstance(model, PreTrainedModel) else model.get_base_model()

    # Log-probabilities.

    def logprobs(self, groups: Sequence[RolloutGroup], temperature: float = 1.0) -> Float[Tensor, "row time"]:
        # Through __call__: a sharding strategy hangs its hooks there.
        rows: Tensor = self(groups, temperature)
        return rows

    def reference_logprobs(self, groups: Sequence[RolloutGroup], temperature: float = 1.0) -> Float[Tensor, "row time"]:
        if self._reference is None:
            self._reference = self._build_reference()
        return self._reference.logprobs(groups, temperature)

    def _build_reference(self) -> ReferencePolicy:
        if self.lora is not None:
            return AdapterReference(self, lambda: self.model.disable_adapter())  # type: ignore[union-attr, operator]
        return FrozenReference(
            self, lambda: VisionLanguagePolicy(self.name, dtype=self.dtype, attention=self.attention)
        )

    def forward(self, groups: Sequence[RolloutGroup], temperature: float = 1.0) -> Float[Tensor, "row time"]:
        """One plain pass per group: its rows share a prompt, so that nothing is padded before it."""
        if not groups:
            raise ValueError("logprobs of no groups were asked for; give at least one")
        parts = [self._group_logprobs(group, temperature) for group in groups]
        width = max(part.shape[1] for part in parts)
        return torch.cat([nn.functional.pad(part, (0, width - part.shape[1])) for part in parts])

    def _group_logprobs(self, group: RolloutGroup, temperature: float) -> Float[Tensor, "row time"]:
        device = self._device
        prompt = torch.tensor(group.prompt.token_ids, device=device)
        tokens, written = _right_padded([completion.token_ids for completion in group.completions], device)
        rows, width = tokens.shape
        # The last token of a row predicts nothing that is asked for.
        input_ids = torch.cat([prompt.expand(rows, -1), tokens[:, :-1]], dim=1)
        images = self._image_inputs(group.prompt)
        positions, following = self._prompt_positions(prompt[None], images, None)
        steps = following[:, None] + torch.arange(width - 1, device=device)
        # Padding stands behind every real token of its row, so that causal attention needs no mask.
        with self._touching_vision() if self._touches_vision and not images else nullcontext():
            hidden = self._hidden(
                input_ids,
                positions=torch.cat([positions, steps.expand(*positions.shape[:-1], -1)], dim=-1),
                images=repeat_images(images, rows),
            )
        chosen = self._chosen_logprobs(hidden[:, len(prompt) - 1 :][written], tokens[written], temperature)
        return chosen.new_zeros(rows, width).masked_scatter(written, chosen)

    def _hidden(self, input_ids: Int[Tensor, "row time"], positions: Tensor, images: Mapping[str, Tensor]) -> Tensor:
        rows = input_ids.shape[0]
        inner = self.hugging_face.base_model
        output = inner(
            input_ids=input_ids,
            position_ids=positions.expand(*positions.shape[:-2], rows, -1),
            use_cache=False,
            **self._token_types(input_ids),
            **images,
        )
        hidden: Tensor = output.last_hidden_state
        return hidden

    def _chosen_logprobs(
        self, hidden: Float[Tensor, "token width"], tokens: Int[Tensor, " token"], temperature: float
    ) -> Float[Tensor, " token"]:
        """Log-probabilities of tokens from the vectors that predict them."""
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
        if not torch.is_grad_enabled():
            return False
        trained = any(parameter.requires_grad for parameter in _vision_parameters(self.hugging_face))
        return is_sharded(self) or (self.every_parameter and trained)

    @contextmanager
    def _touching_vision(self) -> Iterator[None]:
        """Add zero to the embeddings of text, with a zero gradient for every parameter of the vision tower.

        It goes where vectors of an image would, before and into the language model: ranks with and without images then
        gather shares and reduce gradients in the same order, without which they would wait for each other for ever.
        """
        inner = self.hugging_face.base_model
        outputs = inner.get_image_features(**self._empty_image, return_dict=True)
        zero = 0.0 * sum((one.float().sum() for one in _tensors(outputs)), start=torch.zeros((), device=self._device))

        def add(module: nn.Module, given: object, embedded: Tensor) -> Tensor:  # noqa: ARG001  # torch calls it so
            return embedded + zero.to(embedded.dtype)

        hook = inner.get_input_embeddings().register_forward_hook(add)
        try:
            yield
        finally:
            hook.remove()

    @property
    def _empty_image(self) -> dict[str, Any]:
        made = self.processor.image_processor([Image.new("RGB", (64, 64), (128, 96, 64))], return_tensors="pt")
        known = inspect.signature(self.hugging_face.base_model.get_image_features).parameters
        return {key: self._moved(value) for key, value in made.items() if key in known}

    # Decoding.

    @torch.no_grad()
    def prefill(self, prompts: Sequence[Prompt]) -> Decoding:
        """Pass prompts and their images through the policy once, padded before the shorter ones.

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
        return Decoding(output.logits[:, -1], output.past_key_values, needed, following, 3 if self._has_mrope else 1)

    @torch.no_grad()
    def decode(self, decoding: Decoding | SharedDecoding, tokens: Int[Tensor, " row"]) -> None:
        """Append one token to each row, in place.

        Args:
            decoding: where decoding stands; gets the scores of the tokens that follow.
            tokens: what was picked for each row.
        """
        decoding.step(self.hugging_face, tokens)

    # What the families want beside token ids.

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def _padding_id(self) -> int:
        padding = self.processor.tokenizer.pad_token_id
        return self.eos_token_ids[0] if padding is None else int(padding)

    @property
    def _has_mrope(self) -> bool:
        return hasattr(self.hugging_face.base_model, "get_rope_index")

    @cached_property
    def _accepted(self) -> frozenset[str]:
        return frozenset(inspect.signature(self.hugging_face.base_model.forward).parameters)

    def _token_types(self, input_ids: Int[Tensor, "row time"]) -> dict[str, Tensor]:
        """1 on the placeholders of images, 0 elsewhere, under the name the family gives it."""
        types = (input_ids == self.image_token_id).int()
        return {name: types for name in ("token_type_ids", "mm_token_type_ids") if name in self._accepted}

    def _image_inputs(self, prompt: Prompt) -> dict[str, Tensor]:
        names = self._accepted - _OF_THE_TEXT
        return {key: self._moved(value) for key, value in prompt.inputs.items() if key in names}

    def _moved(self, value: Tensor) -> Tensor:
        """On the policy's device, floating tensors in its dtype."""
        return value.to(self._device, getattr(torch, self.dtype) if value.is_floating_point() else None)

    def _prompt_positions(
        self, input_ids: Int[Tensor, "row time"], images: Mapping[str, Tensor], mask: Int[Tensor, "row time"] | None
    ) -> tuple[Tensor, Int[Tensor, " row"]]:
        """Positions of the tokens of prompts, and the position of the token after each."""
        if self._has_mrope:
            positions, _ = self.hugging_face.base_model.get_rope_index(
                input_ids=input_ids,
                mm_token_type_ids=(input_ids == self.image_token_id).int(),
                image_grid_thw=images.get("image_grid_thw"),
                attention_mask=mask,
            )
            return positions, positions.amax(dim=(0, 2)) + 1
        if mask is None:
            mask = torch.ones_like(input_ids)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        return positions, positions[:, -1] + 1


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Say which model could not be read, and what to give instead."""
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"policy.name: {name!r} could not be read: {error}\nGive a folder that holds a Hugging Face model with its "
            "processor, or the name of one on the hub (HF_HUB_OFFLINE must then be unset the first time)"
        ) from error


def _refuse_altered_logits(config: Any) -> None:
    """The head is applied here, to chosen positions; a model that changes its scores after it would be misread."""
    text = config.get_text_config()
    altering = {
        name: getattr(text, name, None) for name in ("final_logit_softcapping", "logit_scale", "logits_scaling")
    }
    found = {name: value for name, value in altering.items() if value not in (None, 1, 1.0)}
    if found:
        raise ValueError(
            f"policy.name: {config.model_type} changes its scores after its head ({found}), which is not served"
        )


def _right_padded(
    rows: Sequence[Sequence[int]], device: torch.device
) -> tuple[Int[Tensor, "row time"], Bool[Tensor, "row time"]]:
    """Token ids padded behind with 0, and True where a token was written."""
    width = max(len(row) for row in rows)
    tokens = torch.tensor([[*row, *([0] * (width - len(row)))] for row in rows], device=device)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return tokens, torch.arange(width, device=device) < lengths[:, None]


def _name_of(model: nn.Module, part: nn.Module) -> str:
    return next(str(name) for name, module in model.named_modules() if module is part)


def _vision_parameters(model: Any) -> list[nn.Parameter]:
    """Everything outside the language model and its head: the vision tower and its projection."""
    of_text = {id(parameter) for parameter in model.get_decoder().parameters()}
    head = model.get_output_embeddings()
    of_text |= {id(parameter) for parameter in head.parameters()}
    return [parameter for parameter in model.parameters() if id(parameter) not in of_text]


def _tensors(value: Any) -> Iterator[Tensor]:
    """Every floating tensor inside a model output."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
