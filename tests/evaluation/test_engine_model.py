"""A model sampled in this process."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from medix.evaluation.decoding import Decoding
from medix.evaluation.engine_model import EngineModel, sampling_of
from medix.evaluation.evaluated_model import Ask, Reply
from medix.evaluation.prompts import prompting_of, sample_of
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import RolloutError, Sampling
from medix.rollout.local import LocalEngine
from tests.support.evaluations import item, picture
from tests.support.tiny import loaded
from tests.support.tiny import picture as pixels

ITEMS = (item("1"), item("2", "What is this?", images=(picture("a", pixels(1)),)), item("3", "Is it?"))


@pytest.fixture(scope="module")
def policy(tiny_policy: Path) -> VisionLanguagePolicy:
    return loaded(tiny_policy)


def ask(model: EngineModel, decoding: Decoding, *items: Any) -> list[Reply]:
    asks = [Ask(f"{one.id}/{k}", one, k) for one in items or ITEMS for k in range(decoding.samples)]
    replies = {one.key: reply for one, reply in model.replies(asks, decoding)}
    return [replies[one.key] for one in asks]


def make(policy: VisionLanguagePolicy, engine: LocalEngine | None = None, at_once: int = 64) -> EngineModel:
    return EngineModel(prompting_of("plain", None), policy, engine or LocalEngine(Sampling()), {"name": "t"}, at_once)


def test_completions_are_those_that_the_engine_draws_for_the_rendered_prompts(policy: VisionLanguagePolicy) -> None:
    decoding = Decoding(samples=2, temperature=0.6, top_p=0.95, max_tokens=5, seed=3)
    prompting = prompting_of("plain", None)
    prompts = [prompting.render(sample_of(one, prompting.modalities), policy.processor) for one in ITEMS]
    engine = LocalEngine(Sampling())
    engine.bind(policy)
    expected = [
        one.text for group in engine.rollout(prompts, sampling=sampling_of(decoding)) for one in group.completions
    ]
    assert [reply.completion for reply in ask(make(policy), decoding)] == expected
    assert [reply.completion for reply in ask(make(policy, at_once=1), decoding)] == expected  # each item's own numbers


def test_what_cannot_be_asked_is_a_failure_and_the_rest_is_answered(policy: VisionLanguagePolicy) -> None:
    broken = item("4", images=(picture("b", b"torn"),))
    first, second = ask(make(policy), Decoding(max_tokens=3), ITEMS[0], broken)
    assert first.completion is not None
    assert first.finish_reason in ("stop", "length")
    assert "cannot be decoded" in second.failure
    (third,) = ask(make(policy), Decoding(max_tokens=policy.context_length - 2), ITEMS[0])
    assert "max_prompt_tokens is 2" in third.failure


def test_completions_that_leave_no_room_for_a_prompt_are_refused_and_keys_of_training_are_no_remedy(
    policy: VisionLanguagePolicy,
) -> None:
    with pytest.raises(ValueError, match=rf"--max-tokens {policy.context_length}: leaves no room .*; give less"):
        ask(make(policy), Decoding(max_tokens=policy.context_length), ITEMS[0])
    with pytest.raises(ValueError, match="leaves no room"):
        make(policy).check_decoding(Decoding(max_tokens=policy.context_length))
    (reply,) = ask(make(policy), Decoding(max_tokens=3), item("5", "One <image> or two <image>?"))
    assert "2 image markers for 0 images" in reply.failure
    assert "data.on_long" not in reply.failure


def test_an_engine_that_fails_leaves_failures_of_one_call(policy: VisionLanguagePolicy) -> None:
    class Failing(LocalEngine):
        calls = 0

        def rollout(self, *args: Any, **arguments: Any) -> Any:
            self.calls += 1
            if self.calls == 1:
                raise RolloutError("out of order")
            return super().rollout(*args, **arguments)

    replies = ask(make(policy, Failing(Sampling()), at_once=1), Decoding(max_tokens=3))
    assert [reply.failure for reply in replies] == ["out of order", "", ""]


def test_the_decoding_is_that_of_the_engine() -> None:
    assert sampling_of(Decoding(2, 0.5, 0.9, 7, 11, 13, ("x",))) == Sampling(2, 11, 0.5, 0.9, 7, 13, ("x",))


def test_a_reply_grows_while_it_is_read_and_is_the_one_of_an_evaluation(policy: VisionLanguagePolicy) -> None:
    decoding = Decoding(max_tokens=12)
    for one, expected in zip(ITEMS, ask(make(policy), decoding), strict=True):
        grown: list[str] = []
        reply = make(policy).stream(Ask(one.id, one, 0), decoding, grown.append)
        assert (reply.completion, reply.finish_reason) == (expected.completion, expected.finish_reason)
        assert len(grown) > 1
        assert grown[-1] == reply.completion
        assert all(later.startswith(text.rstrip("\ufffd")) for text, later in itertools.pairwise(grown))


def test_what_cannot_be_asked_is_a_failure_of_a_stream_too(policy: VisionLanguagePolicy) -> None:
    grown: list[str] = []
    broken = item("4", images=(picture("b", b"torn"),))
    assert "cannot be decoded" in make(policy).stream(Ask("4", broken, 0), Decoding(max_tokens=3), grown.append).failure
    assert grown == []
