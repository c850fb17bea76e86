"""The shared pass: a prompt and its images once for all completions of a group.

A packed row passes through the unmodified model; its attention is replaced so that completions do not attend to each
other, and the positions of each completion continue those of the prompt. Values and gradients are those of the plain
pass within rounding. A group that is too large for one pass is split: the prompt passes once, later chunks read its
cached keys and values, and its backward pass runs once, together with that of the last chunk.

With experts (Qwen3-VL-MoE) a token takes those whose router logits are largest. In bfloat16 these may tie or nearly
tie, and passes that round differently may then take different experts. Measured on 24 groups of a tiny model with two
of four experts, 32 wide: log-probabilities differ by up to 0.29 for a token, and by at most 0.009 on average over a
group (0.008 and 0.0012 without experts). It changes that token and what follows in its completion, no other. Old and
new log-probabilities are both those of the shared pass; between engine and policy it is part of ``train/mismatch``.

Related: Prefix Grouper (arXiv:2506.05433); the chunks follow the schedule of arXiv:2606.01143.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from medix.policy.family import Family
from medix.policy.images import images_of_one_row
from medix.policy.packing import PackedRow
from medix.policy.plain_pass import Chosen
from medix.policy.prefix_attention import NAME, KeysAndValues, SharedPrefix, attention_kwargs, use_attention
from medix.types import RolloutGroup

FLEX = "flex_attention"
_SUPPORTED = ("gemma3", "idefics3", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "smolvlm")
_WITH_KEYS = {"full_attention", "sliding_attention"}


def why_plain(config: Any, attention: str) -> str | None:
    """The reason why a model cannot share prompts, as a clause to follow "because"; None if it can.

    Args:
        config: configuration of the Hugging Face model.
        attention: the policy's ``attention``.
    """
    text = config.get_text_config()
    others = sorted(set(getattr(text, "layer_types", None) or ()) - _WITH_KEYS)
    if others:
        return f"layers of the kind {', '.join(others)} do not attend to the keys of single prompt tokens"
    if getattr(text, "attn_logit_softcapping", None):
        return f"{config.model_type} caps its attention scores (attn_logit_softcapping), which sdpa does not support"
    if getattr(text, "use_bidirectional_attention", False):
        return "its text tokens attend to each other in both directions"
    if config.model_type not in _SUPPORTED:
        return f"models of type {config.model_type} are untested with it; supported are {', '.join(_SUPPORTED)}"
    if attention not in ("sdpa", FLEX):
        return f"policy.attention: {attention} takes no custom mask; give sdpa, or {FLEX} on a GPU"
    return None


class SharedPass:
    """Log-probabilities with each prompt passed once.

    Args:
        family: the model.
        chosen: applies its head to hidden states.
        flex: use FlexAttention with a mask of the whole row, not tiles.
    """

    def __init__(self, family: Family, chosen: Chosen, flex: bool = False) -> None:
        self.family = family
        self._chosen = chosen
        self._flex = flex

    def logprobs(self, groups: Sequence[RolloutGroup], temperature: float) -> Float[Tensor, "row time"]:
        """As ``Policy.logprobs``: all groups in one row."""
        family, device = self.family, self.family.device
        prompts = [torch.tensor(group.prompt.token_ids, device=device) for group in groups]
        images = [family.image_inputs(group.prompt) for group in groups]
        ids, positions = [], []
        for group, prompt, own in zip(groups, prompts, images, strict=True):
            at, following = family.prompt_positions(prompt[None], own, None)
            ids += [prompt, _inputs(group, device)]
            positions += [at, _positions(group, at, following)]
        row = self._row(prompts, [_lengths(group) for group in groups])
        with use_attention(family.decoder.config, FLEX if self._flex else NAME):
            hidden = family.hidden(
                torch.cat(ids)[None], torch.cat(positions, dim=-1), images_of_one_row(images), **self._attention(row)
            )[0]
        predicting = []
        for group, span in zip(groups, row.spans, strict=True):
            first = span.start + span.prompt
            predicting += [hidden[first - 1].expand(len(group.completions), -1), hidden[first : span.stop]]
        return self._padded_logprobs(torch.cat(predicting), groups, temperature)

    def logprobs_in_chunks(
        self, parts: Sequence[RolloutGroup], temperature: float
    ) -> Iterator[Float[Tensor, "row time"]]:
        """As ``Policy.logprobs_in_chunks``."""
        family = self.family
        prompt = torch.tensor(parts[0].prompt.token_ids, device=family.device)
        images = family.image_inputs(parts[0].prompt)
        at, following = family.prompt_positions(prompt[None], images, None)
        kept: KeysAndValues = {}
        alone = SharedPrefix(self._row([prompt], [[]]), kept=kept)
        with use_attention(family.decoder.config):
            last = family.hidden(prompt[None], at, images_of_one_row([images]), **attention_kwargs(alone))[0, -1]
        lent = _Lent(last, kept)
        for part in parts:
            last, states = lent.out(to_the_last=part is parts[-1])
            predicting = [last.expand(len(part.completions), -1)]
            if sum(_lengths(part)):
                row = PackedRow([len(prompt)], [_lengths(part)], cached=len(prompt), device=family.device)
                predicting.append(
                    self._completions(part, _positions(part, at, following), SharedPrefix(row, prompt=states))
                )
            yield self._padded_logprobs(torch.cat(predicting), [part], temperature)

    def _completions(self, part: RolloutGroup, positions: Tensor, shared: SharedPrefix) -> Float[Tensor, "token width"]:
        """Hidden states of completions whose prompt is cached."""
        family = self.family
        with use_attention(family.decoder.config):
            output = family.decoder(
                inputs_embeds=family.inner.get_input_embeddings()(_inputs(part, family.device)[None]),
                position_ids=positions,
                use_cache=False,
                **attention_kwargs(shared),
            )
        hidden: Tensor = output.last_hidden_state
        return hidden[0]

    def _row(self, prompts: Sequence[Tensor], completions: Sequence[Sequence[int]]) -> PackedRow:
        blocks = [self.family.image_blocks(prompt) for prompt in prompts]
        known = [block for block in blocks if block is not None]
        return PackedRow([len(p) for p in prompts], completions, known or None, device=self.family.device)

    def _attention(self, row: PackedRow) -> dict[str, Any]:
        if not self._flex:
            return attention_kwargs(SharedPrefix(row))
        text = self.family.decoder.config
        if "sliding_attention" not in (getattr(text, "layer_types", None) or ()):
            return {"attention_mask": row.block_mask()}
        windows = {"full_attention": None, "sliding_attention": text.sliding_window}
        return {"attention_mask": {kind: row.block_mask(window) for kind, window in windows.items()}}

    def _padded_logprobs(
        self, hidden: Float[Tensor, "token width"], groups: Sequence[RolloutGroup], temperature: float
    ) -> Float[Tensor, "row time"]:
        """Padded log-probabilities from hidden states in the order of ``_targets``."""
        targets = _targets(groups, hidden.device)
        chosen = self._chosen(hidden, targets.tokens, temperature)
        return chosen.new_zeros(targets.shape).index_put((targets.rows, targets.times), chosen)


class _Lent:
    """Last hidden state, keys and values of a prompt, for the chunks of its group.

    All chunks but the last get detached copies, which accumulate gradients. The last gets the originals: its backward
    pass continues into the prompt's, where the accumulated gradients are added.
    """

    def __init__(self, last: Float[Tensor, " width"], kept: KeysAndValues) -> None:
        self._kept = kept
        self._originals = [last, *(state for pair in kept.values() for state in pair)]
        self._copies = [state.detach().requires_grad_(state.requires_grad) for state in self._originals]
        self._parts = 0

    def out(self, to_the_last: bool) -> tuple[Tensor, KeysAndValues]:
        """The hidden state that predicts first tokens, and keys and values.

        Raises:
            RuntimeError: no backward pass was run for an earlier chunk.
        """
        if not to_the_last:
            self._parts += 1
            return self._with(self._copies)
        for original, copy in zip(self._originals, self._copies, strict=True):
            if original.requires_grad and copy.grad is not None:
                original.register_hook(  # type: ignore[no-untyped-call]
                    lambda gradient, collected=copy.grad: gradient + collected
                )
        if self._parts and self._originals[0].requires_grad and self._copies[0].grad is None:
            raise RuntimeError(
                "logprobs_in_chunks: run the backward pass of each part before the next one is asked for"
            )
        return self._with(self._originals)

    def _with(self, states: Sequence[Tensor]) -> tuple[Tensor, KeysAndValues]:
        pairs = zip(states[1::2], states[2::2], strict=True)
        return states[0], dict(zip(self._kept, pairs, strict=True))


@dataclass(frozen=True)
class _Targets:
    """Tokens in the order of the hidden states that predict them, and their indices in the padded result."""

    tokens: Int[Tensor, " token"]
    rows: Int[Tensor, " token"]
    times: Int[Tensor, " token"]
    shape: tuple[int, int]


def _targets(groups: Sequence[RolloutGroup], device: torch.device) -> _Targets:
    """For each group, first the first tokens, all predicted by the last prompt token, then the others."""
    found: list[tuple[int, int, int]] = []
    rows = 0
    for group in groups:
        numbered = list(enumerate(group.completions, start=rows))
        found += [(completion.token_ids[0], row, 0) for row, completion in numbered]
        found += [
            (token, row, time)
            for row, completion in numbered
            for time, token in enumerate(completion.token_ids[1:], start=1)
        ]
        rows += len(numbered)
    tokens, at, times = torch.tensor(found, device=device).unbind(1)
    return _Targets(tokens, at, times, (rows, 1 + max(time for _, _, time in found)))


def _lengths(group: RolloutGroup) -> list[int]:
    """Input tokens of each completion: the last token predicts nothing that is needed."""
    return [len(completion.token_ids) - 1 for completion in group.completions]


def _inputs(group: RolloutGroup, device: torch.device) -> Int[Tensor, " time"]:
    tokens = [token for completion in group.completions for token in completion.token_ids[:-1]]
    return torch.tensor(tokens, dtype=torch.long, device=device)


def _positions(group: RolloutGroup, prompt: Tensor, following: Int[Tensor, " one"]) -> Tensor:
    """Positions of completions, each continuing those of the prompt; shaped like the positions of the prompt."""
    steps = torch.cat([torch.arange(length, device=prompt.device) for length in _lengths(group)])
    return (following + steps).expand(*prompt.shape[:-1], -1)
