"""Prompts sent to servers, where the channel cannot give weights again, and where several ranks ask."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from medix.policy.tiny import build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import RolloutError, Sampling
from medix.rollout.serving.channel import FolderChannel, PublishedWeights
from medix.rollout.serving.dispatcher import Dispatcher, Limits
from medix.rollout.vllm_sampling import VLLMSampling
from medix.types import Prompt, RolloutGroup
from tests.support.clients import client_of
from tests.support.fault_server import hangs, refuses
from tests.support.rollout_servers import RolloutServer, completes, partly, serving
from tests.support.tiny import render, sample

PRESENT = PublishedWeights("present", None, ())


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> VisionLanguagePolicy:
    """Without weights, which nothing here needs."""
    folder: Path = build_tiny("qwen3_vl", tmp_path_factory.mktemp("qwen"))
    return VisionLanguagePolicy(str(folder))


def prompts(policy: VisionLanguagePolicy, count: int) -> list[Prompt]:
    return [render(policy, sample(f"s{n}", f"Is it normal? {n}"), n) for n in range(count)]


def groups(
    policy: VisionLanguagePolicy, count: int, *servers: RolloutServer, patience: float = 0.3, **limits: Any
) -> list[RolloutGroup]:
    given = {"request_seconds": 120.0, "publish_seconds": 120.0, "attempts": 3} | limits
    asked = VLLMSampling(policy, Sampling(completions_per_prompt=2, max_completion_tokens=6))
    dispatcher = Dispatcher(FolderChannel(), PRESENT, 3, asked, Limits(**given))
    with closing(client_of(*(server.url for server in servers), patience=patience)) as client:
        return client.run(lambda session: dispatcher.groups(session, prompts(policy, count)))


def test_servers_that_have_the_present_weights_are_asked_and_given_none(policy: VisionLanguagePolicy) -> None:
    """As on a rank that does not publish: another one gave them the weights."""
    with serving() as server:
        server.version = "present"
        found = groups(policy, 2, server)
        assert {group.policy_version for group in found} == {3}
        assert server.manifests == []


def test_a_server_with_other_weights_is_not_asked_where_none_can_be_given(policy: VisionLanguagePolicy) -> None:
    with serving() as stale, serving() as fresh:
        fresh.version = "present"
        assert len(groups(policy, 4, stale, fresh)) == 4
        assert stale.asked == []
        with pytest.raises(RolloutError, match=r"1 of 1 prompts.*'s0'.*gets the present ones with the next publish"):
            groups(policy, 1, stale)


def test_a_prompt_is_asked_as_often_as_it_may(policy: VisionLanguagePolicy) -> None:
    with serving(refuses(500, "one"), refuses(500, "two"), refuses(500, "three"), completes) as server:
        server.version = "present"
        with pytest.raises(RolloutError, match=r"3 attempts \(.*one; .*two; .*three\); look at what the servers say"):
            groups(policy, 1, server, patience=20)
        assert len(server.asked) == 3


def test_prompts_that_were_answered_are_not_among_those_that_a_message_names(policy: VisionLanguagePolicy) -> None:
    """The first is answered, the other hangs."""
    with serving(completes, hangs) as server:
        server.version = "present"
        with pytest.raises(RolloutError, match=r"no completions for 1 of 2 prompts, of the samples 's[01]': "):
            groups(policy, 2, server, request_seconds=0.3, attempts=1)


def test_pieces_from_two_attempts_make_one_group(policy: VisionLanguagePolicy) -> None:
    """The first attempt finishes one of two completions; the second is whole, and the first stays."""
    with serving(partly(1), completes) as server:
        server.version = "present"
        [group] = groups(policy, 1, server, patience=20)
        assert [completion.token_ids[-1] for completion in group.completions] == [50, 51]
