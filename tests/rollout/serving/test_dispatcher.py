"""Prompts sent to servers, where the channel cannot give weights again, and where several ranks ask."""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from medix.policy.tiny import build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import RolloutError, Sampling
from medix.rollout.serving.channel import FolderChannel, PublishedWeights, WeightManifest
from medix.rollout.serving.dispatcher import Dispatcher, Limits
from medix.rollout.serving.server import Server
from medix.rollout.vllm_sampling import VLLMSampling
from medix.serving.pool import AllDownError
from medix.serving.request_error import RequestError
from medix.types import Prompt, RolloutGroup
from tests.support.clients import client_of
from tests.support.fault_server import hangs, refuses
from tests.support.rollout_servers import Request, RolloutServer, chunk, completes, partly, serving
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


@pytest.mark.parametrize("status", [402, 405, 406, 410, 411, 415, 421, 431, 451])
def test_a_status_that_says_nothing_of_the_prompt_is_asked_of_another_server(
    status: int, policy: VisionLanguagePolicy
) -> None:
    with serving(refuses(status, "not here")) as bad, serving() as good:
        bad.version = good.version = "present"
        assert len(groups(policy, 4, bad, good, patience=20)) == 4
        assert bad.asked


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_status_of_a_prompt_that_no_server_will_answer_is_final(status: int, policy: VisionLanguagePolicy) -> None:
    with serving(refuses(status, "too long")) as one, serving(refuses(status, "too long")) as other:
        one.version = other.version = "present"
        with pytest.raises(RolloutError, match=rf"1 attempts \(.*status {status}: too long"):
            groups(policy, 1, one, other)
        assert len(one.asked) + len(other.asked) == 1


@pytest.mark.parametrize(
    ("tokens", "told"),
    [
        ([-1], "a token that is none of the [0-9]+ of the policy"),
        ([40, 10**9], "a token that is none of"),
        ([40] * 7, "7 tokens, and 6 were asked for"),
    ],
)
def test_a_server_cannot_give_tokens_that_the_policy_lacks_or_more_than_were_asked_for(
    tokens: list[int], told: str, policy: VisionLanguagePolicy
) -> None:
    def act(request: Request) -> None:
        request.begin_stream()
        versions = [{"version": "present", "start": 0, "end": 1}]
        content = chunk(0, tokens, "stop", weight_versions=versions)
        request.event(content | {"prompt_token_ids": request.body["token_ids"]})

    with serving(act) as server:
        server.version = "present"
        with pytest.raises(RolloutError, match=told):
            groups(policy, 1, server, attempts=1)


def test_the_message_tells_for_how_long_no_server_was_up(policy: VisionLanguagePolicy) -> None:
    """As measured, which may be longer than patience."""
    dispatcher = Dispatcher(FolderChannel(), PRESENT, 3, VLLMSampling(policy, Sampling()), Limits(1, 1, 1))
    error = dispatcher._error(AllDownError("gone", 149.96), prompts(policy, 1), 1)
    assert "no server has been up for 150.0 s (gone)" in str(error)


@pytest.mark.parametrize(
    ("patience", "publish", "limit"), [(0.3, 600.0, 30.0), (120.0, 600.0, 120.0), (120.0, 5.0, 5.0)]
)
def test_a_server_that_loads_weights_before_the_prompts_are_sent_does_not_keep_them_for_long(
    patience: float, publish: float, limit: float, policy: VisionLanguagePolicy
) -> None:
    limits: list[float] = []

    class Noting(FolderChannel):
        async def restore(self, server: Server, version: str, manifest: WeightManifest, *, limit: float) -> None:
            limits.append(limit)
            raise RequestError("no answer in time")

    with serving() as stale, serving() as fresh:
        fresh.version = "present"
        asked = VLLMSampling(policy, Sampling(completions_per_prompt=2, max_completion_tokens=6))
        published = PublishedWeights("present", {}, ())
        dispatcher = Dispatcher(Noting(), published, 3, asked, Limits(120.0, publish, 3))
        with closing(client_of(stale.url, fresh.url, patience=patience, pause=100.0)) as client:
            assert len(client.run(lambda session: dispatcher.groups(session, prompts(policy, 1)))) == 1
    assert limits == [limit]
