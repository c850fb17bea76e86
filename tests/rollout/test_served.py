"""The served engine against servers on the loopback that go wrong on request."""

import json
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch

from medix.policy.lora import LoRA
from medix.policy.tiny import build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import EvaluationSampling, RolloutError, Sampling, StaleEngineError
from medix.rollout.served import ServedEngine
from medix.rollout.serving.channel import FolderChannel, WeightChannel
from medix.rollout.serving.weight_folder import from_plain, read
from medix.rollout.weights import published
from medix.types import Completion, FinishReason, Prompt
from tests.support.fault_server import hangs, nobody, refuses, together
from tests.support.policies import BigramPolicy
from tests.support.rollout_servers import TOKENS, RolloutServer, completes, partly, says, serving
from tests.support.tiny import loaded, render, sample

DRAWN = Sampling(completions_per_prompt=3, max_completion_tokens=8, seed=5)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> VisionLanguagePolicy:
    return loaded(build_tiny("qwen3_vl", tmp_path_factory.mktemp("qwen")))


@pytest.fixture
def server() -> Iterator[RolloutServer]:
    with serving() as server:
        yield server


def prompts(policy: VisionLanguagePolicy, count: int = 3) -> list[Prompt]:
    return [render(policy, sample(f"s{n}", f"Is a fracture seen? {n}"), n) for n in range(count)]


def engine(policy: VisionLanguagePolicy, *urls: str, **arguments: Any) -> ServedEngine:
    """Bound, and quick to give up."""
    limits = {"request_seconds": 5.0, "publish_seconds": 5.0, "patience": 0.4} | arguments
    made = ServedEngine(DRAWN, list(urls), **limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a server that does not take its weights
        made.bind(policy)
    return made


def tokens(count: int = 3) -> tuple[tuple[int, ...], ...]:
    return tuple((*TOKENS, 50 + number) for number in range(count))


def all_tokens(groups: Any) -> list[tuple[tuple[int, ...], ...]]:
    return [tuple(completion.token_ids for completion in group.completions) for group in groups]


# Well ----------------------------------------------------------------------------------------------------------------


def test_groups_come_in_order_with_tokens_log_probabilities_and_version(
    policy: VisionLanguagePolicy, server: RolloutServer
) -> None:
    made = engine(policy, server.url)
    asked = prompts(policy)
    groups = made.rollout(asked)
    assert [group.prompt for group in groups] == asked
    assert all_tokens(groups) == [tokens()] * 3
    first, second, _ = groups[0].completions
    assert first.logprobs == (-0.5,) * 4
    assert first.text == policy.text_of(first.token_ids)
    assert (first.finish_reason, second.finish_reason) == (FinishReason.LENGTH, FinishReason.STOP)
    assert {group.policy_version for group in groups} == {0}
    made.publish(policy)
    assert {group.policy_version for group in made.rollout(asked)} == {1}


def test_each_prompt_is_one_request_for_all_of_its_group(policy: VisionLanguagePolicy, server: RolloutServer) -> None:
    asked = prompts(policy)
    engine(policy, server.url).rollout(asked)
    assert sorted(body["token_ids"] for body in server.asked) == sorted(list(prompt.token_ids) for prompt in asked)
    assert {body["sampling_params"]["n"] for body in server.asked} == {3}


def test_completions_are_told_as_they_are_finished(policy: VisionLanguagePolicy) -> None:
    """The second prompt of two is held back until the completions of the first were told."""
    told: list[tuple[str, Completion]] = []
    first_told = threading.Event()

    def waits(request: Any) -> None:
        assert first_told.wait(120)
        completes(request)

    def tell(prompt: Prompt, completion: Completion) -> None:
        told.append((prompt.sample.id, completion))
        if len(told) == 3:
            first_told.set()

    with serving(completes, waits) as server:
        groups = engine(policy, server.url).rollout(prompts(policy, 2), tell)
    assert len({name for name, _ in told[:3]}) == 1
    assert len(told) == 6
    by_name = {group.prompt.sample.id: list(group.completions) for group in groups}
    for name in by_name:
        assert sorted(by_name[name], key=repr) == sorted((one for owner, one in told if owner == name), key=repr)


def test_greedy_completions_are_asked_for_once(policy: VisionLanguagePolicy, server: RolloutServer) -> None:
    """vLLM refuses several greedy completions, which would be the same."""
    told: list[Completion] = []
    greedy = Sampling(completions_per_prompt=3, max_completion_tokens=8, temperature=0)
    [group] = engine(policy, server.url).rollout(
        prompts(policy, 1), lambda _, completion: told.append(completion), sampling=greedy
    )
    assert all_tokens([group]) == [tokens(1) * 3]
    assert len(told) == 3
    assert server.asked[0]["sampling_params"]["n"] == 1


def test_evaluation_samples_with_settings_of_its_own(policy: VisionLanguagePolicy, server: RolloutServer) -> None:
    engine(policy, server.url).rollout(prompts(policy, 1), sampling=EvaluationSampling(max_completion_tokens=6))
    settings = server.asked[0]["sampling_params"]
    assert (settings["n"], settings["temperature"], settings["top_p"], settings["max_tokens"]) == (1, 0.6, 0.95, 6)


def test_prompts_are_spread_over_servers_within_their_places(policy: VisionLanguagePolicy) -> None:
    with serving(together(2, completes)) as one, serving(together(2, completes)) as other:
        made = engine(policy, one.url, other.url, max_concurrency=2)
        assert all_tokens(made.rollout(prompts(policy, 12))) == [tokens()] * 12
        assert min(len(one.asked), len(other.asked)) >= 2
        assert (one.most, other.most) == (2, 2)


def test_a_key_goes_to_servers_from_the_environment(
    policy: VisionLanguagePolicy, server: RolloutServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "k-1")
    engine(policy, server.url, api_key_env="MY_KEY").rollout(prompts(policy, 1))
    assert set(server.keys) == {"Bearer k-1"}


def test_nothing_is_asked_for_no_prompts(policy: VisionLanguagePolicy, server: RolloutServer) -> None:
    assert engine(policy, server.url).rollout([]) == []
    assert server.asked == []


# Weights -------------------------------------------------------------------------------------------------------------


def test_binding_gives_the_weights_and_binding_again_does_not(
    policy: VisionLanguagePolicy, server: RolloutServer
) -> None:
    """Lightning binds before every validation."""
    made = engine(policy, server.url)
    made.bind(policy)
    assert len(server.manifests) == 1
    made.publish(policy)
    made.bind(policy)
    assert len(server.manifests) == 2
    assert server.version.endswith("-1")


def test_weights_that_were_changed_behind_its_back_are_given_when_it_is_bound(
    policy: VisionLanguagePolicy, server: RolloutServer
) -> None:
    made = engine(policy, server.url)
    weight = next(policy.parameters())
    before = weight.detach().clone()
    weight.data.add_(1)
    made.bind(policy)
    weight.data.copy_(before)
    assert len(server.manifests) == 2


def test_a_loaded_checkpoint_makes_its_weights_known_again(policy: VisionLanguagePolicy, server: RolloutServer) -> None:
    made = engine(policy, server.url)
    made.load_state_dict({"policy_version": 7})
    with pytest.raises(StaleEngineError, match=r"call bind\(policy\) first"):
        made.rollout(prompts(policy, 1))
    made.bind(policy)
    assert server.version.endswith("-7")
    assert made.state_dict() == {"policy_version": 7}


def test_an_update_empties_every_cache_before_the_server_has_its_version(
    policy: VisionLanguagePolicy, server: RolloutServer
) -> None:
    engine(policy, server.url)
    assert server.paths == [
        "/server_info",  # its dtype
        "/pause?mode=abort",
        "/update_weight_version",
        "/start_weight_update",
        "/update_weights",
        "/finish_weight_update",
        "/reset_prefix_cache",
        "/reset_mm_cache",
        "/reset_encoder_cache",
        "/resume",
        "/update_weight_version",
        "/weight_info",
    ]


def describes(dtype: str, quantization: str | None = None) -> Any:
    """What vLLM says of its configuration, as text."""
    text = f"model='m', kv_cache_dtype=fp8, dtype=torch.{dtype}, quantization={quantization}, seed=0"
    return lambda request: request.send(200, json.dumps({"vllm_config": text}))


@pytest.mark.parametrize(
    ("infos", "sent", "narrowed"),
    [
        ([describes("bfloat16")], torch.bfloat16, "bfloat16"),
        ([describes("bfloat16"), describes("float16")], torch.bfloat16, "bfloat16"),
        ([describes("bfloat16"), describes("float32")], torch.float32, None),
        ([describes("bfloat16"), refuses(404, "no such path")], torch.float32, None),
        ([describes("bfloat16", "fp8")], torch.float32, None),
    ],
    ids=["half", "halves", "one is wider", "one is unknown", "quantised"],
)
def test_float32_weights_are_sent_in_the_widest_dtype_of_the_servers(
    policy: VisionLanguagePolicy, infos: list[Any], sent: torch.dtype, narrowed: str | None
) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(serving()) for _ in infos]
        for server, info in zip(servers, infos, strict=True):
            server.others = {"/server_info": info}
        made = engine(policy, *(server.url for server in servers))
        for server in servers:
            (manifest,) = server.manifests
            assert manifest.get("narrowed_to") == narrowed
        weights = dict(read(from_plain(manifest["files"])))
        assert {weight.dtype for weight in weights.values()} == {sent}
        wanted = dict(published(policy, dtype=sent))
        assert all(torch.equal(weights[name], weight) for name, weight in wanted.items())
        made.close()


def test_a_server_that_is_gone_has_no_say_in_the_dtype(policy: VisionLanguagePolicy, server: RolloutServer) -> None:
    server.others = {"/server_info": describes("bfloat16")}
    with nobody() as gone:
        engine(policy, server.url, gone)
    assert server.manifests[0]["narrowed_to"] == "bfloat16"


@pytest.mark.filterwarnings("ignore:Model has .tie_word_embeddings")
def test_a_policy_that_vllm_cannot_hold_is_refused_before_anything_is_sent(
    policy: VisionLanguagePolicy, server: RolloutServer
) -> None:
    adapted = loaded(Path(policy.name), lora=LoRA(rank=2, target_modules=["lm_head"]))
    with pytest.raises(ValueError, match=r"lm_head\.weight differ.*LocalEngine"):
        engine(adapted, server.url)
    assert server.paths == []


def test_an_update_that_its_trainer_never_ended_is_ended(policy: VisionLanguagePolicy, server: RolloutServer) -> None:
    active = [True]

    def start(request: Any) -> None:
        refuses(500, "already active")(request) if active[0] else request._answers(request)

    def finish(request: Any) -> None:
        active[0] = False
        request._answers(request)

    server.others = {"/start_weight_update": start, "/finish_weight_update": finish}
    engine(policy, server.url)
    assert len(server.manifests) == 1


def test_two_runs_never_take_their_weights_for_each_others(policy: VisionLanguagePolicy, server: RolloutServer) -> None:
    """Both are at version 0; the second has taken the server over. The first takes it back before it asks."""
    first = engine(policy, server.url)
    name = server.version
    engine(policy, server.url)
    assert server.version != name
    first.rollout(prompts(policy, 1))
    assert server.version == name


def test_a_server_that_does_not_take_its_weights_is_set_aside_with_a_warning(
    policy: VisionLanguagePolicy, server: RolloutServer
) -> None:
    with serving() as other:
        other.others = {"/update_weights": refuses(500, "the server holds another model")}
        made = ServedEngine(DRAWN, [server.url, other.url], patience=0.3)
        with pytest.warns(UserWarning, match=f"{other.url}: status 500: the server holds another model"):
            made.bind(policy)
        made.rollout(prompts(policy))
        assert other.asked == []


def test_no_server_that_takes_the_weights_is_an_error_with_every_cause(policy: VisionLanguagePolicy) -> None:
    with nobody() as gone, serving() as plain:
        plain.others = {"/pause": refuses(404, "Not Found")}
        made = ServedEngine(DRAWN, [gone, plain.url])
        with pytest.raises(RolloutError) as caught:
            made.bind(policy)
    assert gone in str(caught.value)
    assert "cannot exchange weights" in str(caught.value)
    assert "python -m medix rollout serve" in str(caught.value)


def test_closing_leaves_no_weights_behind(policy: VisionLanguagePolicy, server: RolloutServer, tmp_path: Path) -> None:
    made = ServedEngine(DRAWN, server.url, FolderChannel(str(tmp_path / "weights")))
    made.bind(policy)
    made.publish(policy)
    assert len(list((tmp_path / "weights").glob("[!.]*"))) == 1
    made.close()
    assert [path.name for path in (tmp_path / "weights").iterdir()] == [".lock"]


def test_weights_are_exchanged_between_rollouts_and_never_within_one(
    policy: VisionLanguagePolicy,
) -> None:
    """A rollout in another thread, as while the next step is sampled during an update."""
    asked, may_answer = threading.Event(), threading.Event()

    def waits(request: Any) -> None:
        asked.set()
        assert may_answer.wait(120)
        completes(request)

    with serving(waits) as server:
        made = engine(policy, server.url)
        found: list[Any] = []
        rollout = threading.Thread(target=lambda: found.extend(made.rollout(prompts(policy, 1))))
        update = threading.Thread(target=lambda: made.publish(policy))
        rollout.start()
        assert asked.wait(120)
        update.start()
        time.sleep(0.1)
        assert len(server.manifests) == 1
        may_answer.set()
        rollout.join(120)
        update.join(120)
        assert found[0].policy_version == 0
        assert server.version.endswith("-1")


def as_rank_1(made: ServedEngine, of_rank_0: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine of another rank, which hears what the first one says."""

    def heard(objects: list[Any], src: int) -> None:
        assert src == 0
        objects[:] = of_rank_0

    def gathered(found: list[Any], own: object) -> None:
        found[:] = [own, own]

    for name, value in {
        "is_initialized": lambda: True,
        "get_rank": lambda: 1,
        "get_world_size": lambda: 2,
        "broadcast_object_list": heard,
        "all_gather_object": gathered,
    }.items():
        monkeypatch.setattr(f"medix.distributed.distributed.{name}", value)


def test_a_further_rank_publishes_nothing_and_asks_and_restores_like_the_first(
    policy: VisionLanguagePolicy, server: RolloutServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = engine(policy, server.url)
    other = ServedEngine(DRAWN, server.url, patience=0.4)
    as_rank_1(other, [first._published], monkeypatch)
    other.bind(policy)
    assert len(server.manifests) == 1
    assert all_tokens(other.rollout(prompts(policy))) == [tokens()] * 3
    server.version = "default"
    other.rollout(prompts(policy))
    assert server.manifests[1] == server.manifests[0]


def test_an_error_of_the_rank_that_publishes_is_one_of_every_rank(
    policy: VisionLanguagePolicy, server: RolloutServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ServedEngine(DRAWN, server.url)
    as_rank_1(other, ["no server loaded the weights"], monkeypatch)
    with pytest.raises(RolloutError, match="no server loaded"):
        other.bind(policy)


def test_whatever_stops_the_rank_that_publishes_is_told_to_the_others(
    policy: VisionLanguagePolicy, server: RolloutServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(FolderChannel):
        def publish(self, *arguments: Any, **named: Any) -> None:
            raise RuntimeError("no memory left")

    made = ServedEngine(DRAWN, server.url, Broken())
    with pytest.raises(RuntimeError, match=r"^no memory left"):
        made.bind(policy)
    told: list[Any] = []
    as_rank_1(made, [], monkeypatch)
    monkeypatch.setattr("medix.distributed.distributed.get_rank", lambda: 0)
    monkeypatch.setattr("medix.distributed.distributed.broadcast_object_list", lambda said, src: told.extend(said))
    with pytest.raises(RolloutError, match=r"could not be published \(RuntimeError: no memory left\)"):
        made.bind(policy)
    assert "no memory left" in told[0]


def test_weights_that_cannot_be_written_are_an_error_with_a_remedy(
    policy: VisionLanguagePolicy, server: RolloutServer, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    made = ServedEngine(DRAWN, server.url, FolderChannel(str(tmp_path / "file" / "below")))
    with pytest.raises(RolloutError, match=r"engine\.weights: .*make room, or name another folder"):
        made.bind(policy)


# Faults --------------------------------------------------------------------------------------------------------------

FAULTS = {
    "refuses": refuses(500, "no memory left"),
    "breaks off at once": partly(0),
    "breaks off in the middle": partly(1),
    "says nonsense": says("{]"),
    "says an error": says('{"error": {"message": "engine dead"}}'),
    "ends early": says("[DONE]"),
    "calls off": says('{"choices": [{"index": 0, "token_ids": [], "finish_reason": "abort"}]}'),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_what_a_server_fails_at_is_asked_of_another(policy: VisionLanguagePolicy, fault: Any) -> None:
    with serving(fault) as bad, serving() as good:
        groups = engine(policy, bad.url, good.url).rollout(prompts(policy))
        assert all_tokens(groups) == [tokens()] * 3
        assert len(bad.asked) >= 1


def test_what_was_told_before_a_server_broke_off_is_kept_and_told_once(policy: VisionLanguagePolicy) -> None:
    told: list[Completion] = []
    with serving(partly(2), completes) as server:
        [group] = engine(policy, server.url, patience=5).rollout(
            prompts(policy, 1), lambda _, completion: told.append(completion)
        )
    assert all_tokens([group]) == [tokens()]
    assert sorted(told, key=repr) == sorted(group.completions, key=repr)


def test_a_server_that_hangs_is_left_within_its_time(policy: VisionLanguagePolicy) -> None:
    with serving(hangs) as bad, serving() as good:
        groups = engine(policy, bad.url, good.url, request_seconds=0.3).rollout(prompts(policy))
        assert all_tokens(groups) == [tokens()] * 3


def test_servers_that_all_hang_end_with_the_prompts_named(policy: VisionLanguagePolicy) -> None:
    with serving(hangs) as server:
        made = engine(policy, server.url, request_seconds=0.2, attempts=2, patience=5)
        with pytest.raises(RolloutError, match=r"2 of 2 prompts, of the samples 's0', 's1': .*no answer within 0\.2 s"):
            made.rollout(prompts(policy, 2))


def test_servers_that_are_all_gone_end_within_patience_with_the_prompts_named(policy: VisionLanguagePolicy) -> None:
    with serving() as server:
        made = engine(policy, server.url)
        server.kill()
        with pytest.raises(RolloutError) as caught:
            made.rollout(prompts(policy, 12))
    assert "12 of 12 prompts, of the samples 's0', 's1'" in str(caught.value)
    assert "'s9' and 2 more" in str(caught.value)
    assert "no server has been up for 0.4 s" in str(caught.value)
    assert "engine.patience" in str(caught.value)


def test_a_server_killed_in_the_middle_leaves_its_prompts_to_another(policy: VisionLanguagePolicy) -> None:
    with serving() as bad, serving() as good:
        bad.acts = [lambda request: bad.kill()]
        made = engine(policy, bad.url, good.url)
        assert all_tokens(made.rollout(prompts(policy, 6))) == [tokens()] * 6


def test_a_server_that_was_started_again_gets_the_present_weights_before_it_is_asked(
    policy: VisionLanguagePolicy,
) -> None:
    """It comes up in the middle of a rollout, with the weights of its folder."""
    with serving() as server:
        made = engine(policy, server.url, patience=10)
        made.publish(policy)
        server.kill()
        again: list[RolloutServer] = []

        def start() -> None:
            time.sleep(0.3)
            with serving(port=server.port) as new:
                again.append(new)
                finished.wait(120)

        finished = threading.Event()
        thread = threading.Thread(target=start)
        thread.start()
        try:
            groups = made.rollout(prompts(policy))
        finally:
            finished.set()
            thread.join()
    assert {group.policy_version for group in groups} == {1}
    assert len(again[0].manifests) == 1
    assert again[0].paths.index("/update_weights") < again[0].paths.index("/inference/v1/generate")


def test_what_other_weights_completed_is_thrown_away_and_the_server_gets_the_present_ones(
    policy: VisionLanguagePolicy,
) -> None:
    """It was started again between a look at it and the request."""

    def restarted(request: Any) -> None:
        request.server.version = "default"
        completes(request)

    with serving(restarted, completes) as server:
        made = engine(policy, server.url, patience=5)
        told: list[Completion] = []
        groups = made.rollout(prompts(policy, 1), lambda _, completion: told.append(completion))
        assert all_tokens(groups) == [tokens()]
        assert len(told) == 3
        assert len(server.manifests) == 2


@pytest.mark.parametrize("versions", [["default"], [], ["before", "after"]])
def test_a_server_that_keeps_completing_with_other_weights_is_stale(
    policy: VisionLanguagePolicy, versions: list[str]
) -> None:
    with serving(partly(None, versions=versions)) as server:
        made = engine(policy, server.url, patience=5)
        with pytest.raises(StaleEngineError, match=r"sample.* 's0': .*other weights than the present ones"):
            made.rollout(prompts(policy, 1))


def test_a_server_that_completed_another_prompt_is_not_asked_again(policy: VisionLanguagePolicy) -> None:
    with serving(partly(None, prompt=[1, 2, 3])) as server:
        with pytest.raises(RolloutError, match="other tokens than those of the prompt"):
            engine(policy, server.url).rollout(prompts(policy, 1))
        assert len(server.asked) == 1


@pytest.mark.parametrize("fault", [{"prompt": [1, 2, 3]}, {"versions": [1]}])
def test_another_server_completes_what_one_answers_wrongly(policy: VisionLanguagePolicy, fault: dict[str, Any]) -> None:
    with serving(partly(None, **fault)) as wrong, serving() as right:
        asked = prompts(policy, 4)
        groups = engine(policy, wrong.url, right.url).rollout(asked)
        assert [group.prompt for group in groups] == asked
        assert wrong.asked
        assert len(right.asked) >= 4


def test_a_request_that_is_refused_for_itself_is_not_asked_of_others(policy: VisionLanguagePolicy) -> None:
    with serving(refuses(400, "n must be at most 2")) as one, serving(refuses(400, "n must be at most 2")) as other:
        with pytest.raises(RolloutError, match="status 400: n must be at most 2"):
            engine(policy, one.url, other.url).rollout(prompts(policy, 1))
        assert len(one.asked) + len(other.asked) == 1


def test_a_prompt_without_room_is_refused_before_anything_is_asked(
    policy: VisionLanguagePolicy, server: RolloutServer
) -> None:
    server.room = 20
    with pytest.raises(RolloutError, match=r"tokens of sample 's0' make \d+, and servers and policy have room for 20"):
        engine(policy, server.url).rollout(prompts(policy, 1))
    assert server.asked == []


def test_an_error_of_who_is_told_is_raised_as_it_is(policy: VisionLanguagePolicy, server: RolloutServer) -> None:
    def fails(prompt: Prompt, completion: Completion) -> None:
        raise KeyError("of the reward")

    with pytest.raises(KeyError, match="of the reward"):
        engine(policy, server.url).rollout(prompts(policy), fails)


def test_it_works_where_a_loop_is_running_already(policy: VisionLanguagePolicy, server: RolloutServer) -> None:
    """As in a notebook."""
    import asyncio

    made = engine(policy, server.url)

    async def cell() -> int:
        return len(made.rollout(prompts(policy)))

    assert asyncio.run(cell()) == 3


# Arguments -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"base_url": []}, "engine.base_url"),
        ({"base_url": "ftp://h"}, "engine.base_url: .*is not the address of a server"),
        ({"base_url": ["http://h:1", "http://h:1/v1"]}, "several different ones"),
        ({"base_url": "http://u:p@h:1"}, "engine.api_key_env names"),
        ({"request_seconds": 0.0}, "engine.request_seconds: 0.0"),
        ({"publish_seconds": -1.0}, "engine.publish_seconds"),
        ({"patience": -1.0}, "engine.patience"),
        ({"attempts": 0}, "engine.attempts"),
        ({"max_concurrency": 0}, "engine.max_concurrency"),
    ],
)
def test_impossible_arguments_are_refused_by_name(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        ServedEngine(**{"sampling": DRAWN, "base_url": "http://h:1"} | arguments)
    assert "u:p" not in str(caught.value)


def test_it_needs_a_policy_and_one_that_it_can_publish() -> None:
    made = ServedEngine(DRAWN, "http://127.0.0.1:9")
    with pytest.raises(RuntimeError, match=r"call bind\(policy\) first"):
        made.rollout([])
    with pytest.raises(TypeError, match="got BigramPolicy"):
        made.bind(BigramPolicy())


def test_the_same_engine_with_another_channel_is_another_argument() -> None:
    class Nowhere(WeightChannel):
        backend = "nowhere"

        def publish(self, *arguments: Any, **named: Any) -> None:
            raise OSError("disk full")

    made = ServedEngine(DRAWN, "http://127.0.0.1:9", Nowhere())
    assert isinstance(made.weights, Nowhere)
    assert ServedEngine.samples_elsewhere
