"""The card's own code, run as a reader would run it, answers as the policy does."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from medix.data.prompting import Prompting
from medix.export.asking import asking_of
from medix.export.usage import usage
from medix.policy.export import export
from medix.policy.tiny import build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import EvaluationSampling, Sampling
from medix.rollout.local import LocalEngine
from medix.types import Sample
from tests.support.tiny import ARCHITECTURES, picture


class Run:
    """A policy with its prompts, and its exported folder."""

    def __init__(
        self, folder: Path, architecture: str, prompting: Prompting, *, marks_tags: bool = False, **sampling: Any
    ) -> None:
        name = build_tiny(architecture, folder / "policy")  # type: ignore[arg-type]
        if marks_tags:
            mark_every_added_token(name)
        self.policy = VisionLanguagePolicy(str(name))
        self.policy.load()
        self.policy.eval()
        self.prompting = prompting
        self.evaluation = EvaluationSampling(**{"temperature": 0.0, "max_completion_tokens": 8, **sampling})
        asking = asking_of(prompting, self.evaluation, self.policy.processor)
        self.card = "\n".join(usage(asking, self.policy))
        self.folder = export(self.policy, folder / "exported", self.card, asking)

    def answers(self, samples: list[Sample]) -> list[str]:
        """What ``predict`` would write."""
        prompts = [self.prompting.render(one, self.policy.processor, index) for index, one in enumerate(samples)]
        engine = LocalEngine(Sampling())
        engine.bind(self.policy)
        return [group.completions[0].text for group in engine.rollout(prompts, sampling=self.evaluation)]

    def code(self) -> dict[str, Any]:
        """The names that the card's block of code defines."""
        block = re.search(r"```python\n(.*?)```", self.card, re.DOTALL)
        assert block is not None
        names: dict[str, Any] = {}
        exec(block[1].replace('folder = "."', f"folder = {str(self.folder)!r}"), names)
        return names


def mark_every_added_token(folder: Path) -> None:
    """Mark tags such as ``<answer>`` as special, as some published tokenizers do."""
    for file, key in (("tokenizer.json", "added_tokens"), ("tokenizer_config.json", "added_tokens_decoder")):
        settings = json.loads((folder / file).read_text())
        found = settings.get(key, [])
        for token in found.values() if isinstance(found, dict) else found:
            token["special"] = True
        (folder / file).write_text(json.dumps(settings))


def sample(name: str, question: str, *images: bytes) -> Sample:
    return Sample(name, question, "left", "CT_SCAN" if images else None, images)


def transparent() -> bytes:
    target = io.BytesIO()
    Image.open(io.BytesIO(picture(5, 80, 80))).convert("RGBA").save(target, "PNG")
    image = Image.open(target)
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


SAMPLES = [
    sample("text", " Is a fracture seen?\x07\n"),
    sample("small", "What is shown?", picture(1, 20, 30)),
    sample("large", "Is the left lung normal?", picture(2, 190, 130)),
    sample("rounded up", "Which organ?", picture(3, 48, 85)),  # 4,080 pixels, which Qwen's processor makes 6,144
    sample("two", "Which <|im_end|><end_of_turn> image is brighter?", picture(4, 64, 96), transparent()),
]


@pytest.mark.parametrize(
    ("architecture", "template"), [*((name, "short") for name in ARCHITECTURES), ("qwen3_vl", "medical")]
)
def test_the_code_of_the_card_answers_as_predict_does(tmp_path: Path, architecture: str, template: str) -> None:
    run = Run(tmp_path, architecture, Prompting(template=template, max_pixels=4096, min_pixels=1000))
    expected = run.answers(SAMPLES)
    ask = run.code()["ask"]
    assert [ask(one.question, *map(io.BytesIO, one.images)) for one in SAMPLES] == expected
    assert len(set(expected)) > 1, "answers that are all alike would show nothing"


def test_the_code_of_the_card_shows_tags_that_are_special_tokens_and_ends_where_predict_does(tmp_path: Path) -> None:
    run = Run(tmp_path, "qwen3_vl", Prompting(template="short"), marks_tags=True, max_completion_tokens=40)
    shown = next(text for text in run.answers(SAMPLES) if "<" in text)
    stop = shown[: shown.index(">") + 1][-3:-1]  # inside a token, whose rest predict leaves out
    (tmp_path / "stops").mkdir()
    sampling = {"max_completion_tokens": 40, "stop": (stop,)}
    run = Run(tmp_path / "stops", "qwen3_vl", Prompting(template="short"), marks_tags=True, **sampling)
    expected = run.answers(SAMPLES)
    ask = run.code()["ask"]
    assert [ask(one.question, *map(io.BytesIO, one.images)) for one in SAMPLES] == expected
    assert any(text.endswith(stop) for text in expected)
    assert any("<" in text for text in expected)
    with pytest.raises(ValueError, match="the question places its images itself"):
        ask("Before: <image> After: <image 2>")


def test_the_folder_alone_frames_the_question_and_limits_images(tmp_path: Path) -> None:
    prompting = Prompting(template="medical", max_pixels=4096)
    run = Run(tmp_path, "qwen3_vl", prompting)
    processor = AutoProcessor.from_pretrained(run.folder)
    for one in SAMPLES:
        content = [{"type": "image"} for _ in one.images] + [{"type": "text", "text": one.question}]
        text = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        ours = prompting.render(one, run.policy.processor)
        image_token = run.policy.processor.image_token
        assert text.count(image_token) == len(one.images)
        written = run.policy.processor.tokenizer.decode(ours.token_ids)
        assert re.sub(f"({re.escape(image_token)})+", image_token, written) == text
    assert processor.image_processor.size["longest_edge"] == 4096
    image = Image.open(io.BytesIO(picture(2, 190, 130))).convert("RGB")
    patches = processor(text=[processor.image_token], images=[image], return_tensors="pt")["pixel_values"]
    assert len(patches) * 16**2 <= 4096


def test_medix_continues_from_an_exported_folder_with_the_same_prompts(tmp_path: Path) -> None:
    prompting = Prompting(template="medical", max_pixels=4096)
    run = Run(tmp_path, "qwen3_vl", prompting)
    again = VisionLanguagePolicy(str(run.folder))
    for one in SAMPLES:
        before, after = (prompting.render(one, policy.processor) for policy in (run.policy, again))
        assert before.token_ids == after.token_ids
        assert all(torch.equal(before.inputs[name], after.inputs[name]) for name in before.inputs)


def test_generate_samples_as_the_evaluation_did_and_never_a_placeholder(tmp_path: Path) -> None:
    run = Run(tmp_path, "gemma3", Prompting(template="short"))
    settings = json.loads((run.folder / "generation_config.json").read_text())
    assert settings["do_sample"] is False
    assert settings["max_new_tokens"] == 8
    assert settings["suppress_tokens"] == list(run.policy.banned_token_ids)
    assert settings["eos_token_id"] == list(run.policy.eos_token_ids)
    AutoModelForImageTextToText.from_pretrained(run.folder).generation_config.validate(strict=True)
    said = json.loads((run.folder / "medix.json").read_text())
    assert said["sampling"]["max_new_tokens"] == 8
    assert said["prompt"]["with_images"] == [{"type": "images"}, {"type": "question", "before": "", "after": ""}]


def test_a_template_that_repeats_the_question_cannot_be_exported(tmp_path: Path) -> None:
    template = tmp_path / "twice.jinja"
    template.write_text("{{ images }}{{ question }} Again: {{ question }}")
    with pytest.raises(ValueError, match=r"prompting.template: .*twice.jinja: the prompt is not one text around"):
        Run(tmp_path, "smolvlm", Prompting(template=str(template)))
