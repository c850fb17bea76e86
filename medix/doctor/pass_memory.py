"""The memory of the passes and the optimizer steps of one rank: activations, logits, temporary tensors."""

from collections.abc import Iterator
from dataclasses import replace

from medix.doctor.full_microbatch import FullMicroBatch
from medix.doctor.memory import PASSES, Allocation, Phase
from medix.doctor.rank import Rank
from medix.doctor.saved_bytes import Adapters, Precision, saved_by_text, saved_by_vision
from medix.numerics.logprobs import CHUNK_ROWS
from medix.policy.vision_language import LOGITS_AT_ONCE

_TOKENS = "model.update.tokens_per_microbatch"
_CHECKPOINTING = " and model.policy.init_args.gradient_checkpointing: true (off: all {} layers are kept)"


def pass_memory(rank: Rank) -> Iterator[Allocation]:
    """What the passes of one micro-batch and an optimizer step need."""
    batches = FullMicroBatch.all_of(rank)
    for phase in (Phase.NO_GRAD, Phase.LOSS, Phase.TEXT):
        found = [[one for one in _text(rank, batch) if phase in one.phases] for batch in batches]
        yield from (
            replace(one, phases=(phase,)) for one in max(found, key=lambda ones: sum(one.bytes for one in ones))
        )
    yield from _vision(rank, batches[0])
    yield from _logits(rank, batches[0])
    yield _step(rank)


def _precision(rank: Rank) -> Precision:
    if rank.plan.gathers_in_16_bit or rank.weight_bytes == 2:
        return "16-bit"
    return "autocast" if rank.plan.is_mixed else "float32"


def _adapters(rank: Rank) -> Adapters:
    if rank.policy.lora is None:
        return ""
    return "16-bit" if rank.plan.gathers_in_16_bit else "float32"


def _text(rank: Rank, batch: FullMicroBatch) -> Iterator[Allocation]:
    """What the language model keeps of a micro-batch, and the inside of one of its layers."""
    layer, checkpointing = rank.model.text, rank.policy.gradient_checkpointing
    saved = saved_by_text(_precision(rank), _adapters(rank))
    of_token = saved.of(layer, rank.adapter_rank)
    of_pairs = saved.between_tokens(layer, batch.joined, batch.masked)
    keys = _TOKENS + ("" if checkpointing else _CHECKPOINTING.format(layer.count))
    if checkpointing:
        size = batch.tokens * layer.count * saved.residual * layer.hidden_size
        formula = f"{batch.tokens:,} tokens x {layer.count} layers x {saved.residual * layer.hidden_size:,} bytes"
    else:
        size = layer.count * (batch.tokens * of_token + of_pairs)
        formula = f"{layer.count} layers x ({batch.tokens:,} tokens x {of_token:,} + {of_pairs:,}) bytes"
    yield Allocation("activations", size, formula, (Phase.LOSS, Phase.TEXT), keys)
    inside, gradients = (of_token if checkpointing else 0), saved.gradients(layer)
    size = batch.at_once * (inside + gradients) + (of_pairs if checkpointing else 0)
    formula = f"{batch.at_once:,} tokens x ({inside:,} + {gradients:,} of gradients) bytes"
    formula += f" + {of_pairs:,} for pairs of tokens" if checkpointing and of_pairs else ""
    yield Allocation("inside of a layer", size, formula, (Phase.TEXT,), keys)
    formula = f"{batch.at_once:,} tokens x {of_token:,} bytes"
    yield Allocation("inside of a layer", batch.at_once * of_token, formula, (Phase.NO_GRAD,), keys)
    # Copies of them collect the gradients of the chunks.
    size = batch.lent * layer.count * 2 * layer.key_width * 2 * saved.number
    formula = f"{batch.lent:,} tokens x {layer.count} layers x 2 x {layer.key_width:,} x 2 x {saved.number} bytes"
    yield Allocation(
        "keys and values of the prompt, and their gradients", size, formula, (Phase.LOSS, Phase.TEXT), keys
    )
    if batch.twice:
        size = rank.model.trained * rank.trained_bytes
        formula = f"{rank.model.trained:,} trained x {rank.trained_bytes} bytes"
        yield Allocation("gradients of the last chunk", size, formula, (Phase.TEXT,), _TOKENS)


def _vision(rank: Rank, batch: FullMicroBatch) -> Iterator[Allocation]:
    """What the vision tower keeps of a micro-batch whose prompts consist of images."""
    model, layer = rank.model, rank.model.vision
    if layer is None or rank.policy.freeze_vision:
        return
    checkpointing = rank.policy.gradient_checkpointing
    saved = saved_by_vision(_precision(rank), _adapters(rank))
    keys = f"{_TOKENS}{'' if checkpointing else _CHECKPOINTING.format(layer.count)}, model.prompting.max_pixels"
    patches = batch.prompt_tokens * model.patches_per_token
    of_patch = saved.of(layer, rank.adapter_rank)
    kept = saved.residual * layer.hidden_size if checkpointing else of_patch
    embedded = 2 * saved.number * layer.hidden_size
    formula = f"{patches:,} patches x ({layer.count} layers x {kept:,} + {embedded:,} of embeddings) bytes"
    yield Allocation("vision activations", patches * (layer.count * kept + embedded), formula, PASSES, keys)
    # The forward pass converts them; the gradient of the patch embedding, which has no adapter, needs one copy.
    pixels = patches * model.patch_values
    converted = {"float32": 4, "16-bit": 4, "autocast": 6}[_precision(rank)]
    saved_once = 0 if rank.policy.lora else saved.number
    for number, phases in ((converted, (Phase.LOSS,)), (saved_once, (Phase.TEXT, Phase.VISION))):
        formula = f"{patches:,} patches x {model.patch_values:,} x {number} bytes"
        yield Allocation("pixels", pixels * number, formula, phases, keys)
    merging = saved.number * (3 * model.patches_per_token * layer.hidden_size + model.text.hidden_size)
    formula = f"{batch.prompt_tokens:,} tokens x {model.mergers} mergers x {merging:,} bytes"
    size = batch.prompt_tokens * model.mergers * merging
    yield Allocation("vision mergers", size, formula, (Phase.LOSS, Phase.TEXT), keys)
    inside, gradients = (of_patch if checkpointing else 0), saved.gradients(layer)
    formula = f"{patches:,} patches x ({inside:,} + {gradients:,} of gradients) bytes"
    yield Allocation("inside of a vision layer", patches * (inside + gradients), formula, (Phase.VISION,), keys)


def _logits(rank: Rank, batch: FullMicroBatch) -> Iterator[Allocation]:
    """Logits, their gradient, and the float32 softmax of two chunks; or the gradient of the head, if it is larger."""
    model, width = rank.model, rank.compute_bytes
    completions = rank.groups_per_update * rank.module.engine.sampling.completions_per_prompt
    rows = min(batch.tokens, completions * rank.completion_tokens, max(1, LOGITS_AT_ONCE // model.vocab_size))
    chunks = min(rows, 2 * CHUNK_ROWS)
    of_word = rows * 2 * width + chunks * 4
    formula = f"{model.vocab_size:,} logits x ({rows:,} tokens x 2 x {width} bytes + {chunks} tokens x 4)"
    gathers = rank.plan.shards > 1  # then the gradient is counted with those that are not sharded yet
    of_gradient = 0 if rank.policy.lora or gathers else model.text.hidden_size * rank.trained_bytes
    if rows * width + of_gradient > of_word:
        of_word = rows * width + of_gradient
        formula = (
            f"{model.vocab_size:,} logits x ({rows:,} tokens x {width} bytes + {of_gradient:,} of the head's gradient)"
        )
    yield Allocation("logits", model.vocab_size * of_word, formula, (Phase.NO_GRAD, Phase.LOSS), _TOKENS)
    size = batch.tokens * 8 * model.text.hidden_size
    formula = f"{batch.tokens:,} tokens x 8 x {model.text.hidden_size:,} bytes"
    yield Allocation("last hidden states", size, formula, (Phase.LOSS,))


def _step(rank: Rank) -> Allocation:
    optimizer, plan = rank.optimizer, rank.plan
    weights = rank.model.trained if optimizer.steps_together else rank.model.largest_trained
    which = "trained" if optimizer.steps_together else "of the largest weight"
    divided = f" / {plan.state_shards} ranks" if plan.state_shards > 1 else ""
    formula = f"{weights:,} {which} x {optimizer.temporary:g} bytes{divided}"
    return Allocation("temporary", weights * optimizer.temporary / plan.state_shards, formula, (Phase.STEP,))
