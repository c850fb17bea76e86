"""How items are asked: the template of medix, a model's card, or nothing around the question."""

from medix.data.prompting import Prompting
from medix.evaluation.prompts import message_parts, prompt_version, prompting_of, sample_of
from medix.policy.asking import Asking, FrameText
from tests.support.evaluations import item, picture

CARD = Asking(
    with_images=(FrameText("Tag: <CT_SCAN>, <X_RAY>.\n\n"), None, FrameText("Q: ", "\nThink.", asks=True)),
    text_only=(FrameText("Q: ", "\nThink.", asks=True),),
    max_pixels=1024,
)
IMAGES = (picture("a.png", b"a"), picture("b.png", b"b"))


def shown(prompting: Prompting, **fields: object) -> list[str]:
    return [part.get("text", "[image]") for part in message_parts(prompting, item(**fields))]  # type: ignore[arg-type]


def test_plain_is_the_question_with_its_images_in_front_or_where_it_marks_them() -> None:
    plain = prompting_of("plain", None)
    assert shown(plain) == ["Which side?"]
    assert shown(plain, images=IMAGES) == ["[image]", "[image]", "Which side?"]
    marked = shown(plain, question="First <image 2>, then <image 1>?", images=IMAGES)
    assert marked == ["First ", "[image]", ", then ", "[image]", "?"]


def test_medix_is_the_template_of_training_and_tags_are_asked_for_with_images_only() -> None:
    (text,) = shown(prompting_of("medix", None))
    assert "<answer>" in text
    assert "<CT_SCAN>" not in text
    assert "<CT_SCAN>" in shown(prompting_of("medix", None), images=IMAGES)[0]


def test_a_card_frames_the_question_as_it_states() -> None:
    card = prompting_of("medix", CARD)
    assert shown(card) == ["Q: Which side?\nThink."]
    assert shown(card, images=IMAGES) == [
        "Tag: <CT_SCAN>, <X_RAY>.\n\n", "[image]", "[image]", "Q: Which side?\nThink.",
    ]  # fmt: skip
    marked = shown(card, question="<image 1> or <image 2>?", images=IMAGES)
    assert marked == ["Tag: <CT_SCAN>, <X_RAY>.\n\nQ: ", "[image]", " or ", "[image]", "?\nThink."]
    assert tuple(card.modalities) == ("CT_SCAN", "X_RAY")
    assert card.pictures.max_pixels == 1024


def test_plain_keeps_the_tags_and_the_image_sizes_of_a_card() -> None:
    plain = prompting_of("plain", CARD)
    assert shown(plain, images=IMAGES) == ["[image]", "[image]", "Which side?"]
    assert (tuple(plain.modalities), plain.pictures.max_pixels) == (("CT_SCAN", "X_RAY"), 1024)


def test_an_unknown_modality_does_not_make_a_question_text_only() -> None:
    modalities = prompting_of("medix", None).modalities
    assert sample_of(item(images=IMAGES), modalities).modality == "X_RAY"
    assert sample_of(item(images=IMAGES, modality="CT_SCAN"), modalities).modality == "CT_SCAN"
    assert sample_of(item(modality="CT_SCAN"), modalities).modality is None


def test_versions_tell_prompts_apart() -> None:
    versions = {prompt_version(name, prompting_of(name, card)) for name in ("medix", "plain") for card in (None, CARD)}
    assert len(versions) == 3  # a plain prompt is the same with and without a card
    assert prompt_version("plain", prompting_of("plain", None)).startswith("plain/")
