"""The longest samples of a split against all limits."""

from pathlib import Path
from typing import Any

import pytest

from medix.data.build import write_shards
from medix.data.manifest import DataStatement
from medix.data.stream import Stream
from medix.doctor.checks.prompts import PromptsCheck, longest_samples, tokens_of
from medix.doctor.findings import Finding, State, UnavailableError
from medix.doctor.subject import Subject
from medix.policy.tiny import build_tiny
from medix.types import Sample
from tests.support.doctoring import look, problems, subject
from tests.support.tiny import picture


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty samples of one image of 64 x 64, which is four tokens, and one sample of 128 x 96, which is twelve."""
    folder = tmp_path_factory.mktemp("data")
    samples = [
        Sample(
            f"s{number}", "Is it normal?", "yes", "CT_SCAN", (picture(number, *((128, 96) if number == 23 else ())),)
        )
        for number in range(41)
    ]
    write_shards(samples, folder, DataStatement("made", "CC0-1.0", "drawn by a program"), samples_per_shard=15)
    return folder


def at(folder: Path, policy: Path, manifests: Path, **changes: Any) -> Subject:
    return subject(folder, policy, data={"train": [str(manifests)], "val": [], **changes.pop("data", {})}, **changes)


def one(check: list[Finding]) -> Finding:
    (found,) = check
    return found


def test_the_longest_sample_is_found_with_its_tokens(tmp_path: Path, policy: Path, data: Path) -> None:
    here = at(tmp_path, policy, data)
    stream: Stream = here.data.stream("train")
    read, samples = longest_samples(stream, here.module.prompting, 30)
    assert read == 41
    assert samples[0].id == "s23"
    lengths = [tokens_of(sample, here.module.prompting, here.policy.processor) for sample in samples[:2]]
    assert lengths[0] == lengths[1] + 12 - 4
    found = one(look(PromptsCheck(), here))
    assert found.state is State.OK
    assert f"read 41 of 41 samples; the longest, 's23', has {lengths[0]} tokens with 1 image" in found.found


def test_a_prompt_beyond_the_limit_is_a_problem_or_dropped(tmp_path: Path, policy: Path, data: Path) -> None:
    limit = {"model": {"prompting": {"max_prompt_tokens": 30}}}
    found = one(problems(look(PromptsCheck(), at(tmp_path, policy, data, **limit))))
    assert "model.prompting.max_prompt_tokens is 30, which 1 of the longest 16 exceed" in found.found
    assert "data.on_long: skip" in found.remedy
    skipped = one(look(PromptsCheck(), at(tmp_path, policy, data, **limit, data={"on_long": "skip"})))
    assert skipped.state is State.WARNING
    assert "drops them" in skipped.found


def test_a_prompt_with_a_completion_beyond_the_context_is_a_problem(tmp_path: Path, policy: Path, data: Path) -> None:
    """The context of the tiny policy is 2,048 tokens."""
    sampling = {"engine": {"init_args": {"sampling": {"max_completion_tokens": 2040}}}}
    found = one(problems(look(PromptsCheck(), at(tmp_path, policy, data, model=sampling))))
    assert "the policy's context is 2,048" in found.found


def test_a_row_longer_than_a_microbatch_is_a_warning(tmp_path: Path, policy: Path, data: Path) -> None:
    update = {"update": {"tokens_per_microbatch": 36}}
    found = one(look(PromptsCheck(), at(tmp_path, policy, data, model=update)))
    assert found.state is State.WARNING
    assert "more than model.update.tokens_per_microbatch = 36" in found.found
    assert "set it to" in found.remedy


def test_without_time_the_longest_allowed_prompt_is_stated(tmp_path: Path, policy: Path, data: Path) -> None:
    found = one(look(PromptsCheck(seconds=-1), at(tmp_path, policy, data)))
    assert found.state is State.WARNING
    assert (
        "max_prompt_tokens 4,096 + max_completion_tokens 6 = 4,102 tokens; the policy's context is 2,048" in found.found
    )


def test_images_count_at_their_scaled_size(tmp_path: Path, policy: Path, data: Path) -> None:
    """Reduced to 64 x 64, all images are equal, and the question decides."""
    here = at(tmp_path, policy, data, model={"prompting": {"max_pixels": 1024}})
    found = one(look(PromptsCheck(), here))
    assert found.state is State.OK
    lengths = {
        tokens_of(s, here.module.prompting, here.policy.processor)
        for s in (here.data.stream("train")[i] for i in range(3))
    }
    assert f" has {max(lengths)} tokens" in found.found


def test_missing_data_is_not_checked(tmp_path: Path, policy: Path) -> None:
    check = PromptsCheck().look(at(tmp_path, policy, Path("nowhere")))
    assert "max_prompt_tokens 4,096" in next(check).found
    with pytest.raises(UnavailableError, match=r"data\.train: nowhere"):
        next(check)


def test_an_unavailable_policy_is_skipped(tmp_path: Path, data: Path) -> None:
    with pytest.raises(UnavailableError, match="owner/model"):
        look(PromptsCheck(), at(tmp_path, Path("owner/model"), data))


def test_pictures_and_markers_that_the_policy_cannot_take_are_found_among_longer_samples(
    tmp_path: Path, policy: Path
) -> None:
    """They are short prompts, so they are not among the longest."""
    samples = [Sample(f"s{i}", "Is it normal? " * 9, "yes", "CT_SCAN", (picture(i, 96, 96),)) for i in range(40)]
    samples[7] = Sample("narrow", "Why?", "yes", "CT_SCAN", (picture(0, 8, 2000),))
    samples[9] = Sample("marked", "<image> <image>", "yes", "CT_SCAN", (picture(0, 32, 32),))
    write_shards(samples, tmp_path / "data", DataStatement("made", "CC0-1.0", "drawn by a program"))
    found = problems(look(PromptsCheck(), at(tmp_path, policy, tmp_path / "data")))
    texts = [finding.found for finding in found]
    assert any("data.train: sample 'narrow': picture of 8 x 2000 is refused" in text for text in texts)
    assert any("data.train: sample 'marked': the question has 2 image markers for 1 image" in text for text in texts)
    assert all("data.on_long: skip" in finding.remedy for finding in found)
    skipping = look(PromptsCheck(), at(tmp_path, policy, tmp_path / "data", data={"on_long": "skip"}))
    assert [finding.state for finding in skipping] == [State.WARNING, State.WARNING, State.OK]
    assert "skip drops such samples" in skipping[0].found
