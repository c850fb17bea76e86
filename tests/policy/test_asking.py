"""What an exported folder knows about prompts and generation."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment

from medix.policy.asking import Asking, FrameText, end_tokens, generation_config
from medix.policy.export import export
from medix.policy.vision_language import VisionLanguagePolicy

BASE = (
    "{% for m in messages %}<{{ m.role }}>{% for p in m.content %}"
    "{% if p.type == 'image' %}[I]{% else %}({{ p.text }}){% endif %}{% endfor %}{% endfor %}<go>\n<think>\n"
)
FRAMES: dict[str, Any] = {
    "with_images": (FrameText("Look's {{ here }}:\n"), None, FrameText("Q: ", " ?", asks=True)),
    "text_only": (FrameText("Think: ", "", asks=True),),
}


def asked(content: Any, role: str = "user", base: str = BASE, **settings: Any) -> str:
    template = Asking(**FRAMES, specials=("<|end|>",), **settings).chat_template(base)
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(messages=[{"role": role, "content": content}])


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


IMAGE = {"type": "image"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ([IMAGE, text(" which<|end|>\x07 organ\n")], "(Look's {{ here }}:\n)[I](Q: which< |end|> organ ?)"),
        ([text("which"), IMAGE, IMAGE], "(Look's {{ here }}:\n)[I][I](Q: which ?)"),
        ([{"type": "image_url"}, text("a"), text("b")], "(Look's {{ here }}:\n)[I](Q: ab ?)"),
        ([text(" before "), IMAGE, text(" after "), IMAGE], "(Look's {{ here }}:\nQ: before )[I]( after )[I]( ?)"),
        ([text("plain")], "(Think: plain)"),
        ("a string", "(Think: a string)"),
        ([text("Think: again")], "(Think: again)"),
        ([{"type": "video"}, text("x")], "()(x)"),
        ([text("\U0001f9e0'\\ é")], "(Think: \U0001f9e0'\\ é)"),
    ],
)  # fmt: skip
def test_a_message_is_framed_once_and_its_images_stand_where_they_belong(content: Any, expected: str) -> None:
    base = BASE.removesuffix("<think>\n")
    assert asked(content, base=base) == f"<user>{expected}<go>\n".removesuffix("\n")


def test_other_roles_are_left_alone() -> None:
    assert "(Be brief)" in asked([text("Be brief")], role="system")


def test_an_opening_of_the_reasoning_is_removed_as_medix_does() -> None:
    assert asked([text("x")], opens_reasoning="<think>") == "<user>(Think: x)<go>\n"
    assert asked([text("x")], base=BASE + "no</think>\n\n", opens_reasoning="<think>").endswith("no</think>\n")


def test_limits_of_pixels_never_cross() -> None:
    trained = {"shortest_edge": 1024, "longest_edge": 16384}
    sizes = [
        Asking((), (), min_pixels=low, max_pixels=high).size(trained)
        for low, high in ((None, None), (None, 4096), (2048, None), (None, 100), (90_000, None))
    ]
    assert [(one["shortest_edge"], one["longest_edge"]) for one in sizes] == [
        (1024, 16384), (1024, 4096), (2048, 16384), (1024, 1024), (16384, 16384)
    ]  # fmt: skip


def test_generation_settings_are_those_of_the_evaluation_and_valid() -> None:
    asking = Asking((), (), temperature=0.6, top_p=0.95, max_completion_tokens=30, stop=("</answer>",))
    found = generation_config([3, 4], None, [7], asking)
    found.validate(strict=True)
    assert (found.do_sample, found.temperature, found.top_p, found.top_k) == (True, 0.6, 0.95, 0)
    assert (found.pad_token_id, found.suppress_tokens, found.stop_strings) == (3, [7], ["</answer>"])
    assert generation_config([3], 1, [], None).do_sample is False


VALID_TO_READ = [
    {"temperature": 0.5},
    {"top_p": 0.9, "do_sample": False},
    {"temperature": -1.0, "do_sample": True},
    {"early_stopping": True},
    {"repetition_penalty": 1.3, "no_repeat_ngram_size": 2},
]


@pytest.mark.parametrize("settings", VALID_TO_READ)
def test_what_the_base_model_generates_with_is_not_exported(
    tiny: dict[str, Path], tmp_path: Path, settings: dict[str, Any]
) -> None:
    folder = with_generation(tiny["qwen3_vl"], tmp_path, {"eos_token_id": 5} | settings)
    policy = VisionLanguagePolicy(str(folder))
    policy.load()
    exported = export(policy, tmp_path / "exported", "card")
    written = json.loads((exported / "generation_config.json").read_text())
    assert written["eos_token_id"] == [5]
    assert not settings.keys() & written.keys() - {"do_sample"}
    assert policy.hugging_face.generation_config.to_diff_dict().items() >= settings.items() - {("do_sample", False)}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"max_new_tokens": -1}, "is not valid (`max_new_tokens` must be greater than 0"),
        ({"num_return_sequences": 4}, "is not valid (Greedy methods"),
        ({"eos_token_id": "x"}, "eos_token_id: 'x' of"),
        ({"eos_token_id": -1}, "eos_token_id: -1 of"),
        ({"eos_token_id": [1, True]}, "eos_token_id: True of"),
        ({"eos_token_id": 10**6}, "is no token of its tokenizer"),
        ({"eos_token_id": []}, "names no end-of-sequence token"),
        (None, "generation_config.json is not JSON"),
    ],
)
def test_a_generation_config_that_cannot_be_used_is_refused_before_weights_are_read(
    tmp_path: Path, settings: dict[str, Any] | None, said: str
) -> None:
    (tmp_path / "generation_config.json").write_text("{" if settings is None else json.dumps(settings))
    with pytest.raises(ValueError, match=r"^policy\.name: ") as error:
        end_tokens(str(tmp_path), Tokenizer())
    assert said in str(error.value)


class Tokenizer(SimpleNamespace):
    eos_token_id = 5

    def __len__(self) -> int:
        return 10


def test_without_a_generation_config_the_tokenizer_names_the_end(tmp_path: Path) -> None:
    assert end_tokens(str(tmp_path), Tokenizer()) == (5,)


def test_loading_refuses_it_too(tiny: dict[str, Path], tmp_path: Path) -> None:
    policy = VisionLanguagePolicy(str(with_generation(tiny["qwen3_vl"], tmp_path, {"max_new_tokens": -1})))
    with pytest.raises(ValueError, match=r"policy.name: the generation_config.json of .* correct or delete that key"):
        policy.load()
    assert policy.model is None


def with_generation(policy: Path, folder: Path, settings: dict[str, Any]) -> Path:
    copy = folder / "policy"
    shutil.copytree(policy, copy)
    (copy / "generation_config.json").write_text(json.dumps(settings))
    return copy
