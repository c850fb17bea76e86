"""A language model in this process that is asked many texts with common beginnings."""

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

_ALTERNATIVES = 10  # as many as a served judge asks for
_SHARED = frozenset(("full_attention", "sliding_attention"))


@dataclass
class Written:
    """What the model wrote after one text.

    Attributes:
        token_ids: the token that ended it included.
        alternatives: log-probability of the likeliest tokens by id, at each token.
        is_cut: whether the limit ended it.
        is_broken: whether scores were no numbers.
    """

    token_ids: list[int] = field(default_factory=list)
    alternatives: list[dict[int, float]] = field(default_factory=list)
    is_cut: bool = False
    is_broken: bool = False


@dataclass(frozen=True)
class _Past:
    """Rows that passed. The real tokens of a row are those of ``lengths`` that end before column ``ends``.

    Attributes:
        layers: keys and values of every layer, each ``[row, head, column, width]``.
        lengths: tokens of each row.
        ends: column after the last token of each row; what follows is padding.
        logits: scores of what follows the tokens that were asked about; the last is repeated where a row has fewer.
    """

    layers: list[tuple[Tensor, Tensor]]
    lengths: Int[Tensor, " row"]
    ends: Int[Tensor, " row"]
    logits: Float[Tensor, "row scored vocab"]

    def at(self, rows: Sequence[int]) -> tuple[list[tuple[Tensor, Tensor]], Int[Tensor, " row"], int]:
        """Layers and lengths of rows, any of them any number of times; padding stands before the tokens, if anywhere.

        Behind them it would lie between a text and its continuation and shift windows of sliding attention.
        """
        device = self.lengths.device
        chosen = torch.tensor(rows, device=device)
        lengths, ends = self.lengths[chosen], self.ends[chosen]
        width = int(lengths.max())
        present = self.layers[0][0].shape[2]
        if width == present and bool((ends == present).all()):
            if list(rows) == list(range(len(self.lengths))):
                return self.layers, lengths, width
            if len(self.lengths) == 1:  # a view: the copy is made when the suffixes are appended
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
    """Weights and tokenizer. Beginnings that texts share pass once; the rest of all texts passes in one batch.

    Sums are those of one pass per text, in another order and with padding beside them.

    Args:
        name: a Hugging Face name or folder.
        revision: of a name on a hub.
        device: where to compute.
        dtype: of the weights; ``auto`` is what they are stored in.

    Raises:
        OSError, ValueError: what cannot be read, or is no model for this.
    """

    def __init__(self, name: str, revision: str | None, device: str | None, dtype: str) -> None:
        self.name = name
        config: Any = AutoConfig.from_pretrained(name, revision=revision)
        text: Any = config.get_text_config()
        kinds = set(getattr(text, "layer_types", None) or ()) - _SHARED
        if kinds:
            raise ValueError(
                f"it has layers of the kind {', '.join(sorted(kinds))}, whose past cannot be shared; serve this model "
                "and use medix.judge.ServedJudge"
            )
        self.tokenizer: Any = AutoTokenizer.from_pretrained(name, revision=revision)
        if not self.tokenizer.chat_template:
            raise ValueError("its tokenizer has no chat template; name a model that was tuned to follow instructions")
        is_with_images = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
        kind: Any = AutoModelForImageTextToText if is_with_images else AutoModelForCausalLM
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        with torch.random.fork_rng(devices=[]):  # training is resumed from the random state
            model = kind.from_pretrained(
                name, revision=revision, dtype=dtype if dtype == "auto" else getattr(torch, dtype)
            )
        self.model: Any = model.requires_grad_(False).eval().to(self.device)
        self.context: int | None = getattr(text, "max_position_embeddings", None)
        self.ends = frozenset(_ends(name, revision, self.tokenizer))
        self._wanted: Tensor | None = None
        self.model.get_output_embeddings().register_forward_pre_hook(self._only_wanted)

    def _only_wanted(self, head: torch.nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:  # noqa: ARG002
        """The head sees the last tokens of each row: scores of all would take more memory than the pass."""
        (hidden,) = given
        assert self._wanted is not None
        return (hidden[torch.arange(len(hidden), device=hidden.device)[:, None], self._wanted],)

    def give_memory_back(self) -> None:
        """What was freed goes back to the accelerator, where others look for it."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def free(self) -> None:
        """Let go of the weights; this object is of no use afterwards."""
        self.model = None
        self.give_memory_back()

    # Text.

    def tokens(self, message: str) -> list[int]:
        """A message to the model, as its chat template writes it.

        Raises:
            ValueError: a template that leaves the message out.
        """
        for content in (message, [{"type": "text", "text": message}]):
            text = self.tokenizer.apply_chat_template(
                [{"role": "user", "content": content}],
                tokenize=False,
                add_generation_prompt=True,
                enable_thinking=False,  # else the first word is no verdict
            )
            if message.strip() in text:
                return list(self.tokenizer(text, add_special_tokens=False).input_ids)
        raise ValueError("the chat template does not write the user's message out")

    def option_tokens(self, options: Sequence[str]) -> list[tuple[int, ...]]:
        """Options as tokens, none of them the beginning of another: where one is, all are written with their end.

        Raises:
            ValueError: an option that begins another, and a model that names no end.
        """
        found = [tuple(self.tokenizer(option, add_special_tokens=False).input_ids) for option in options]
        if not any(one != other and other[: len(one)] == one for one in found for other in found):
            return found
        if not self.ends:
            raise ValueError(
                f"one of the options {', '.join(options)} begins another, and the model names no end token"
            )
        return [(*tokens, min(self.ends)) for tokens in found]

    @staticmethod
    def rows_per_text(options: Sequence[tuple[int, ...]]) -> int:
        """Rows that a text becomes: one, unless several options have several tokens."""
        return len(_paths(options))

    def text_of(self, written: Written) -> str:
        """What was written, without control tokens."""
        return str(self._decode(written.token_ids))

    def pieces(self, written: Written) -> list[tuple[str, Mapping[str, float]]]:
        """The text of each token, and of its alternatives; a character stands at the token that completes it."""
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

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    # Passes.

    def option_logprobs(
        self, texts: Sequence[Sequence[int]], options: Sequence[tuple[int, ...]]
    ) -> Float[Tensor, "text option"]:
        """Log-probability of each option, over all its tokens, right after each text; on the CPU."""
        paths = _paths(options)
        with _computing(self.device):
            rows = [[*text, *path] for text in texts for path in paths]
            past = self._begun(rows, [len(path) + 1 for _ in texts for path in paths])
            logprobs = past.logits.log_softmax(dim=-1).unflatten(0, (len(texts), len(paths)))  # type: ignore[no-untyped-call]
            found = torch.zeros(len(texts), len(options), device=self.device)
            for place, option in enumerate(options):
                row = next(n for n, path in enumerate(paths) if path[: len(option) - 1] == option[:-1])
                for depth, token in enumerate(option):
                    found[:, place] += logprobs[:, row, depth, token]
            return found.cpu()

    def write(self, texts: Sequence[Sequence[int]], limits: Sequence[int]) -> list[Written]:
        """The likeliest token after each text, and so on, until an end or the limit of the text."""
        with _computing(self.device):
            past = self._begun(texts, [1] * len(texts))
            written = [Written() for _ in texts]
            rows = list(range(len(texts)))
            while True:
                logprobs = past.logits[:, -1].log_softmax(dim=-1)
                top = logprobs.topk(min(_ALTERNATIVES, logprobs.shape[-1]))
                picked = past.logits[:, -1].argmax(dim=-1).tolist()
                listed = list(zip(top.indices.tolist(), top.values.tolist(), strict=True))
                broken = logprobs.isnan().any(dim=-1).tolist()
                going = []
                for place, row in enumerate(rows):
                    one = written[row]
                    one.is_broken = broken[place]
                    one.token_ids.append(picked[place])
                    one.alternatives.append(dict(zip(*listed[place], strict=True)))
                    one.is_cut = len(one.token_ids) >= limits[row] and picked[place] not in self.ends
                    if not (one.is_broken or one.is_cut or picked[place] in self.ends):
                        going.append(place)
                if not going:
                    return written
                past = self._extended(past, going, [[picked[place]] for place in going])
                rows = [rows[place] for place in going]

    def _begun(self, texts: Sequence[Sequence[int]], scored: Sequence[int]) -> _Past:
        """Pass all texts: common beginnings first, then what is left of each.

        Args:
            texts: token ids.
            scored: of each text, how many of its last tokens scores are wanted after.
        """
        parts = common_prefixes(texts, own=max(scored))
        owner = {place: number for number, part in enumerate(parts) for place in part.members}
        past = None
        if any(part.length for part in parts):
            past = self._extended(None, [0] * len(parts), [texts[part.members[0]][: part.length] for part in parts])
        rests = [text[parts[owner[place]].length :] for place, text in enumerate(texts)]
        return self._extended(past, [owner[place] for place in range(len(texts))], rests, scored)

    def _extended(
        self,
        past: _Past | None,
        rows: Sequence[int],
        tokens: Sequence[Sequence[int]],
        scored: Sequence[int] | None = None,
    ) -> _Past:
        """Append tokens to rows of what passed.

        Args:
            past: None where nothing passed yet.
            rows: whose past each new row has.
            tokens: of each new row; they may differ in number.
            scored: of each new row, how many of its last tokens scores are wanted after; one if not given.
        """
        news = torch.tensor([len(part) for part in tokens], device=self.device)
        columns = torch.arange(int(news.max()), device=self.device)
        filler = [0] * len(columns)
        ids = torch.tensor([[*part, *filler[len(part) :]] for part in tokens], device=self.device)
        cache: Any = DynamicCache()
        lengths, width, seen = torch.zeros_like(news), 0, None
        if past is not None:
            layers, lengths, width = past.at(rows)
            cache.layers = [_layer(keys, values) for keys, values in layers]
            if bool((lengths < width).any()):
                seen = torch.arange(width + len(columns), device=self.device) >= (width - lengths)[:, None]
        wanted = torch.tensor([1] * len(tokens) if scored is None else scored, device=self.device)
        places = torch.arange(int(wanted.max()), device=self.device).minimum(wanted[:, None] - 1)
        self._wanted = ((news - wanted)[:, None] + places).clamp(min=0)
        output = self.model(
            input_ids=ids,
            # padding behind a row is later than all its tokens: causal attention needs no mask for it
            attention_mask=None if seen is None else seen.long(),
            position_ids=lengths[:, None] + columns,
            past_key_values=cache,
            use_cache=True,
        )
        # of every kind of layer, as the model's own kinds hold no more than a window
        kept = [(layer.keys, layer.values) for layer in cache.layers]
        return _Past(kept, lengths + news, width + news, output.logits.float())


def _paths(options: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """What must be passed to score all tokens of all options: all but their last ones, each path once."""
    starts = sorted({option[:-1] for option in options}, key=len, reverse=True)
    return [path for n, path in enumerate(starts) if all(path != longer[: len(path)] for longer in starts[:n])]


def _layer(keys: Tensor, values: Tensor) -> DynamicLayer:
    layer = DynamicLayer()  # type: ignore[no-untyped-call]
    layer.lazy_initialization(keys, values)
    layer.keys, layer.values = keys, values
    return layer


@contextlib.contextmanager
def _computing(device: torch.device) -> Iterator[None]:
    """Without gradients, and in the numbers of the weights also where training computes in others."""
    with torch.inference_mode(), torch.autocast(device.type, enabled=False):
        yield


def _ends(name: str, revision: str | None, tokenizer: Any) -> list[int]:
    """Tokens that end what the model writes."""
    try:
        found = GenerationConfig.from_pretrained(name, revision=revision or "main").eos_token_id
    except OSError:  # many models come without generation settings
        found = None
    found = tokenizer.eos_token_id if found is None else found
    return [] if found is None else list(found) if isinstance(found, list) else [int(found)]
