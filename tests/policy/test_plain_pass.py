"""The plain pass, which every other pass is measured by."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.support.passes import one_prompt, plain
from tests.support.tiny import ARCHITECTURES, hugging_face_inputs, mixed_prompts, written
from tests.support.tolerances import LOGPROBS


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_is_the_models_own_forward_pass_row_by_row(tiny: dict[str, Path], architecture: str) -> None:
    """Log-softmax of logits / 0.7, banned ids at -inf, of one completion of four tokens and one of one."""
    policy, prompt = one_prompt(tiny[architecture])
    group = written(policy, prompt, (4, 1))
    rows = plain(policy).logprobs([group], 0.7)
    for row, completion in zip(rows, group.completions, strict=True):
        whole = replace(prompt, token_ids=prompt.token_ids + completion.token_ids)
        with torch.no_grad():
            logits = policy.hugging_face(**hugging_face_inputs(policy, whole)).logits[0] / 0.7
        logits[:, list(policy.banned_token_ids)] = -torch.inf
        scores = logits[len(prompt.token_ids) - 1 : -1].log_softmax(dim=-1)
        expected = scores.gather(1, torch.tensor(completion.token_ids)[:, None])[:, 0]
        torch.testing.assert_close(row[: len(expected)].detach(), expected, rtol=0, atol=LOGPROBS)
    assert rows[1, 1:].tolist() == [0, 0, 0]


def test_groups_are_batches_of_their_own(tiny: dict[str, Path]) -> None:
    policy, prompt = one_prompt(tiny["qwen3_vl"])
    shapes: list[tuple[int, ...]] = []
    policy.hugging_face.get_decoder().layers[0].register_forward_hook(lambda m, i, o: shapes.append(tuple(o.shape[:2])))
    text = mixed_prompts(policy)[0]
    table = plain(policy).logprobs([written(policy, prompt, (4, 2)), written(policy, text, (7,))], 1.0)
    assert shapes == [(2, len(prompt.token_ids) + 3), (1, len(text.token_ids) + 6)]
    assert table.shape == (3, 7)
