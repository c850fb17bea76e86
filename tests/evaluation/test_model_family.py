"""Judges that may be too kind."""

import pytest

from medix.evaluation.model_family import families, judge_warnings

JUDGE = "served/Qwen/Qwen3-14B/yes-no-9"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("Qwen/Qwen3-VL-8B-Instruct", {"Qwen"}),
        ("google/medgemma-4b-it", {"Gemma"}),
        ("meta-llama/Llama-3.1-8B", {"Llama"}),
        ("panel/1 with quorum 2 of [served/mixtral/a, served/gpt-4o/a, served/o3-mini/a]", {"Mistral", "GPT"}),
        ("HuggingFaceTB/SmolVLM2-2.2B", {"SmolLM"}),
        ("microsoft/phi-4", {"Phi"}),
        ("exact/4", set()),
        ("dolphin-1b", set()),
    ],
)
def test_families_are_told_by_their_names(name: str, found: set[str]) -> None:
    assert families(name) == found


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"name": "m", "training_judge": JUDGE}, ["is the one that rewarded the training of m"]),
        ({"name": "m", "training_judge": "served/Qwen3-4B/a"}, ["of the family (Qwen) of the judge that rewarded"]),
        ({"name": "m", "training_judge": "exact/4", "base": "Qwen/Qwen3-VL-8B"}, ["are of one family (Qwen)"]),
        ({"name": "Qwen/x", "training_judge": JUDGE}, ["is the one", "are of one family"]),
        ({"name": "google/medgemma-4b-it", "training_judge": "none"}, []),
        ({"name": "m"}, []),
    ],
)  # fmt: skip
def test_a_judge_of_the_models_own_family_is_warned_about(model: dict[str, str], told: list[str]) -> None:
    found = judge_warnings(model, JUDGE)
    assert len(found) == len(told)
    assert all(words in warning for words, warning in zip(told, found, strict=True))
