"""A language model in this process, for many prompts with shared prefixes."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoTokenizer,
    GenerationConfig,
)
from transformers.cache_utils import DynamicCache, DynamicLayer
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

from medix.judge.common_prefix import common_prefixes
from medix.special_tokens import CompletionDecoder, SpecialTokens

_ALTERNATIVES = 10  # as many as a served judge requests
_SHARED = frozenset(("full_attention", "sliding_attention"))


@dataclass
class Reply:
    """A generated reply.

    Attributes:
        token_ids: including the end token.
        alternatives: log-probabilities of the most probable tokens by id, at each position.
        is_cut: whether it reached its limit without an end token.
        is_broken: whether its last logits contain NaN.
    """

    token_ids: list[int] = field(default_factory=list)
    alternatives: list[dict[int, float]] = field(default_factory=list)
    is_cut: bool = False
    is_broken: bool = False


@dataclass(frozen=True)
class _CachedRows:
    """Computed rows with their keys and values. A row's tokens are the last ``lengths`` columns before ``ends``.

    Attributes:
        layers: keys and values of every layer, each ``[row, head, column, head_dim]``.
        lengths: tokens of each row.
        ends: column after the last token of each row; later columns are padding.
        logits: at the last positions of each row; the last position is repeated where a row has fewer.
    """

    layers: list[tuple[Tensor, Tensor]]
    lengths: Int[Tensor, " row"]
    ends: Int[Tensor, " row"]
    logits: Float[Tensor, "row position vocab"]

    def at(self, rows: Sequence[int]) -> tuple[list[tuple[Tensor, Tensor]], Int[Tensor, " row"], int]:
        """Layers, lengths and width of the given rows, which may repeat; padding is moved to the left of the tokens.

        On their right it would lie between a prefix and its continuation, and shift the windows of sliding attention.
        """
        device = self.lengths.device
        chosen = torch.tensor(rows, device=device)
        lengths, ends = self.lengths[chosen], self.ends[chosen]
        width = int(lengths.max())
        present = self.layers[0][0].shape[2]
        if width == present and bool((ends == present).all()):
            if list(rows) == list(range(len(self.lengths))):
                return self.layers, lengths, width
            if len(self.lengths) == 1:  # a view: appending the suffixes makes the copy
                expanded = [(k.expand(len(rows), -1, -1, -1), v.expand(len(rows), -1, -1, -1)) for k, v in self.layers]
                return expanded, lengths, width
            return [(keys[chosen], values[chosen]) for keys, values in self.layers], lengths, width
        columns = (ends[:, None] - width + torch.arange(width, device=device)).clamp(min=0)
        moved = [
            (keys[chosen[:, None], :, columns].transpose(1, 2), values[chosen[:, None], :, columns].transpose(1, 2))
            for keys, values in self.layers
        ]
        return moved, lengths, width


class LocalModel:
    """Model and tokenizer. Shared prefixes are computed once; the suffixes of all prompts are computed in one batch.

    Results equal those of one forward pass per prompt up to rounding.

    Args:
        name: a Hugging Face name or folder.
        revision: of a name on a hub.
        device: of the weights; by default the accelerator if there is one.
        dtype: of the weights; ``auto`` is what they are stored in.

    Raises:
        OSError, ValueError: the model cannot be loaded, or its architecture or tokenizer is not supported.
    """

    def __init__(self, name: str, revision: str | None, device: str | None, dtype: str) -> None:
        self.name = name
        config: Any = AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
        text: Any = config.get_text_config()
        kinds = set(getattr(text, "layer_types", None) or ()) - _SHARED
        if kinds:
            raise ValueError(
                f"it has layers of the kind {', '.join(sorted(kinds))}, whose state cannot be shared between prompts; "
                "serve this model and use medix.judge.ServedJudge"
            )
        self.tokenizer: Any = AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
        if not self.tokenizer.chat_template:
            raise ValueError("its tokenizer has no chat template; give an instruction-tuned model")
        is_with_images = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
        kind: Any = AutoModelForImageTextToText if is_with_images else AutoModelForCausalLM
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        with torch.random.fork_rng(devices=[]):  # loading must not change the random state of training
            model = kind.from_pretrained(
                name,
                revision=revision,
                trust_remote_code=False,
                dtype=dtype if dtype == "auto" else getattr(torch, dtype),
            )
        self.model: Any = model.requires_grad_(False).eval().to(self.device)
        self.context: int | None = getattr(text, "max_position_embeddings", None)
        self.end_token_ids = frozenset(_ends(name, revision, self.tokenizer))
        self._special_tokens = SpecialTokens(self.tokenizer)
        self._decode = CompletionDecoder(self.tokenizer, self.end_token_ids)
        self._positions: Tensor | None = None
        self.model.get_output_embeddings().register_forward_pre_hook(self._select_positions)

    def _select_positions(self, head: torch.nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:  # noqa: ARG002
        """Compute logits at the wanted positions only: those of all positions take more memory than the rest."""
        (hidden,) = given
        assert self._positions is not None
        return (hidden[torch.arange(len(hidden), device=hidden.device)[:, None], self._positions],)

    def empty_cache(self) -> None:
        """Release cached accelerator memory to other users."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def free(self) -> None:
        """Release the weights; the object cannot be used afterwards."""
        self.model = None
        self.empty_cache()

    # Text.

    def tokens(self, message: str) -> list[int]:
        """Token ids of a user message in the chat template; texts of special tokens in the message stay texts.

        Raises:
            ValueError: the template omits the message.
        """
        message = self._special_tokens.neutralise(message)
        for content in (message, [{"type": "text", "text": message}]):
            text = self.tokenizer.apply_chat_template(
                [{"role": "user", "content": content}],
                tokenize=False,
                add_generation_prompt=True,
                enable_thinking=False,  # else the reply does not begin with the verdict
            )
            if message.strip() in text:
                return list(self.tokenizer(text, add_special_tokens=False).input_ids)
        raise ValueError("the chat template omits the user's message")

    def option_tokens(self, options: Sequence[str]) -> list[tuple[int, ...]]:
        """Token ids of the options. If one is a prefix of another, all are followed by the end token.

        Raises:
            ValueError: one option is a prefix of another, and the model names no end token.
        """
        found = [tuple(self.tokenizer(option, add_special_tokens=False).input_ids) for option in options]
        if not any(one != other and other[: len(one)] == one for one in found for other in found):
            return found
        if not self.end_token_ids:
            raise ValueError(
                f"one of the options {', '.join(options)} is a prefix of another, and the model names no end token"
            )
        return [(*tokens, min(self.end_token_ids)) for tokens in found]

    @staticmethod
    def rows_per_text(options: Sequence[tuple[int, ...]]) -> int:
        """Batch rows per prompt: one, unless several options have several tokens."""
        return len(_paths(options))

    def text_of(self, written: Reply) -> str:
        """The text of a reply, without its end token."""
        return self._decode(written.token_ids)

    def pieces(self, written: Reply) -> list[tuple[str, Mapping[str, float]]]:
        """The text of each token, and log-probabilities of its alternatives by their texts.

        A character of several tokens belongs to the last of them.
        """
        ids, names = written.token_ids, dict[int, str]()
        pieces: list[tuple[str, Mapping[str, float]]] = []
        begin = read = 0
        for end, alternatives in enumerate(written.alternatives, start=1):
            before, text = self._decode(ids[begin:read]), self._decode(ids[begin:end])
            piece = ""
            if not text.endswith("\N{REPLACEMENT CHARACTER}"):
                piece, begin, read = text[len(before) :], read, end
            for token in alternatives.keys() - names.keys():
                names[token] = self._decode([token])
            # several tokens may have the same text
            chances: dict[str, float] = {}
            for token, logprob in sorted(alternatives.items(), key=lambda entry: entry[1]):
                chances[names[token]] = logprob
            pieces.append((piece, chances))
        return pieces

    # Forward passes.

    def option_logprobs(
        self, texts: Sequence[Sequence[int]], options: Sequence[tuple[int, ...]]
    ) -> Float[Tensor, "text option"]:
        """Log-probability of each option, over all its tokens, as the continuation of each prompt; on the CPU."""
        paths = _paths(options)
        with _computing(self.device):
            rows = [[*text, *path] for text in texts for path in paths]
            past = self._prefill(rows, [len(path) + 1 for _ in texts for path in paths])
            logprobs = past.logits.log_softmax(dim=-1).unflatten(0, (len(texts), len(paths)))  # type: ignore[no-untyped-call]
            found = torch.zeros(len(texts), len(options), device=self.device)
            for index, option in enumerate(options):
                row = next(n for n, path in enumerate(paths) if path[: len(option) - 1] == option[:-1])
                for depth, token in enumerate(option):
                    found[:, index] += logprobs[:, row, depth, token]
            return found.cpu()

    def write(self, texts: Sequence[Sequence[int]], limits: Sequence[int]) -> list[Reply]:
        """Greedy replies, up to an end token or the limit of each prompt."""
        with _computing(self.device):
            past = self._prefill(texts, [1] * len(texts))
            written = [Reply() for _ in texts]
            rows = list(range(len(texts)))
            while True:
                logprobs = past.logits[:, -1].log_softmax(dim=-1)
                top = logprobs.topk(min(_ALTERNATIVES, logprobs.shape[-1]))
                chosen = past.logits[:, -1].argmax(dim=-1).tolist()
                alternatives = list(zip(top.indices.tolist(), top.values.tolist(), strict=True))
                broken = logprobs.isnan().any(dim=-1).tolist()
                unfinished = []
                for index, row in enumerate(rows):
                    one = written[row]
                    one.is_broken = broken[index]
                    one.token_ids.append(chosen[index])
                    one.alternatives.append(dict(zip(*alternatives[index], strict=True)))
                    one.is_cut = len(one.token_ids) >= limits[row] and chosen[index] not in self.end_token_ids
                    if not (one.is_broken or one.is_cut or chosen[index] in self.end_token_ids):
                        unfinished.append(index)
                if not unfinished:
                    return written
                past = self._forward(past, unfinished, [[chosen[index]] for index in unfinished])
                rows = [rows[index] for index in unfinished]

    def _prefill(self, texts: Sequence[Sequence[int]], scored: Sequence[int]) -> _CachedRows:
        """Forward pass over all prompts: shared prefixes first, then the suffix of each.

        Args:
            texts: token ids.
            scored: number of last positions of each prompt whose logits are wanted.
        """
        groups = common_prefixes(texts, own=max(scored))
        group_of = {index: number for number, group in enumerate(groups) for index in group.members}
        past = None
        if any(group.length for group in groups):
            past = self._forward(None, [0] * len(groups), [texts[group.members[0]][: group.length] for group in groups])
        suffixes = [text[groups[group_of[index]].length :] for index, text in enumerate(texts)]
        return self._forward(past, [group_of[index] for index in range(len(texts))], suffixes, scored)

    def _forward(
        self,
        past: _CachedRows | None,
        rows: Sequence[int],
        tokens: Sequence[Sequence[int]],
        scored: Sequence[int] | None = None,
    ) -> _CachedRows:
        """Forward pass over new tokens that continue computed rows.

        Args:
            past: computed rows; None for new prompts.
            rows: for each new row, the computed row that it continues.
            tokens: of each new row; their numbers may differ.
            scored: number of last positions of each new row whose logits are wanted; one if not given.
        """
        counts = torch.tensor([len(part) for part in tokens], device=self.device)
        columns = torch.arange(int(counts.max()), device=self.device)
        filler = [0] * len(columns)
        ids = torch.tensor([[*part, *filler[len(part) :]] for part in tokens], device=self.device)
        cache: Any = DynamicCache()
        lengths, width, mask = torch.zeros_like(counts), 0, None
        if past is not None:
            layers, lengths, width = past.at(rows)
            cache.layers = [_layer(keys, values) for keys, values in layers]
            if bool((lengths < width).any()):
                mask = torch.arange(width + len(columns), device=self.device) >= (width - lengths)[:, None]
        wanted = torch.tensor([1] * len(tokens) if scored is None else scored, device=self.device)
        offsets = torch.arange(int(wanted.max()), device=self.device).minimum(wanted[:, None] - 1)
        self._positions = ((counts - wanted)[:, None] + offsets).clamp(min=0)
        output = self.model(
            input_ids=ids,
            # padding on the right comes after all tokens of a row: causal attention needs no mask for it
            attention_mask=None if mask is None else mask.long(),
            position_ids=lengths[:, None] + columns,
            past_key_values=cache,
            use_cache=True,
        )
        # full-length caches for all layers: those of sliding layers would keep no more than a window
        kept = [(layer.keys, layer.values) for layer in cache.layers]
        return _CachedRows(kept, lengths + counts, width + counts, output.logits.float())


def _paths(options: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Token sequences to append so that the logits of all tokens of all options are known: options without their last
    token, and without those that are prefixes of others.
    """
    starts = sorted({option[:-1] for option in options}, key=len, reverse=True)
    return [path for n, path in enumerate(starts) if all(path != longer[: len(path)] for longer in starts[:n])]


def _layer(keys: Tensor, values: Tensor) -> DynamicLayer:
    layer = DynamicLayer()  # type: ignore[no-untyped-call]
    layer.lazy_initialization(keys, values)
    layer.keys, layer.values = keys, values
    return layer


@contextlib.contextmanager
def _computing(device: torch.device) -> Iterator[None]:
    """Without gradients, and in the dtype of the weights even under the autocast of training."""
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        yield


def _ends(name: str, revision: str | None, tokenizer: Any) -> list[int]:
    """Token ids that end a reply."""
    try:
        found = GenerationConfig.from_pretrained(name, revision=revision or "main").eos_token_id
    except OSError:  # many models come without generation settings
        found = None
    found = tokenizer.eos_token_id if found is None else found
    return [] if found is None else list(found) if isinstance(found, list) else [int(found)]
