"""Which choice a reply names. Wordings are of the kinds in which real models reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.evaluation.option_rule import option_of

ORGANS = ("Stomach", "Liver", "Gallbladder", "Duodenum")
RHYTHMS = ("first degree block", "third degree block", "second degree type II block", "atrial flutter")
NUMBERS = ("1 and 2", "2 and 3", "3 and 4", "2, 3, and 4")
VITAMINS = ("vitamin A", "vitamin B", "vitamin C", "vitamin D")
BLOOD = ("O", "A", "B", "AB")
ARTICLE = ("A fracture", "A dislocation", "No finding")
TWICE = ("granular body", "gliosis", "granular body")
SEPTUM = ("Atrial septal defect (ASD)", "Patent ductus arteriosus (PDA)", "Coarctation of the aorta (COA)")
SIGNS = ("Gram + cocci", "↓ calcium", "HBsAg (-)", "C-reactive protein")
ARROWS = ("↓ ↓ ↓", "↑ ↓ normal", "↓ ↑ ↑", "↓ ↑ ↓")
GRADES = ("+", "-", "++", "none")


@pytest.mark.parametrize(
    ("answer", "choices", "letter"),
    [
        ("B", ORGANS, "B"),
        ("(b).", ORGANS, "B"),
        ("B.", ORGANS, "B"),
        ("**B**", ORGANS, "B"),
        ("**B** is correct.", ORGANS, "B"),
        ("B is the right answer", ORGANS, "B"),
        ("B. Liver", ORGANS, "B"),
        ("(B) Liver", ORGANS, "B"),
        ("B) liver", ORGANS, "B"),
        ("B - liver", ORGANS, "B"),
        ("**Liver**", ORGANS, "B"),
        ("The liver.", ORGANS, "B"),
        ("\\boxed{B}", ORGANS, "B"),
        ("\\[\\boxed{\\textbf{B}}\\]", ORGANS, "B"),
        ("#### Answer: B", ORGANS, "B"),
        ("Option B", ORGANS, "B"),
        ("B. gliosis", TWICE, "B"),
        ("D", VITAMINS, "D"),
        ("\uff22", ORGANS, "B"),
        ("肝", ("脾", "肝", "肾"), "B"),
        ("AB", BLOOD, "D"),
        ("2, 3, and 4", NUMBERS, "D"),
        ("A fracture", ARTICLE, "A"),
        ("Atrial septal defect (ASD)", SEPTUM, "A"),
        ("A. Atrial septal defect (ASD).", SEPTUM, "A"),
        ("Answer: D. ↓ ↑ ↓", ARROWS, "D"),
        ("Answer: A. +", GRADES, "A"),
        ("C reactive protein", ("C reactive protein", "CEA", "Ferritin"), "A"),
        # announced
        ("The answer is (B).", ORGANS, "B"),
        ("**Answer:** B", ORGANS, "B"),
        ("Answer:\nB. Liver", ORGANS, "B"),
        ("The correct answer is:\n\n**Liver**", ORGANS, "B"),
        ("The best answer is option B", ORGANS, "B"),
        ("The answer is 2, 3, and 4.", NUMBERS, "D"),
        ("The answer is HBsAg (-).", SIGNS, "C"),
        ("The answer is clearly malignant", ("clearly malignant", "malignant", "benign", "x"), "A"),
        # at the end of reasoning
        ("The rhythm is irregular. Therefore, the answer is (C).", RHYTHMS, "C"),
        ("The organ is large and smooth.\n\n**Final answer: B**", ORGANS, "B"),
        ("It stores bile.\n\nThe correct answer is gallbladder.", ORGANS, "C"),
        ("In conclusion, the most likely answer is C", ORGANS, "C"),
        ("It is large.\nAnswer: (C) Gallbladder", ORGANS, "C"),
    ],
)
def test_a_choice_that_is_the_whole_reply_or_its_last_sentence_is_named(
    answer: str, choices: tuple[str, ...], letter: str
) -> None:
    assert option_of(answer, choices) == "ABCD".index(letter)


@pytest.mark.parametrize(
    ("answer", "choices"),
    [
        ("", ORGANS),
        ("B", ()),
        ("B", ("x",) * 27),
        ("I cannot tell.", ORGANS),
        # another text, or another choice's
        ("E", ORGANS),
        ("B. Stomach", ORGANS),
        ("The answer is (B) stomach.", ORGANS),
        ("Enlarged liver", ORGANS),
        ("granular body", TWICE),
        ("A", TWICE),
        ("Answer: C", TWICE),
        ("Option 3", ("3", "20", "23", "46")),
        ("The answer is option 3", ("3", "20", "23", "46")),
        ("5 mV", ("5 MV", "6 MV")),
        ("102", ("10²", "10³")),
        ("aa", ("AA", "Aa", "BB")),
        *((text, ("+", "-", "*", "/")) for text in ("$", "**", "Answer:", "The answer is", "_")),
        *((text, ("IgM", "IgA", "IgG", "IgE")) for text in ("E", "(E)", "M", "F")),
        # "option" behind a full stop that ends no sentence, or behind what excludes it
        *(
            (f"{text}option D", ORGANS)
            for text in ("I can exclude one, i.e. ", "It is contraindicated (cf. ", "Anything but... ", "All, excl. ")
        ),
        ("This excludes exactly one. Option D.", ORGANS),
        ("It is large, i.e. the answer is D", ORGANS),
        ("C. gliosis", TWICE),
        ("A", BLOOD),
        *(
            (text, choices)
            for text in ("A", "(A)", "The answer is A.", "a", "A is correct.")
            for choices in (("B型", "A型", "AB型", "O型"), ("B형", "A형", "O형", "AB형"), ("维生素D", "维生素A", "铁"))
        ),
        ("A\nliver", ("liver", "a liver")),
        ("B", ("Liver", "liver.", "Spleen")),
        ("应该是胰腺. The answer is C.", ("脾", "胰腺", "肝", "肾")),
        ("Therefore, the answer is B.", BLOOD),
        ("A stomach", ORGANS),
        ("The answer is A fracture.", ORGANS),
        ("The answer is Gram - cocci.", SIGNS),
        ("↑ calcium", SIGNS),
        ("The answer is HBsAg (+).", SIGNS),
        ("Answer: D. ↓ ↑ ↑", ARROWS),
        ("The answer is D: ↓ ↓ ↓", ARROWS),
        ("Answer: A. -", GRADES),
        ("Choose C. difficile", ORGANS),
        ("Answer: C. Difficile", ("Clostridium difficile", "Entamoeba histolytica", "Giardia lamblia")),
        ("Answer: A: No change", ("Erythema", "Depigmentation", "Carcinomas", "No change")),
        ("The answer is B. Amoxicillin", ("Amoxicillin", "Amoxicillin-clavulanic acid")),
        ("A. Atrial septal defect", SEPTUM),
        # several
        ("A and B is correct.", ORGANS),
        ("The answer is A or B.", ORGANS),
        ("A (C)", ORGANS),
        ("B\n\nC", ORGANS),
        ("Na and Ca", ("Na", "K", "Ca", "Mg")),
        ("The answer is surgery and radiotherapy.", ("Surgery", "Surgery + radiotherapy", "Chemotherapy")),
        ("The answer is B, not A.", ORGANS),
        # denied, doubted, conditional
        ("B is not correct.", ORGANS),
        ("B is probably correct.", ORGANS),
        ("B is correct?", ORGANS),
        ("B is right.", ORGANS),
        ("The answer is not (B).", ORGANS),
        ("Not B", ORGANS),
        ("Anything but option C.", ORGANS),
        ("I would choose anything but option C.", ORGANS),
        ("The wrong answer is A.", ORGANS),
        ("The least likely answer is A", ORGANS),
        ("The answer could be B", ORGANS),
        ("If she has a fever, the answer is A", ORGANS),
        ("I don't think the answer is A", ORGANS),
        ("Answer: A?", ORGANS),
        ("❌ C. Gallbladder", ORGANS),
        ("C. Gallbladder ✗", ORGANS),
        ("~~B~~", ORGANS),
        ('{"option": "D", "correct": false}', ORGANS),
        ("答案不是(B)。", ORGANS),
    ],
)
def test_another_reply_names_none(answer: str, choices: tuple[str, ...]) -> None:
    assert option_of(answer, choices) is None


@pytest.mark.parametrize(
    "text",
    [
        "I take that back.",
        "My answer is wrong.",
        "Nope, something else.",
        "Let me think again.",
        "That's not right.",
        "A is incorrect.",
        "It is enlarged.",
        "Option D (Duodenum) is seen in others.",
        "Explanation: it is large.",
        "Question: Which is next?\nAnswer: D",
        "### Question 2\nIt stores bile.\n### Answer\nA",
        "Question 2. It stores bile.\nAnswer: C",
        "The answer is D.",
        "C",
    ],
)
@pytest.mark.parametrize("said", ["B", "The answer is (B).", "The answer is hepar.", "B. Liver", "hepar"])
@pytest.mark.parametrize("between", [" ", "\n", "\n\n"])
def test_what_follows_an_answer_leaves_it_to_the_judge(said: str, text: str, between: str) -> None:
    assert option_of(f"{said}{between}{text}", ORGANS) is None


@pytest.mark.parametrize(
    "text",
    [
        "D is incorrect.",
        "Option b. It is large.",
        "b\nIt is large.",
        "应该选B.",
        "Option \uff22.",
        "A seems right.",
        "It is not (A) but (C).",
        "The gallbladder is large.",
        "It is the duodenum.",
        "Many say that",
        "These are wrong:",
        "Is it large?",
        "This is correct.",
        "Another question.",
        "A. It is large.",
        "It is the first kind.\n\nA boy has had a fever for two days.",
        "1. It is large.",
    ],
)
def test_reasoning_that_speaks_of_a_choice_or_of_another_answer_leaves_what_follows_to_the_judge(text: str) -> None:
    for between in (" ", "\n"):
        assert option_of(f"{text}{between}Answer: D", ORGANS) is None
    assert option_of("It is large.\nAnswer: D", ORGANS) == 3
    assert option_of("The level is ↓ ↑ ↓.\nAnswer: A", ARROWS) is None


@pytest.mark.parametrize("answer", ["B", "Liver", "The answer is (B).", "It is large. The answer is B"])
def test_a_text_that_was_cut_names_none(answer: str) -> None:
    assert option_of(answer, ORGANS) == 1
    assert option_of(answer, ORGANS, is_cut=True) is None


WORDS = st.text(alphabet="ghijklmnop", min_size=4, max_size=8)


@given(st.lists(WORDS, min_size=2, max_size=6, unique=True), st.data())
def test_a_letter_with_another_text_names_no_choice(texts: list[str], data: st.DataObject) -> None:
    own, other = data.draw(st.permutations(range(len(texts))))[:2]
    letter, text = "ABCDEF"[own], texts[other]
    wordings = [
        f"{letter}, {text}",
        f"{letter} - {text}",
        f"Answer: {letter}: {text}",
        f"It is {text}. Therefore {letter}.",
        f"It is {text}. The answer is {letter}.",
    ]
    for wording in (*wordings, f"Answer: {letter}\n\nExplanation: The answer is {text}.", f"Option {letter} ({text})"):
        assert option_of(wording, texts) is None, wording


@given(st.lists(WORDS, min_size=2, max_size=9, unique=True), st.data())
def test_each_plain_wording_names_its_choice(texts: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(texts) - 1))
    letter, text = "ABCDEFGHI"[place], texts[place]
    choices = [letter, f"({letter})", f"{letter}.", f"{letter}. {text}", f"({letter}) {text}", text, f"**{text}**"]
    for choice in choices:
        for lead in ("", "Answer: ", "The answer is ", "The correct answer is ", "It is a sign. Final answer: "):
            assert option_of(lead + choice, texts) == place, lead + choice


@given(st.lists(WORDS, min_size=2, max_size=6, unique=True), st.text(max_size=60), st.text(max_size=20))
def test_a_text_around_a_choice_names_none(texts: list[str], before: str, after: str) -> None:
    kept = "".join(char for char in before if not char.isascii() or not char.isalpha())
    assert option_of(kept, texts) is None
    assert option_of(f"{before} x{texts[0]} {after}", texts) is None


@pytest.mark.parametrize("filler", [" ", "\n", ". ", "\n\t", "*", "Answer: ", "the best ", "(", "A. ", "answer is "])
def test_the_time_of_a_long_reply_grows_with_its_length(filler: str) -> None:
    assert option_of(f"x{filler * (200_000 // len(filler))}x", ORGANS) is None


def test_a_reply_that_is_also_the_text_of_another_choice_is_not_clear() -> None:
    assert option_of("A is correct.", ["r is correct", "a is correct", "both", "none"]) is None
    assert option_of("B is correct.", ["r is correct", "a is correct", "both", "none"]) == 1
    assert [option_of(text, ["a", "c", "bc", "ad"]) for text in ("C", "C is correct.", "c", "D")] == [
        None,
        None,
        None,
        3,
    ]


@pytest.mark.parametrize(
    "said", ["Final answer: {}", "My answer is {}", "**Final answer: {}**", "The right answer is {}"]
)
@pytest.mark.parametrize("mark", ["", ".", "!", ",", ";"])
def test_a_letter_that_is_the_text_of_another_choice_names_none_whatever_stands_around_it(said: str, mark: str) -> None:
    assert option_of(said.format(f"A{mark}"), ["AB", "A", "B", "O"]) is None
    assert option_of(said.format(f"D{mark}"), ["AB", "A", "B", "O"]) in {3, None}


@pytest.mark.parametrize(
    ("choice", "other"),
    [
        (r"$C = \frac{D}{V} k$", r"$C = \frac{D}{V k}$"),
        ("2^{n}+1", "2^{n+1}"),
        ("e^{-k}t", "e^{-kt}"),
        (r"\sqrt{a}b", r"\sqrt{ab}"),
        ("x_{a}b", "x_{ab}"),
    ],
)
def test_the_braces_of_a_formula_are_a_part_of_it(choice: str, other: str) -> None:
    for said in ("{}", "The answer is {}", "A. {}", r"\boxed{{{}}}", r"\text{{\textbf{{{}}}}}"):
        assert option_of(said.format(choice), [choice, "0", "1"]) == 0
        assert option_of(said.format(other), [choice, "0", "1"]) is None


def test_a_single_choice_can_be_named() -> None:
    assert [option_of(text, ["a cyst"]) for text in ("A", "a cyst", "B")] == [0, 0, None]
