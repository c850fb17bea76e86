"""The section of a model card that says how to ask the model, with code for plain transformers."""

from collections.abc import Iterator
from typing import Any

from medix.policy.asking import Asking, Frame, pixel_limits

_CODE = """\
```python
import math, re
from PIL import Image, ImageOps
from transformers import AutoModelForImageTextToText, AutoProcessor

folder = "."  # this folder, or its name on a hub
model, processor = AutoModelForImageTextToText.from_pretrained(folder), AutoProcessor.from_pretrained(folder)

def picture(file):
    image = ImageOps.exif_transpose(Image.open(file)).convert("RGBA")
    image = Image.alpha_composite(Image.new("RGBA", image.size, "{background}"), image).convert("RGB")
{resize}    return image

def ask(question, *files):
    if re.search("(?i)<image([ _]?[0-9]+)?>", question):
        raise ValueError("the question places its images itself; this code puts them where the others have them")
    content = [*({{"type": "image", "image": picture(file)}} for file in files), {{"type": "text", "text": question}}]
    inputs = processor.apply_chat_template(
        [{{"role": "user", "content": content}}], add_generation_prompt=True, tokenize=True, return_dict=True,
        processor_kwargs={processor},
    ).to(model.device, model.dtype)
    tokens = model.generate(**inputs, do_sample=False{stop})[0].tolist()
    tokens = [token for token in tokens[inputs["input_ids"].shape[1]:] if token not in {ends}]
    # without end tokens, but with other special tokens: some tokenizers have tags such as <answer> among them
    text = processor.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text{cut}
```"""

_CUT = "[: min((text.index(stop) + len(stop) for stop in {stops} if stop in text), default=None)]"

_RESIZE = """\
    {word} image.width * image.height {sign} {pixels}:
        scale = math.sqrt({pixels} / (image.width * image.height))
        size = max(1, math.{rounding}(image.width * scale)), max(1, math.{rounding}(image.height * scale))
        image = image.resize(size, Image.Resampling.BICUBIC)
"""


def usage(asking: Asking, policy: Any) -> list[str]:
    """Lines of the card: what a prompt is made of, and code that asks as the run did.

    Args:
        asking: how the policy was asked.
        policy: the policy, whose processor is as it was in training.
    """
    trained = pixel_limits(policy.processor)
    code = _CODE.format(
        background=asking.background,
        resize=_resizing(asking),
        processor=_processor_arguments(asking, trained),
        stop=", tokenizer=processor.tokenizer" if asking.stop else "",
        # an end token that is a tag of the grammar stays, as in what the run recorded
        ends=tuple(token for token in policy.eos_token_ids if not policy.text_of([token])),
        cut=_CUT.format(stops=list(asking.stop)) if asking.stop else "",
    )
    return ["## How to ask it", "", *_facts(asking, trained), "", code, "", *_prompts(asking)]


def _resizing(asking: Asking) -> str:
    """The resizing of ``medix.data.picture`` as code."""
    kinds = ((asking.max_pixels, ">", "floor"), (asking.min_pixels, "<", "ceil"))
    given = [(pixels, sign, rounding) for pixels, sign, rounding in kinds if pixels is not None]
    return "".join(
        _RESIZE.format(word="elif" if n else "if", pixels=pixels, sign=sign, rounding=rounding)
        for n, (pixels, sign, rounding) in enumerate(given)
    )


def _processor_arguments(asking: Asking, trained: dict[str, int] | None) -> str:
    if trained is None or asking.size(trained) == trained:
        return '{"return_tensors": "pt"}'
    return f'{{"return_tensors": "pt", "size": {trained}}}'.replace("'", '"')


def _facts(asking: Asking, trained: dict[str, int] | None) -> Iterator[str]:
    yield (
        "The chat template of this folder writes the prompt of the training around the question, so give it the "
        "question and the images alone. `medix.json` has the same for other programs."
    )
    limits = [
        f"{word} {pixels:,} pixels"
        for word, pixels in (("at least", asking.min_pixels), ("at most", asking.max_pixels))
        if pixels is not None
    ]
    if limits:
        yield ""
        yield f"Images were resized to {' and '.join(limits)} before the processor saw them. " + (
            "Its processor does nearly the same by itself; the code below does exactly the same."
            if trained is not None
            else "Its processor cannot hold such a limit: resize images as the code below does."
        )
    yield ""
    yield (
        "Transparent pixels become "
        f"{asking.background}. Questions that place their images themselves (`<image>`) need a message of their own. "
        "Images of more than eight bits a channel have to be converted to eight bits first. "
        "Answers are sampled with "
        + (
            f"temperature {asking.temperature:g} and top_p {asking.top_p:g}"
            if asking.temperature
            else "greedy decoding"
        )
        + f", up to {asking.max_completion_tokens} tokens, unless `generate` is told otherwise; below, greedily."
    )


def _prompts(asking: Asking) -> Iterator[str]:
    for title, frame in (("with images", asking.with_images), ("of text alone", asking.text_only)):
        yield f"The user message {title}:"
        yield ""
        yield _fenced(frame)
        yield ""


def _fenced(frame: Frame) -> str:
    """The message as a block of code, with fences longer than any run of backticks in it."""
    texts = []
    for part in frame:
        if part is None:
            texts.append("{images}")
        else:
            texts.append(part.text + ("{question}" if part.asks else "") + part.after)
    text = "".join(texts)
    fence = "`" * max(3, 1 + max((len(run) for run in _backticks(text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def _backticks(text: str) -> list[str]:
    runs = "".join(letter if letter == "`" else " " for letter in text)
    return runs.split()
