"""A fault of the model is told apart from one of a sample."""

import copy
from typing import Any

import pytest

from medix.data.processor_check import check_processor
from medix.data.prompt_errors import ProcessorError, RefusedPromptError
from medix.data.prompting import Prompting
from medix.types import Sample
from tests.data.conftest import picture


def _with_template(processor: Any, template: str | None) -> Any:
    changed = copy.copy(processor)
    changed.chat_template = template
    return changed


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (None, "has no chat template; give an instruction-tuned model"),
        ("{{ raise_exception('no user') }}", "refuses a question with an image (TemplateError: no user)"),
        ("{{ messages[0].content + 'text' }}", "refuses a question with an image (TypeError"),
        ("no picture", "has no place for an image (<|image_pad|>); give"),
    ],
)
def test_a_processor_that_takes_no_prompt_is_a_fault_of_the_model(
    processor: Any, template: str | None, told: str
) -> None:
    sample = Sample("a", "Which?", "left", "CT_SCAN", (picture(1),))
    for use in (check_processor, lambda changed: Prompting().render(sample, changed)):
        if use is not check_processor and template == "no picture":
            continue  # a run checks it once, at its start
        with pytest.raises(ProcessorError) as caught:
            use(_with_template(processor, template))
        assert str(caught.value).startswith("policy.name: ")
        assert told in str(caught.value)


def test_a_conversation_that_the_template_refuses_is_a_fault_of_its_sample(processor: Any) -> None:
    check_processor(processor)
    two = (
        "{% if messages[0].content | length > 3 %}{{ raise_exception('one image') }}{% endif %}"
        + processor.chat_template
    )
    sample = Sample("pair", "Which?", "left", "CT_SCAN", (picture(1), picture(2)))
    with pytest.raises(
        RefusedPromptError, match=r"sample 'pair': the chat template .*\(TemplateError: one image\).*skip"
    ):
        Prompting().render(sample, _with_template(processor, two))
