"""A model behind an endpoint that answers, refuses, dies, or says odd things."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from medix.evaluation.decoding import Decoding
from medix.evaluation.endpoint_model import EndpointModel, open_endpoint
from medix.evaluation.evaluated_model import Ask, Reply
from medix.evaluation.model_arguments import ModelArguments
from medix.evaluation.prompts import prompting_of
from medix.evaluation.tasks.item import Item
from tests.support.evaluations import item, picture
from tests.support.fault_server import Act, nobody, refuses, together
from tests.support.judges import FaultServer, breaks_off, says, sends, serving, streams, without
from tests.support.tables import image

GREEDY = Decoding(max_tokens=20)


def model(url: str | list[str], **arguments: Any) -> EndpointModel:
    return EndpointModel(prompting_of("plain", None), url, "m", **{"retries": 1, "backoff": 0.01, **arguments})


def ask(url: str | list[str], *items: Item, samples: int = 1, **arguments: Any) -> list[Reply]:
    """The replies, in the order of the items."""
    asked = model(url, **arguments)
    decoding = Decoding(samples, 0.6, 0.95, max_tokens=20) if samples > 1 else GREEDY
    asks = [Ask(f"{one.id}/{k}", one, k) for one in items for k in range(samples)]
    replies = {one.key: reply for one, reply in asked.replies(asks, decoding)}
    asked.close()
    return [replies[one.key] for one in asks]


def content(server: FaultServer, number: int = 0) -> Any:
    return server.bodies[number]["messages"][0]["content"]


def test_a_question_is_sent_with_its_images_in_order_and_without_loss() -> None:
    first, second = image(seed=1), image("CMYK", 2, form="JPEG")
    asked = item("1", "Before <image 1>, after <image 2>?", images=(picture("a", first), picture("b", second)))
    with serving(says("left")) as server:
        (reply,) = ask(server.url, asked)
    assert (reply.completion, reply.finish_reason, reply.failure) == ("left", "stop", "")
    body = server.bodies[0]
    assert {name: body[name] for name in ("model", "temperature", "top_p", "max_tokens")} == {
        "model": "m", "temperature": 0.0, "top_p": 1.0, "max_tokens": 20,
    }  # fmt: skip
    parts = content(server)
    assert [part["type"] for part in parts] == ["text", "image_url", "text", "image_url", "text"]
    assert [part["image_url"]["url"][:15] for part in parts[1::2]] == ["data:image/png;"] * 2


def test_samples_are_asked_with_seeds_of_their_own_that_stay() -> None:
    with serving(says("left")) as server:
        ask(server.url, item("1"), item("2"), samples=2)
        ask(server.url, item("1"), samples=2)
    seeds = sorted(body["seed"] for body in server.bodies)
    assert len(set(seeds)) == 4
    assert {body["temperature"] for body in server.bodies} == {0.6}
    assert len([seed for seed in set(seeds) if seeds.count(seed) == 2]) == 2


def test_many_questions_are_asked_at_once() -> None:
    with serving(together(8, says("left"))) as server:
        assert len(ask(server.url, *(item(str(number)) for number in range(16)), max_concurrency=8)) == 16
    assert server.most == 8


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (refuses(400, "this model takes no images"), "status 400: this model takes no images"),
        (refuses(500, "oops"), "status 500: oops; 2 attempts"),
        (breaks_off, "2 attempts"),
        (says("left", "content_filter"), "a content filter ended the reply"),
        (says(None, refusal="I cannot"), "the model refuses: I cannot"),
        (says("left", "tool_calls"), "the model calls a tool"),
    ],
)
def test_what_is_no_completion_is_a_failure_with_its_reason(act: Act, told: str) -> None:
    with serving(act) as server:
        (reply,) = ask(server.url, item())
    assert reply.completion is None
    assert told in reply.failure
    assert reply.failure.startswith(f"m at {server.url}: ")


def test_an_image_that_cannot_be_decoded_is_a_failure_and_not_sent() -> None:
    with serving(says("left")) as server:
        broken, whole = ask(server.url, item("1", images=(picture("a", b"torn"),)), item("2"))
    assert "cannot be decoded" in broken.failure
    assert whole.completion == "left"
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("act", "completion", "finish_reason"),
    [
        (says("left", reasoning_content="a"), "<think>a</think>left", "stop"),
        (says("", "length", reasoning_content="a"), "<think>a", "length"),
        (says("<think>a", "length"), "<think>a", "length"),
        (says("  left\n"), "  left\n", "stop"),
    ],
)
def test_reasoning_that_a_server_splits_off_is_put_back(act: Act, completion: str, finish_reason: str) -> None:
    with serving(act) as server:
        (reply,) = ask(server.url, item())
    assert (reply.completion, reply.finish_reason) == (completion, finish_reason)


def test_a_server_that_knows_no_seed_or_another_name_of_the_limit_is_asked_without() -> None:
    act = without(
        says("left"), seed="unknown field: seed", max_tokens="use max_completion_tokens in place of max_tokens"
    )
    with serving(act) as server:
        (reply,) = ask(server.url, item())
    assert reply.completion == "left"
    assert server.bodies[-1].keys() == {"model", "messages", "temperature", "top_p", "max_completion_tokens"}


def test_a_server_that_rejects_the_temperature_has_not_answered() -> None:
    with serving(without(says("left"), temperature="temperature is not supported")) as server:
        (reply,) = ask(server.url, item())
    assert "temperature is not supported" in reply.failure


def test_a_server_that_dies_leaves_failures_and_the_other_goes_on() -> None:
    with serving(says("left")) as alive, serving(refuses(500)) as dead:
        replies = ask([dead.url, alive.url], *(item(str(number)) for number in range(12)))
        assert [reply.completion for reply in replies] == ["left"] * 12
        alive.kill()
        dead.kill()
        replies = ask([dead.url, alive.url], *(item(str(number)) for number in range(12)), timeout=1.0)
    assert all(reply.completion is None and reply.failure for reply in replies)


@pytest.mark.parametrize("needs_image", [False, True])
def test_items_that_crash_a_server_fail_alone_in_this_task_and_the_next_and_when_they_are_asked_again(
    needs_image: bool,
) -> None:
    """Three of a hundred in the first, six in the second, which are the last that are left, and then nothing else.

    A program that indexes the first image of every request fails at the check, which has none.
    """

    def crashes(request: Any) -> None:
        text = json.dumps(request.body["messages"])
        if needs_image and '"content": "Hi"' in text:
            refuses(500, "IndexError: images[0]")(request)
        else:
            (refuses(500, "bad image") if "crash" in text else says("left"))(request)

    first = [item(f"a{number}", "crash" if number > 96 else "") for number in range(100)]
    second = [item(f"b{number}", "crash" if number > 93 else "") for number in range(100)]
    with serving(crashes) as server:
        asked = model(server.url, timeout=2.0, retries=2, backoff=0.05, max_concurrency=16)
        began = time.monotonic()
        for items, failing in ((first, 3), (second, 6), (second[-6:], 6), (first[:10], 0)):
            replies = [reply for _, reply in asked.replies([Ask(one.id, one, 0) for one in items], GREEDY)]
            failures = [reply.failure for reply in replies if reply.completion is None]
            assert failures == [f"m at {server.url}: status 500: bad image; 3 attempts"] * failing
        assert time.monotonic() - began < 30
        asked.close()


@pytest.mark.parametrize("fails", [refuses(500, "IndexError: images[0]"), refuses(503), breaks_off, sends("<html>")])
def test_a_server_that_needs_an_image_answers_all_questions_with_one_whatever_it_was_asked_before(fails: Act) -> None:
    """It fails at the check, too: in one task, in the next one, and when all are asked again."""

    def needs_image(request: Any) -> None:
        (says("left") if "image_url" in json.dumps(request.body) else fails)(request)

    without_image = [item(f"a{number}") for number in range(40)]
    with_image = [item(f"b{number}", images=(picture("a", image(seed=1)),)) for number in range(40)]
    with serving(needs_image) as server:
        asked = model(server.url, timeout=1.0, max_concurrency=16)
        for items in (without_image, with_image, without_image + with_image, without_image + with_image):
            replies = asked.replies([Ask(one.id, one, 0) for one in items], GREEDY)
            found = {ask.key for ask, reply in replies if reply.completion == "left"}
            assert found == {one.id for one in items if one.images}
        asked.close()


def test_keys_never_reach_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVAL_KEY", "topsecretkey")
    with serving(says("the key is topsecretkey"), refuses(401, "bad key topsecretkey")) as server:
        replies = ask(server.url, item("1"), api_key_env="EVAL_KEY", max_concurrency=1)
        replies += ask(server.url, item("2"), api_key_env="EVAL_KEY")
    assert server.keys[0] == "Bearer topsecretkey"
    assert "topsecretkey" not in json.dumps([[reply.completion, reply.failure] for reply in replies])


def test_leaving_the_replies_cancels_what_is_under_way() -> None:
    def slow(request: Any) -> None:
        request.server.stopping.wait(60)

    with serving(says("left"), slow) as server:
        asked = model(server.url, max_concurrency=1)
        replies = asked.replies([Ask(str(n), item(str(n)), 0) for n in range(3)], GREEDY)
        assert next(replies)[1].completion == "left"
        began = time.monotonic()
        replies.close()  # type: ignore[attr-defined]
        assert time.monotonic() - began < 30


def test_an_endpoint_is_looked_at_before_anything_is_asked(tmp_path: Path) -> None:
    with nobody("/v1") as url, pytest.raises(ConnectionError, match=r"--base-url: .*start the server"):
        open_endpoint(ModelArguments("m", base_url=[url]))
    with serving(says("left")) as server:  # lists no models
        found = open_endpoint(ModelArguments("m", base_url=[server.url]))
    assert (found.prompt, found.warning, found.decoding) == ("plain", "", Decoding())
    with pytest.raises(ValueError, match=r"--model run\.ckpt: with --base-url give the name"):
        open_endpoint(ModelArguments("run.ckpt", base_url=["http://127.0.0.1:1/v1"]))
    with pytest.raises(ValueError, match="--concurrency 0: give more than 0"):
        model("http://127.0.0.1:1/v1", max_concurrency=0)


def test_a_reply_is_handed_over_as_the_server_writes_it() -> None:
    grown: list[str] = []
    parts = ({"reasoning_content": "a"}, "le", "ft")
    with serving(streams(*parts)) as server:
        asked = model(server.url)
        reply = asked.stream(Ask("1", item(), 0), GREEDY, grown.append)
        asked.close()
    assert (reply.completion, reply.finish_reason) == ("<think>a</think>left", "stop")
    assert grown == ["<think>a", "<think>a</think>le", "<think>a</think>left"]


def test_a_stream_that_breaks_off_is_asked_again_from_its_beginning() -> None:
    grown: list[str] = []
    broken = streams("<answer>ri", finish_reason=None, ends=False)
    with serving(broken, streams("left")) as server:
        asked = model(server.url)
        reply = asked.stream(Ask("1", item(), 0), GREEDY, grown.append)
        asked.close()
    assert (reply.completion, grown) == ("left", ["<answer>ri", "left"])


def test_a_server_that_knows_no_seed_streams_without_it() -> None:
    with serving(without(streams("left"), seed="unknown field: seed")) as server:
        asked = model(server.url)
        assert asked.stream(Ask("1", item(), 0), GREEDY, lambda _: None).completion == "left"
        asked.close()
    assert "seed" not in server.bodies[-1]
