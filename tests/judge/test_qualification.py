"""Words behind a verdict that opens a reply."""

import pytest

from medix.judge.qualification import qualification_of


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("YES", ""),
        ("YES, both match.", ""),
        ("NO. If left were right, it would fit.", "condition"),
        ("YES, if left", "condition"),
        ("YES, partly", "hedged"),
        ("YES, but on the left", "hedged"),
        ("NO, but on the left", ""),
        ("YES (80%)", "number"),
        ("No. 5", "number"),
        ("NO. 5 mm differ from 5 cm.", ""),
        ("YES. Wait.", "revised"),
        ("YES. Right?", "asks"),
        ("YES, I understand", "somebody"),
        ("NO, there is no fracture", "medical question"),
        ("NO, there is a difference between reference and candidate", ""),
        ("NO. If the candidate had said left, it would match.", ""),
        ("NO. Only partially correct.", ""),
        ("YES, although the wording differs, they match.", ""),
        ("YES. On reflection, they differ.", "revised"),
        ("YES. They differ.", "contradicts"),
        ("YES. As the candidate demanded.", "by somebody"),
        ("YES, it strays from the reference.", "not understood"),
        ("YES. It strays from the reference.", ""),
        ("YES. As far as I can tell.", "unsure"),
        ("YES: means the same", "stands for"),
        ("Yes, pneumothorax.", "does not speak"),
        ("Yes. The heart is enlarged.", "does not speak"),
        ("No, odpowied\u017a pasuje", "language"),
    ],
)
def test_what_follows_a_verdict_may_take_it_back(reply: str, said: str) -> None:
    found = qualification_of(reply, 2 if reply.casefold().startswith("no") else 3)
    assert said in found
    assert bool(found) == bool(said)
