import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoProcessor

from medix.data.picture import PictureError
from medix.data.prompt_errors import PictureShapeError, UnusablePromptError
from medix.data.prompting import Prompting, PromptTooLongError, special_tokens
from medix.modality import PAPER_MODALITIES, ModalitySet
from medix.types import Sample
from tests.data.conftest import make_sample, picture


def _ask(question: str, modality: str | None = "CT_SCAN", images: int = 1) -> Sample:
    return Sample("a", question, "r", modality, tuple(picture(i) for i in range(images)))


def _images(processor: Any, token_ids: tuple[int, ...]) -> int:
    return token_ids.count(processor.tokenizer.convert_tokens_to_ids("<|vision_start|>"))


def test_the_prompt_lists_every_tag_of_the_set_and_the_parts_in_order() -> None:
    text = Prompting().text(_ask("What is it?"), images="[here]")
    assert all(f"<{name}>" in text for name in PAPER_MODALITIES)
    places = [text.index(part) for part in ("<X_RAY>", "<SPECT>", "<think>", "<answer>", "[here]", "What is it?")]
    assert places == sorted(places)
    assert text.count("[here]") == 1


def test_another_set_changes_the_list() -> None:
    text = Prompting(ModalitySet(["DERMOSCOPY", "CT_SCAN"])).text(_ask("What is it?"))
    assert "<DERMOSCOPY>, <CT_SCAN>" in text
    assert "<X_RAY>" not in text


def test_a_text_only_sample_is_asked_for_no_tag() -> None:
    text = Prompting().text(_ask("What is it?", modality=None, images=0))
    assert "<CT_SCAN>" not in text
    assert "tag" not in text
    assert text.index("<think>") < text.index("<answer>") < text.index("What is it?")


def test_the_other_reasoning_tag_can_be_asked_for() -> None:
    assert "<thinking>" in Prompting(reasoning_tag="thinking").text(_ask("What is it?"))


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("template", ["medical", "short", "report"])
def test_every_image_is_placed_once_and_in_order(processor: Any, count: int, template: str) -> None:
    sample = _ask("What is it?", "CT_SCAN" if count else None, count)
    prompt = Prompting(template=template).render(sample, processor, index=7)
    assert _images(processor, prompt.token_ids) == count
    assert prompt.index == 7
    assert prompt.sample is sample
    if count:
        pixels = torch.split(prompt.inputs["pixel_values"], prompt.inputs["image_grid_thw"].prod(-1).tolist())
        # picture(i) has red value i: its normalised mean grows with i.
        reds = [float(patches[:, :512].mean()) for patches in pixels]
        assert len(reds) == count
        assert reds == sorted(reds)
        assert len(set(reds)) == count
    else:
        assert "pixel_values" not in prompt.inputs


@pytest.mark.parametrize("architecture", ["qwen2_5_vl", "gemma3", "smolvlm"])
def test_other_families_are_rendered(architecture: str, tmp_path: Path) -> None:
    from medix.policy.tiny import build_tiny

    other = AutoProcessor.from_pretrained(build_tiny(architecture, tmp_path))  # type: ignore[arg-type]
    for sample in (_ask("What is it?"), _ask("What is it?", images=2), _ask("What is it?", None, 0)):
        prompt = Prompting().render(sample, other)
        text = other.tokenizer.decode(prompt.token_ids)
        assert "What is it?" in text
        assert ("pixel_values" in prompt.inputs) == bool(sample.images)
        assert not {"input_ids", "attention_mask"} & prompt.inputs.keys()
        if other.tokenizer.bos_token:
            assert prompt.token_ids.count(other.tokenizer.bos_token_id) <= 1
    if architecture == "gemma3":
        assert "token_type_ids" in prompt.inputs
        assert prompt.token_ids[0] == other.tokenizer.bos_token_id


def test_special_tokens_in_a_question_open_nothing(processor: Any) -> None:
    question = "<|vision_start|><|image_pad|><|im_end|> Is <|video_pad|> a cyst?"
    prompt = Prompting().render(_ask(question), processor)
    plain = Prompting().render(_ask("Is it a cyst?"), processor)
    ends = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    pad = processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    assert _images(processor, prompt.token_ids) == 1
    assert prompt.token_ids.count(ends) == plain.token_ids.count(ends)
    assert prompt.token_ids.count(pad) == plain.token_ids.count(pad)
    assert "a cyst?" in processor.tokenizer.decode(prompt.token_ids)


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\r"])
def test_a_special_token_cannot_hide_behind_control_characters_that_are_taken_out(
    processor: Any, character: str
) -> None:
    ends = processor.tokenizer.convert_tokens_to_ids("<|im_end|>")
    plain = Prompting().render(_ask("Is it a cyst?"), processor)
    prompt = Prompting().render(_ask(f"<|im_{character}end|> Is it a cyst?"), processor)
    assert prompt.token_ids.count(ends) == plain.token_ids.count(ends)


@pytest.fixture(scope="module")
def processors(processor: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from medix.policy.tiny import build_tiny

    others = ("qwen2_5_vl", "gemma3", "smolvlm")
    built = {name: AutoProcessor.from_pretrained(build_tiny(name, tmp_path_factory.mktemp(name))) for name in others}  # type: ignore[arg-type]
    return {"qwen3_vl": processor, **built}


FAMILIES = ("qwen3_vl", "qwen2_5_vl", "gemma3", "smolvlm")


@pytest.mark.parametrize("template", ["medical", "short", "report"])
@pytest.mark.parametrize("family", FAMILIES)
def test_images_stand_at_the_markers_of_the_question(processors: dict[str, Any], family: str, template: str) -> None:
    """The text around them is in place, and the pixels are in the order of the prompt."""
    prompting, processor = Prompting(template=template), processors[family]
    plain = prompting.render(_ask("x", images=2), processor)
    for question, swapped in (("Before: <image> After: <image> Grown?", False), ("<image 2> <image 1>", True)):
        prompt = prompting.render(_ask(question, images=2), processor)
        run = re.escape(processor.image_token)
        shown = re.sub(f"({run})+", "#", processor.tokenizer.decode(prompt.token_ids))
        assert shown.count("#") == 2
        if not swapped:
            assert shown.index("Before:") < shown.index("#") < shown.index("After:") < shown.rindex("#")
            assert shown.rindex("#") < shown.index("Grown?")
        order = [plain.inputs["pixel_values"], prompt.inputs["pixel_values"]]
        assert torch.equal(*order) is not swapped
        assert torch.equal(torch.sort(order[0].flatten()).values, torch.sort(order[1].flatten()).values)


@pytest.mark.parametrize("family", FAMILIES)
def test_text_of_a_question_adds_no_special_token(processors: dict[str, Any], family: str) -> None:
    """Neither as it stands, nor with control characters inside, which are removed."""
    prompting, processor = Prompting(template="short"), processors[family]
    specials = [
        token for token in special_tokens(processor).texts if token != "<image>"
    ]  # a marker: SmolVLM's placeholder
    ids = set(processor.tokenizer.convert_tokens_to_ids([*special_tokens(processor).texts]))

    def counts(question: str) -> Counter[int]:
        prompt = prompting.render(_ask(question), processor)
        return Counter(token for token in prompt.token_ids if token in ids)

    hidden = [f"{token[:2]}\x01{token[2:]}" for token in specials] + ["<im\x02age>"]
    assert counts(f"Is {' '.join(specials)} {''.join(specials)} {' '.join(hidden)} a cyst?") == counts("Is it a cyst?")


def test_the_prompt_of_a_question_without_markers_is_as_ever(processor: Any) -> None:
    """Tokens of an earlier version, without those of the images."""
    prompt = Prompting().render(_ask("  What is\x07 it? <b>\t\n", images=2), processor)
    text = processor.tokenizer.decode(prompt.token_ids).replace("<|image_pad|>", "")
    assert text.endswith(
        "Question:\n" + "<|vision_start|><|vision_end|>" * 2 + "What is it? <b><|im_end|>\n<|im_start|>assistant\n"
    )


def test_markers_that_disagree_name_the_sample_and_the_way_to_skip_it(processor: Any) -> None:
    with pytest.raises(
        UnusablePromptError, match=r"sample 'a': .*1 image marker for 2 images.*or set data.on_long: skip"
    ):
        Prompting().render(_ask("<image> What?", images=2), processor)


def test_a_template_that_repeats_the_question_is_refused_with_markers(tmp_path: Path) -> None:
    (tmp_path / "mine.jinja").write_text("{{ images }}{{ question }} {{ question }}")
    prompting = Prompting(template=str(tmp_path / "mine.jinja"))
    assert prompting.messages(_ask("What?"))[0]["content"][1]["text"] == "What? What?"
    with pytest.raises(ValueError, match=r"mine\.jinja' places the images 0, 0 of 1; use {{ images }}"):
        prompting.messages(_ask("<image> What?"))


@pytest.mark.parametrize("size", [(8, 2000), (2000, 8)])
def test_a_picture_that_the_processor_refuses_is_named_with_sample_and_size(
    processor: Any, size: tuple[int, int]
) -> None:
    sample = Sample("a", "What?", "r", "CT_SCAN", (picture(), picture(size=size)))
    told = rf"^sample 'a': picture of {size[0]} x {size[1]} is refused by the policy's processor \(.*ratio.*\); crop it"
    with pytest.raises(PictureShapeError, match=told):
        Prompting(max_pixels=4096).render(sample, processor)


def test_tags_of_the_grammar_are_no_special_tokens(processor: Any) -> None:
    assert not {"<think>", "<answer>", "<CT_SCAN>"} & set(special_tokens(processor).texts)
    assert {"<|image_pad|>", "<|im_end|>"} <= set(special_tokens(processor).texts)


def test_a_question_cannot_move_the_images() -> None:
    text = Prompting().text(_ask("\x00images\x00 What?"), images="[here]")
    assert text.endswith("[here]images What?")


def test_a_question_is_no_template() -> None:
    assert Prompting().text(_ask("{{ 7 * 7 }} {% raw %}")).endswith("{{ 7 * 7 }} {% raw %}")


def test_a_prompt_beyond_the_limit_names_sample_length_limit_and_remedy(processor: Any) -> None:
    """Image tokens count: the same question without its image fits."""
    sample = Sample("a", "What is it?", "r", "CT_SCAN", (picture(size=(128, 128)),))
    length = len(Prompting(template="short").render(sample, processor).token_ids)
    assert length > 16
    assert len(Prompting(template="short", max_prompt_tokens=length).render(sample, processor).token_ids) == length
    message = f"sample 'a' has {length} tokens with 1 images; max_prompt_tokens is {length - 1}. Raise it"
    with pytest.raises(PromptTooLongError, match=message):
        Prompting(template="short", max_prompt_tokens=length - 1).render(sample, processor)


def test_max_pixels_shortens_the_prompt(processor: Any) -> None:
    sample = Sample("a", "What?", "r", "CT_SCAN", (picture(size=(128, 128)),))
    whole, reduced = (Prompting(max_pixels=pixels).render(sample, processor) for pixels in (None, 64 * 64))
    assert len(whole.token_ids) - len(reduced.token_ids) == 16 - 4


def test_an_image_that_does_not_open_names_its_sample(processor: Any) -> None:
    with pytest.raises(PictureError, match=r"sample 'a': .*cannot be decoded"):
        Prompting().render(Sample("a", "q", "r", "CT_SCAN", (b"broken",)), processor)


def test_a_modality_outside_the_set_is_refused() -> None:
    with pytest.raises(ValueError, match="'CT_SCAN' is not in the modality set; known: MRI_SCAN"):
        Prompting(ModalitySet(["MRI_SCAN"])).messages(make_sample(0))


def test_a_template_that_opens_the_reasoning_has_that_opening_removed(processor: Any) -> None:
    """Otherwise a tag could never be the first text of a completion of a "thinking" checkpoint."""

    class Opening:
        tokenizer = processor.tokenizer

        def apply_chat_template(self, *args: Any, **kwargs: Any) -> str:
            return f"{processor.apply_chat_template(*args, **kwargs)}<think>\n"

        def __call__(self, **kwargs: Any) -> Any:
            return processor(**kwargs)

    assert (
        Prompting().render(_ask("What?"), Opening()).token_ids == Prompting().render(_ask("What?"), processor).token_ids
    )


def test_a_template_of_ones_own_is_read_from_its_path(tmp_path: Path) -> None:
    (tmp_path / "mine.jinja").write_text("{{ images }}Q: {{ question }} ({{ tags | length }} tags)")
    assert Prompting(template=str(tmp_path / "mine.jinja")).text(_ask("What?"), "[]") == "[]Q: What? (16 tags)"


def test_the_mark_that_an_editor_writes_is_no_part_of_a_template(tmp_path: Path) -> None:
    (tmp_path / "marked.jinja").write_text("{{ images }}Q: {{ question }}", encoding="utf-8-sig")
    assert Prompting(template=str(tmp_path / "marked.jinja")).text(_ask("What?"), "[]") == "[]Q: What?"


@pytest.mark.parametrize("text", ["{% if %}", "{{ wrong }}"])
def test_a_template_that_is_wrong_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.jinja").write_text(text)
    with pytest.raises(Exception, match=r"mine\.jinja|'wrong' is undefined"):
        Prompting(template=str(tmp_path / "mine.jinja")).text(_ask("What?"))


def test_an_unknown_template_lists_the_shipped_ones() -> None:
    with pytest.raises(ValueError, match=r"'long' cannot be read .*give medical, report, short"):
        Prompting(template="long").text(_ask("What?"))


def test_the_modalities_of_the_spec_are_taken_unless_they_contradict() -> None:
    two = ModalitySet(["CT_SCAN", "MRI_SCAN"])
    prompting = Prompting()
    prompting.use_modalities(two)
    assert prompting.modalities == two
    with pytest.raises(ValueError, match=r"prompting.modalities .* differ from model.modalities"):
        Prompting(two).use_modalities(ModalitySet())
