"""Sampling from the policy's own weights, on tiny models of four families."""

import json
import re
import shutil
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from medix.policy.lora import LoRA
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout import local
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from medix.rollout.vllm_sampling import VLLMSampling
from medix.types import Completion, FinishReason, Prompt
from tests.support.draws import assert_same_draws
from tests.support.policies import BigramPolicy
from tests.support.tiny import (
    ARCHITECTURES,
    hugging_face_inputs,
    loaded,
    mixed_prompts,
    picture,
    render,
    sample,
)
from tests.support.tolerances import LOGPROBS

DRAWN = Sampling(completions_per_prompt=3, max_completion_tokens=24, temperature=0.8, seed=5)


@pytest.fixture(scope="module")
def policies(tiny: dict[str, Path]) -> dict[str, VisionLanguagePolicy]:
    return {name: loaded(folder) for name, folder in tiny.items()}


@pytest.fixture(params=ARCHITECTURES)
def policy(request: pytest.FixtureRequest, policies: dict[str, VisionLanguagePolicy]) -> VisionLanguagePolicy:
    return policies[request.param]


@pytest.fixture
def qwen(policies: dict[str, VisionLanguagePolicy]) -> VisionLanguagePolicy:
    return policies["qwen3_vl"]


def engine(policy: VisionLanguagePolicy, sampling: Sampling = DRAWN, rows: int = 64) -> LocalEngine:
    made = LocalEngine(sampling, rows)
    made.bind(policy)
    return made


def _tokens(groups: list) -> list[list[tuple[int, ...]]]:
    return [[completion.token_ids for completion in group.completions] for group in groups]


def _assert_same(
    policy: VisionLanguagePolicy,
    prompts: Sequence[Prompt],
    found: list[list[tuple[int, ...]]],
    expected: list[list[tuple[int, ...]]],
) -> None:
    for prompt, one, other in zip(prompts, found, expected, strict=True):
        assert_same_draws(policy, prompt, DRAWN, one, other)


def test_greedy_tokens_equal_those_of_hugging_face(policy: VisionLanguagePolicy) -> None:
    """Text only, one image, two images and a long prompt, in one padded batch; generate takes them one at a time."""
    prompts = mixed_prompts(policy)
    greedy = Sampling(completions_per_prompt=1, max_completion_tokens=16, temperature=0)
    groups = engine(policy, greedy).rollout(prompts)
    model = policy.hugging_face.eval()
    for prompt, group in zip(prompts, groups, strict=True):
        expected = model.generate(
            **hugging_face_inputs(policy, prompt),
            max_new_tokens=16,
            do_sample=False,
            suppress_tokens=list(policy.banned_token_ids),
        )
        written = expected[0, len(prompt.token_ids) :].tolist()
        assert_same_draws(policy, prompt, greedy, [group.completions[0].token_ids], [written])
    model.train()


def test_greedy_tokens_of_groups_equal_those_of_hugging_face_while_rows_leave(policy: VisionLanguagePolicy) -> None:
    """With two tokens that the policy writes often as end tokens, completions end at different steps and leave."""
    prompts = mixed_prompts(policy)
    greedy = Sampling(completions_per_prompt=2, max_completion_tokens=40, temperature=0)
    first = engine(policy, greedy).rollout(prompts)
    ends = [group.completions[0].token_ids[place] for group, place in zip(first[:2], (3, 11), strict=True)]
    policy.__dict__["eos_token_ids"] = tuple(ends)
    model = policy.hugging_face.eval()
    try:
        groups = engine(policy, greedy).rollout(prompts)
        for prompt, group in zip(prompts, groups, strict=True):
            expected = model.generate(
                **hugging_face_inputs(policy, prompt),
                max_new_tokens=40,
                do_sample=False,
                suppress_tokens=list(policy.banned_token_ids),
                eos_token_id=ends,
            )[0, len(prompt.token_ids) :].tolist()
            found = [completion.token_ids for completion in group.completions]
            assert_same_draws(policy, prompt, greedy, found, [expected, expected])
        assert len({len(group.completions[0].token_ids) for group in groups}) > 1
    finally:
        del policy.__dict__["eos_token_ids"]
        model.train()


def test_the_four_families_share_their_prompts(policy: VisionLanguagePolicy) -> None:
    made = engine(policy)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.rollout(mixed_prompts(policy)[:1])
    assert made._shares


def test_where_prompts_cannot_be_shared_tokens_are_the_same_and_a_warning_says_why(
    policy: VisionLanguagePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = mixed_prompts(policy)
    shared = _tokens(engine(policy).rollout(prompts))
    monkeypatch.setattr(local, "why_not_shared", lambda *_: "its cache is square")
    made = engine(policy)
    with pytest.warns(UserWarning, match="do not share their prompt.*its cache is square"):
        plain = made.rollout(prompts)
    _assert_same(policy, prompts, _tokens(plain), shared)
    with warnings.catch_warnings():  # said once
        warnings.simplefilter("error")
        made.rollout(prompts[:1])


def test_prompts_in_several_passes_give_the_same_tokens(
    policy: VisionLanguagePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = mixed_prompts(policy)
    together = _tokens(engine(policy).rollout(prompts))
    monkeypatch.setattr(local, "PREFILL_TOKENS", 60)
    assert [len(part) for part in local._passes(sorted(prompts, key=lambda prompt: len(prompt.token_ids)))] != [4]
    _assert_same(policy, prompts, _tokens(engine(policy).rollout(prompts)), together)


def test_passes_hold_every_prompt_once_and_no_more_tokens_than_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    """Padded to the longest of a pass: three of 3 make 9 of 10 tokens; 5 and 12 would make 24; 12 alone is too long."""
    monkeypatch.setattr(local, "PREFILL_TOKENS", 10)
    prompts = [Prompt(sample(str(n), "?"), tuple(range(n))) for n in (2, 3, 3, 5, 12)]
    lengths = [[len(prompt.token_ids) for prompt in part] for part in local._passes(prompts)]
    assert lengths == [[2, 3, 3], [5], [12]]


def test_returned_logprobs_equal_those_that_training_computes(policy: VisionLanguagePolicy) -> None:
    groups = engine(policy, replace(DRAWN, top_p=0.9, top_k=200)).rollout(mixed_prompts(policy))
    with torch.no_grad():
        rows = policy.logprobs(groups, DRAWN.temperature)
    completions = [completion for group in groups for completion in group.completions]
    for row, completion in zip(rows, completions, strict=True):
        torch.testing.assert_close(
            row[: len(completion.logprobs)], torch.tensor(completion.logprobs), rtol=0, atol=LOGPROBS
        )


def test_tokens_of_a_group_depend_on_its_batch_by_rounding_only(policy: VisionLanguagePolicy) -> None:
    prompts = mixed_prompts(policy)
    together = _tokens(engine(policy).rollout(prompts))
    alone = [_tokens(engine(policy).rollout([prompt]))[0] for prompt in prompts]
    backwards = _tokens(engine(policy, rows=6).rollout(prompts[::-1]))[::-1]
    _assert_same(policy, prompts, together, alone)
    _assert_same(policy, prompts, backwards, alone)


def test_other_draws_are_not_taken_for_rounding(qwen: VisionLanguagePolicy) -> None:
    prompts = mixed_prompts(qwen)[:1]
    other = _tokens(engine(qwen, replace(DRAWN, seed=6)).rollout(prompts))
    with pytest.raises(AssertionError, match="from a tie"):
        _assert_same(qwen, prompts, other, _tokens(engine(qwen).rollout(prompts)))
    greedy = replace(DRAWN, temperature=0)
    with pytest.raises(AssertionError, match="from a tie"):
        assert_same_draws(qwen, prompts[0], greedy, other[0], _tokens(engine(qwen, greedy).rollout(prompts))[0])


@pytest.mark.exact
def test_a_group_that_is_decoded_alone_is_the_same_to_the_bit(policy: VisionLanguagePolicy) -> None:
    """Tokens and log-probabilities, whatever was sampled before or in the same call."""
    prompts, short = mixed_prompts(policy), replace(DRAWN, max_completion_tokens=10)
    alone = [engine(policy, short, rows=1).rollout([prompt])[0].completions for prompt in prompts]
    made = engine(policy, short, rows=1)
    made.rollout(prompts[::2])
    assert [group.completions for group in made.rollout(prompts[::-1])][::-1] == alone


@pytest.mark.exact
def test_the_same_prompts_in_one_batch_give_the_same_bits_again(policy: VisionLanguagePolicy) -> None:
    prompts = mixed_prompts(policy)
    first, second = (engine(policy).rollout(prompts) for _ in range(2))
    assert [group.completions for group in first] == [group.completions for group in second]


def test_groups_come_back_in_the_order_of_the_prompts(qwen: VisionLanguagePolicy) -> None:
    prompts = mixed_prompts(qwen)[::-1]
    made = engine(qwen, rows=1)
    made.publish(qwen)
    groups = made.rollout(prompts)
    assert [group.prompt for group in groups] == prompts
    assert [len(group.completions) for group in groups] == [3] * 4
    assert {group.policy_version for group in groups} == {1}


def test_seed_and_index_decide_the_tokens(qwen: VisionLanguagePolicy) -> None:
    prompt = mixed_prompts(qwen)[1]
    first = _tokens(engine(qwen).rollout([prompt]))
    torch.rand(7)
    assert _tokens(engine(qwen).rollout([prompt])) == first
    assert _tokens(engine(qwen, replace(DRAWN, seed=6)).rollout([prompt])) != first
    assert _tokens(engine(qwen).rollout([replace(prompt, index=99)])) != first


def test_outside_a_stream_the_id_of_the_sample_decides(qwen: VisionLanguagePolicy) -> None:
    prompts = [render(qwen, sample(name, "Is it normal?")) for name in ("a", "b", "a")]
    first, other, again = _tokens(engine(qwen).rollout(prompts))
    assert first == again != other


def test_completions_of_a_group_differ(qwen: VisionLanguagePolicy) -> None:
    (group,) = engine(qwen, replace(DRAWN, temperature=1.0)).rollout(mixed_prompts(qwen)[:1])
    assert len({completion.token_ids for completion in group.completions}) == 3


def test_placeholders_are_never_sampled(qwen: VisionLanguagePolicy) -> None:
    """At this temperature every token is about equally likely: 5 of 412 are banned, 600 draws would show some."""
    hot = Sampling(completions_per_prompt=20, max_completion_tokens=30, temperature=1000.0)
    (group,) = engine(qwen, hot).rollout(mixed_prompts(qwen)[1:2])
    written = {token for completion in group.completions for token in completion.token_ids}
    assert len(written) > 200
    assert not written & set(qwen.banned_token_ids)


def test_a_completion_ends_at_the_end_token_or_is_marked_as_cut(qwen: VisionLanguagePolicy) -> None:
    hot = Sampling(completions_per_prompt=40, max_completion_tokens=120, temperature=1000.0)
    told: list[Completion] = []
    (group,) = engine(qwen, hot).rollout(
        mixed_prompts(qwen)[:1], on_completion=lambda _, completion: told.append(completion)
    )
    (end,) = qwen.eos_token_ids
    reasons = Counter(completion.finish_reason for completion in group.completions)
    assert reasons[FinishReason.STOP] > 3
    assert reasons[FinishReason.LENGTH] > 3
    for completion in group.completions:
        assert end not in completion.token_ids[:-1]
        assert (completion.token_ids[-1] == end) == (completion.finish_reason is FinishReason.STOP)
        assert completion.is_truncated == (completion.finish_reason is FinishReason.LENGTH)
        assert completion.is_truncated <= (len(completion.token_ids) == 120)
        assert "<|im_end|>" not in completion.text
    # Told of each once, as it ended: the shorter ones first.
    assert sorted(map(id, told)) == sorted(map(id, group.completions))
    lengths = [len(completion.token_ids) for completion in told]
    assert lengths == sorted(lengths)


def test_a_completion_ends_with_the_first_stop_text(qwen: VisionLanguagePolicy) -> None:
    hot = Sampling(completions_per_prompt=20, max_completion_tokens=120, temperature=1000.0, stop=("e", "ou"))
    (group,) = engine(qwen, hot).rollout(mixed_prompts(qwen)[1:2])
    ended = [completion for completion in group.completions if completion.text.endswith(("e", "ou"))]
    assert len(ended) > 5
    for completion in group.completions:
        assert all(stop not in completion.text[:-1] for stop in hot.stop)
        assert completion.is_truncated == (len(completion.token_ids) == 120 and completion not in ended)
    # What stands behind the stop text in the token that holds it is cut off the text, not off the tokens.
    whole = [qwen.text_of(completion.token_ids) for completion in ended]
    assert any(len(text) > len(completion.text) for text, completion in zip(whole, ended, strict=True))


def test_rows_that_ended_leave_the_batch_without_changing_the_others(policy: VisionLanguagePolicy) -> None:
    """Log-probabilities are right to the last token, although the batch shrank on the way."""
    hot = Sampling(completions_per_prompt=12, max_completion_tokens=120, temperature=1.5, seed=2)
    policy.__dict__["eos_token_ids"] = tuple(range(100, 112))  # about one token in forty ends a completion
    try:
        groups = engine(policy, hot).rollout(mixed_prompts(policy)[:3])
    finally:
        del policy.__dict__["eos_token_ids"]
    with torch.no_grad():
        rows = policy.logprobs(groups, hot.temperature)
    completions = [completion for group in groups for completion in group.completions]
    assert sum(not completion.is_truncated for completion in completions) > 10
    for row, completion in zip(rows, completions, strict=True):
        expected = torch.tensor(completion.logprobs)
        torch.testing.assert_close(row[: len(expected)], expected, rtol=0, atol=LOGPROBS)


def test_sampling_leaves_modes_gradients_and_the_global_generator_alone(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"], lora=LoRA(rank=2, dropout=0.5), gradient_checkpointing=True)
    policy.hugging_face.get_decoder().layers[0].eval()
    modes = [part.training for part in policy.modules()]
    state = torch.get_rng_state()
    made = engine(policy)
    first = made.rollout(mixed_prompts(policy)[:2])
    assert [part.training for part in policy.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert _tokens(made.rollout(mixed_prompts(policy)[:2])) == _tokens(first)
    policy.logprobs(first).sum().backward()  # nothing of the rollout may be an inference tensor
    assert any(parameter.grad is not None for parameter in policy.parameters())


def test_a_prompt_that_leaves_no_room_is_refused_before_anything_is_sampled(qwen: VisionLanguagePolicy) -> None:
    told: list[Completion] = []
    long = render(qwen, sample("too-long", "yes " * 2100))
    with pytest.raises(
        ValueError, match=r"sampling\.max_completion_tokens: 24 after the \d+ prompt tokens of .*too-long"
    ):
        engine(qwen).rollout([*mixed_prompts(qwen), long], on_completion=lambda _, c: told.append(c))
    assert not told


def test_no_prompts_give_no_groups(qwen: VisionLanguagePolicy) -> None:
    assert engine(qwen).rollout([]) == []


def test_an_engine_without_a_policy_and_one_with_another_kind_say_so() -> None:
    with pytest.raises(RuntimeError, match="bind"):
        LocalEngine(DRAWN).rollout([])
    with pytest.raises(TypeError, match="got BigramPolicy"):
        LocalEngine(DRAWN).bind(BigramPolicy())
    with pytest.raises(ValueError, match=r"rows_per_batch: 0"):
        LocalEngine(DRAWN, rows_per_batch=0)


def test_a_wide_image_and_a_high_one_share_a_batch(policy: VisionLanguagePolicy) -> None:
    prompts = [render(policy, sample(str(w), "What?", picture(w, w, h)), w) for w, h in ((96, 64), (64, 128))]
    together = _tokens(engine(policy).rollout(prompts))
    _assert_same(policy, prompts, together, [_tokens(engine(policy).rollout([prompt]))[0] for prompt in prompts])


def test_prompts_are_told_with_their_completions(qwen: VisionLanguagePolicy) -> None:
    told: list[tuple[Prompt, Completion]] = []
    prompts = mixed_prompts(qwen)[:2]
    groups = engine(qwen).rollout(prompts, on_completion=lambda prompt, completion: told.append((prompt, completion)))
    for group in groups:
        of_group = [completion for prompt, completion in told if prompt is group.prompt]
        assert sorted(map(id, of_group)) == sorted(map(id, group.completions))


def test_tags_that_a_tokenizer_marks_as_special_stay_in_the_text(qwen: VisionLanguagePolicy, tmp_path: Path) -> None:
    """Same weights and ids, so the same texts in every engine; all but the end token shows, whatever it is."""
    folder = tmp_path / "marked"
    shutil.copytree(qwen.name, folder)
    content = json.loads((folder / "tokenizer.json").read_text())
    for token in content["added_tokens"]:
        token["special"] = True
    (folder / "tokenizer.json").write_text(json.dumps(content))
    marked = VisionLanguagePolicy(str(folder))
    assert "<think>" not in marked.processor.tokenizer.decode(
        marked.processor.tokenizer("<think>a", add_special_tokens=False).input_ids, skip_special_tokens=True
    )
    hot = Sampling(completions_per_prompt=20, max_completion_tokens=60, temperature=1000.0)
    (group,) = engine(qwen, hot).rollout(mixed_prompts(qwen)[1:2])
    for completion in group.completions:
        again = VLLMSampling(marked, DRAWN).completion(
            completion.token_ids, completion.logprobs, completion.finish_reason
        )
        assert again.text == completion.text
        names = qwen.processor.tokenizer.convert_ids_to_tokens(completion.token_ids)
        tags = [name for name in names if re.fullmatch(r"</?[a-z]+>|<[A-Z_]+>|<[|][a-z_]+[|]>", name)]
        if completion.finish_reason is FinishReason.STOP:
            assert tags.pop() == "<|im_end|>"
        assert re.findall("|".join(map(re.escape, tags)) or "(?!)", completion.text) == tags
    assert any("<|im_start|>" in completion.text for completion in group.completions)


def test_a_completion_grows_token_by_token_up_to_its_stop_text(qwen: VisionLanguagePolicy) -> None:
    one = Sampling(completions_per_prompt=1, max_completion_tokens=12, seed=5)
    prompt = mixed_prompts(qwen)[0]
    (group,) = engine(qwen, one).rollout([prompt])
    grown: list[str] = []
    assert engine(qwen).stream(prompt, grown.append, one) == group
    assert len(grown) == len(group.completions[0].token_ids)
    stop = group.completions[0].text[2:4]
    grown.clear()
    stopped = engine(qwen).stream(prompt, grown.append, replace(one, stop=(stop,)))
    assert stopped.completions[0].text == grown[-1] == group.completions[0].text[:4]
