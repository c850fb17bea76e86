"""Options in questions, and which of them a text names."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.options import (
    Options,
    begins_with_bare_a,
    choice_letter,
    is_letter_and_text,
    read_options,
    without_emphasis,
)

LINES = "Which test is best?\nA. ultrasound\nB. CT scan\nC. MRI\nD. X-ray"
XYZ = {"A": "x-ray", "B": "MRI scan", "C": "biopsy"}


@pytest.mark.parametrize(
    "question",
    [
        "Which?\nA. x-ray\nB. MRI scan\nC. biopsy",
        "Which?\nA) x-ray\nB) MRI scan\nC) biopsy\n",
        "Which?\n(A) x-ray\n(B) MRI scan\n(C) biopsy",
        "Which?\n  A: x-ray\n  B: MRI scan\n  C: biopsy\n\n",
        "Which?\nA.x-ray\nB.MRI scan\nC.biopsy",
        "Which?\na. x-ray\nb. MRI scan\nc. biopsy",
        "Which?\n\uff08A\uff09x-ray\n\uff08B\uff09MRI scan\n\uff08C\uff09biopsy",
        "Which?\nA\u3001x-ray\nB\u3001MRI scan\nC\u3001biopsy",
        "Which?\n\u3000\uff21\uff0ex-ray\n\u3000\uff22\uff0eMRI scan\n\u3000\uff23\uff0ebiopsy",
        "Which?\n> **A.** x-ray\n> **B**: MRI scan\n> * C) biopsy",
        "A. x-ray\nB. MRI scan\nC. biopsy",
        "Deficiency of vitamin A. Which test?\nA. x-ray\nB. MRI scan\nC. biopsy",
    ],
)
def test_options_are_read_however_they_are_listed(question: str) -> None:
    options = read_options(question)
    assert options is not None
    assert dict(options.texts) == XYZ


@pytest.mark.parametrize(
    "question",
    [
        "Which?\nA. **x-ray**\nB.**MRI scan**\nC. `biopsy`",
    ],
)
def test_options_that_stay_with_marks_of_markdown_are_named_by_their_texts(question: str) -> None:
    options = options_of(question)
    for letter, text in XYZ.items():
        assert {options.letter_of(form) for form in (letter, text, f"**{text}**", f"{letter}. {text}")} == {letter}


def test_options_in_quotes_are_named_by_their_letters() -> None:
    options = options_of("Which?\nA: 'x-ray'\nB: 'MRI scan'\nC: 'biopsy'")
    assert [options.letter_of(letter) for letter in XYZ] == list(XYZ)
    assert {options.letter_of(text) for text in XYZ.values()} == {None}


@pytest.mark.parametrize(
    "question",
    [
        "Which?\uff08A\uff09x-ray\uff08B\uff09MRI scan\uff08C\uff09biopsy",
        "Which? A\u3001x-ray B\u3001MRI scan\uff0c C\u3001biopsy",
        "Which? A\uff1ax-ray\uff1b B\uff1aMRI scan\uff1b C\uff1abiopsy",
        "Which? A. x-ray B. MRI scan C. biopsy",
        "Which? - A. x-ray - B. MRI scan - C. biopsy",
        "Which? A. x-ray | B. MRI scan | C. biopsy",
        "Which? A. x-ray<br>B. MRI scan<br>C. biopsy",
        "Which?\n- a) x-ray\n- b) MRI scan\n- c) biopsy\nAnswer: a) or b)?",
        "Which? A) x-ray, B) MRI scan, C) biopsy",
        "Which? (A) x-ray; (B) MRI scan; (C) biopsy",
        "Which? (a) x-ray (b) MRI scan (c) biopsy",
        "Which? a) x-ray b) MRI scan c) biopsy",
        "Which? Options: A: x-ray, B: MRI scan, C: biopsy\nAnswer with the letter.",
        "Which?\nA. x-ray  B. MRI scan\nC. biopsy",
        "Which ion? sodium (A) potassium (B) chloride (C) calcium (D)",  # letters behind their texts
        "Which ion? sodium\n(A) potassium\n(B) chloride\n(C)",
        "Which?\nsodium (A)\npotassium (B)\nchloride (C)",
        "Which?\nA. rest\nB. drainage\nC. antibiotics\n   and drainage",  # in two lines
        "Which?\nA. rest\nB. antibiotics\n   and drainage\nC. drainage",
        "Panels:\nA. CT\nB. MRI\n\nWhich is without radiation? (A) MRI (B) CT",
        "Panels:\nA. CT\nB. MRI\n\nWhich modality is panel B?",
        "Which?\nA. x-ray\nB. MRI scan\n\nAnswer with the letter of the option.",
        "Is there a fracture?",
        "What is seen? A. fracture",  # one is no list
        "Which?\nB. x\nC. y",  # not from A on
        "Which?\nA. x\nC. y",  # a gap
        "Which?\nA. x\nB. y\nB. z",
        "Which?\nA. lung\nB. Lungs.\nC. heart",  # two of the same words
        "Which?\nA. \nB. y\nC. z",  # one of no words
        "Hepatitis B. Which? A. x B. y",  # could begin at two places
        "Vitamin A. Which? A. x B. y",
        "Which? a. x b. y",  # inside a line a small letter and a point end a sentence
        "Which?\n1. x\n2. y",
        "\u7ef4\u751f\u7d20A\u3001B\u3001C\u3001D",  # vitamins A, B, C and D
        "Which of A\u3001B\u3001C is it?",
        "Is it \uff08A\uff09x\uff08B\uff09y\uff08C\uff09z\uff1f",
        "Which?\nA. x\nb. y",
        "Which?\nFinding A: x\nFinding B: y\nFinding C: z",  # what stands in front is of no known kind
        "Given\na = 5\nb = 7",
        "Which? {'A': 'x', 'B': 'y', 'C': 'z'}",
        "Which?\nOption A: x\nOption B: y\nOption C: z",
        "Which?\n1. A. x\n2. B. y\n3. C. z",
        "Blood group?\nA. B\nB. A\nC. AB\nD. O",  # a letter but the first stands elsewhere too
        "Which?\nA. fever\nB. cough\nC. A and B\nD. none of the above",
        *(
            f"Which is without radiation? {other}\n\nPanels:\nA. CT\nB. MRI"
            for other in (
                "(A) MRI (B) CT",
                "A: MRI, B: CT",
                "[A] MRI [B] CT",
                "MRI (a), CT (b)",
                "A MRI\nB CT",
                "(1) B (2) A",
            )
        ),
        *(
            f"Panels:\nA. CT\nB. MRI{end}Which is without radiation? (A) MRI (B) CT"
            for end in (" ", "<br>", "\r", "\x0b", "\x0c", "\x85", "\u2028", "\u2029")
        ),
        "",
    ],
)
def test_what_is_no_clear_list_is_none(question: str) -> None:
    assert read_options(question) is None


def options_of(question: str) -> Options:
    options = read_options(question)
    assert options is not None
    return options


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        ("(b)", "B"),
        ("B.", "B"),
        ("B)", "B"),
        ("**B**", "B"),
        ("B. CT scan.", "B"),
        ("(B) CT scan.", "B"),
        ("B) the CT scan", "B"),
        ("B: CT scan", "B"),
        ("B - CT scan", "B"),
        ("Answer: B", "B"),
        ("The correct answer is (B).", "B"),
        ("option b", "B"),
        ("The answer is B. CT scan", "B"),
        ("the CT scan", "B"),
        ("The CT scan.", "B"),
        ("a CT scan", None),  # "a" may be the letter
        ("A CT scan", None),
        ("A ultrasound", None),
        ("A", "A"),
        ("a", "A"),
        ("X-ray.", "D"),
        ("X-ray", "D"),
        ("E", None),
        ("B. MRI", None),  # the letter of one, the text of another
        ("B. PET scan", None),
        ("A and B", None),
        ("A, B", None),
        ("B/C", None),
        ("A. ultrasound B. CT scan", None),
        ("CT scan or MRI", None),
        ("not B", None),
        ("B because CT is quick", None),
        ("CT", None),
        ("", None),
        (" ", None),
        ("B\n\nIgnore the above", None),
        ("B" * 3000, None),
    ],
)
def test_a_text_names_one_option_or_none(text: str, letter: str | None) -> None:
    assert options_of(LINES).letter_of(text) == letter


def test_a_letter_that_is_the_text_of_another_option_is_unclear() -> None:
    crossed = Options({"A": "B", "B": "A", "C": "AB", "D": "O"})
    assert {crossed.letter_of(letter + mark) for letter in "AB" for mark in ("!", ",", ";", "..", ")!", "'")} == {None}
    assert [crossed.letter_of(text) for text in ("A", "B", "C", "AB", "O", "A. B", "B. A")] == [
        None, None, "C", "C", "D", "A", "B",
    ]  # fmt: skip
    straight = Options({"A": "A", "B": "B", "C": "AB", "D": "O"})
    assert [straight.letter_of(text) for text in ("A", "B", "AB", "O")] == ["A", "B", "C", "D"]


def test_an_option_that_opens_with_an_article_is_named_by_its_text() -> None:
    options = options_of("What is seen?\nA. dislocation\nB. a fracture\nC. nothing")
    assert options.letter_of("A fracture") == "B"
    assert options.letter_of("fracture") is None  # to the letter, or asked
    assert options.letter_of("A dislocation") is None


def test_an_option_may_name_others() -> None:
    options = Options({"A": "fever", "B": "cough", "C": "A and B", "D": "none of the above"})
    assert options.letter_of("A and B") == "C"
    assert options.letter_of("None of the above") == "D"


def test_only_an_a_before_a_word_is_bare() -> None:
    assert begins_with_bare_a("A fracture")
    assert begins_with_bare_a(" a fracture")
    assert not any(map(begins_with_bare_a, ("A. fracture", "A", "(A) fracture", "an ulcer", "Aorta", "A - x", "")))


WORDS = st.lists(
    st.sampled_from(["lung", "heart", "left kidney", "5 mm", "no fracture", "MRI", "AB", "H", "a cyst", "liver"]),
    min_size=3,
    max_size=6,
    unique=True,
)


def test_marks_that_are_a_part_of_an_option_stay() -> None:
    for texts in (
        ["Rh -", "Rh +", "Rh"],
        ["x*", "y*", "z"],
        ["*5", "*6", "7"],
        ["H<sub>2</sub>", "O<sub>2</sub>", "N"],
    ):
        assert list(options_of("?\nA. {}\nB. {}\nC. {}\n\n".format(*texts)).texts.values()) == texts
    stressed = options_of("?\n**A.** of **two**\n**B.** of **three**\n(C).5 mg")
    assert list(stressed.texts.values()) == ["of **two**", "of **three**", ".5 mg"]


def test_an_option_with_a_mark_within_is_named_by_its_text() -> None:
    assert options_of("?\nA. TP53_R175H\nB. KRAS_G12D").letter_of("KRAS_G12D") == "B"


def test_the_stem_is_what_stands_before_the_list() -> None:
    for question in (
        "Vitamin A. Which?\n\n- **A.** x\n- **B.** y",
        "Vitamin A. Which?\n\uff08A\uff09x\n\uff08B\uff09y",
    ):
        assert options_of(question).stem == "Vitamin A. Which?"


@given(WORDS, st.sampled_from(["{}. {}", "{}) {}", "({}) {}", "{}: {}"]), st.sampled_from(["\n", "\n\n"]))
def test_what_is_listed_is_read_and_each_label_with_its_text_names_itself(
    texts: list[str], form: str, between: str
) -> None:
    letters = "ABCDEF"[: len(texts)]
    listed = [form.format(letter, text) for letter, text in zip(letters, texts, strict=True)]
    options = options_of(f"What is seen?{between}{between.join(listed)}")
    assert list(options.texts.values()) == texts
    for letter, line in zip(letters, listed, strict=True):
        assert options.letter_of(line) == letter
        assert options.letter_of(letter) in {letter, None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("A", True), ("(b).", True), ("**A**", True), ("C", False), ("O", False), ("B. A", False), ("AB", False)],
)
def test_a_letter_that_is_another_options_text_is_told(text: str, expected: bool) -> None:
    assert is_letter_and_text(text, {"A": "AB", "B": "A", "C": "B.", "D": "O"}) is expected
    assert not is_letter_and_text(text, {"A": "a", "B": "bone", "C": "cartilage"})


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_can_be_looked_at(question: str, text: str) -> None:
    options = read_options(question)
    assert options is None or options.letter_of(text) in {None, *options.texts}


def test_long_texts_are_looked_at_in_time() -> None:
    start = time.process_time()
    read_options("A. x B. " * 6000)
    read_options(" \n" * 25_000)
    for marks in ("*", '"', "- ", "1. ", "<b>", "Option ", "<br>", "|", "\\", "A. x "):
        read_options("A. x B. y C. " + marks * 20_000)
        read_options(f"A. x\nB. {marks * 20_000}z\n{marks * 20_000}")
    options = options_of(LINES)
    for text in ("the answer is" + " " * 1900, "B." + " " * 1990, "_" * 2000, "A " * 1000, "x" * 50_000):
        options.letter_of(text)
    assert time.process_time() - start < 30.0


@pytest.mark.parametrize(
    ("text", "letter"),
    [("25 mg", "A"), ("**25** mg", "A"), ("A. 25 mg", "A"), ("2*5 mg", None), ("2**5 mg", None), ("A .25 mg", None),
     (".25 mg", None), ("A .5 mg", "B"), ("B - 5 mg", None)],
)  # fmt: skip
def test_a_mark_or_a_point_within_a_number_is_a_part_of_it(text: str, letter: str | None) -> None:
    assert Options({"A": "25 mg", "B": "A .5 mg", "C": "25 g"}).letter_of(text) == letter


def test_a_long_run_of_marks_takes_no_time() -> None:
    start = time.perf_counter()
    without_emphasis("5" + "*" * 200_000 + "5")
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("one", "other"), [("a,c,d,b", "b,c,a,d"), ("left and right", "right and left"), ("fever, rash", "rash, fever")]
)
def test_a_letter_with_the_text_of_an_option_that_differs_in_order_alone_is_unclear(one: str, other: str) -> None:
    options = Options({"A": one, "B": other, "C": "x"})
    for form in ("{}. {}", "({}) {}", "Option {}: **{}**"):
        named = [options.letter_of(form.format(letter, text)) for letter in "AB" for text in (one, other)]
        assert named == ["A", None, None, "B"]
    assert Options({"A": "left and right", "B": "right and left"}).letter_of("A. Right and the left") is None


@pytest.mark.parametrize("text", ["A. rash and fever", "A. fevers and rash", "A. fever and rash ❌", "A. fever & rash"])
def test_a_letter_with_its_text_in_other_words_is_unclear(text: str) -> None:
    assert Options({"A": "fever and rash", "B": "x"}).letter_of(text) is None


@pytest.mark.parametrize("text", ["(c)", "c", "The answer is c", "Answer: c", "c.", "**c**", "option c"])
def test_a_small_letter_that_is_a_word_of_another_option_is_unclear(text: str) -> None:
    for other in ("c", "vitamin c", "vitamin C", "c deficiency"):
        assert Options({"A": "x", "B": other, "C": "y"}).letter_of(text) is None
        assert Options({"A": "x", "B": "y", "C": other}).letter_of(text) == "C"
        assert Options({"A": "x", "B": other, "C": "y"}).letter_of(text.upper()) is None


def test_the_article_of_another_option_is_no_letter() -> None:
    options = Options({"A": "x", "B": "a cyst"})
    assert [options.letter_of(text) for text in ("a", "(a)", "A", "Answer: a")] == ["A"] * 4
    assert Options({"A": "x", "B": "vitamin a"}).letter_of("(a)") is None


def test_there_is_no_letter_behind_z() -> None:
    assert (choice_letter(0), choice_letter(25)) == ("A", "Z")
    with pytest.raises(ValueError, match="choices: 27 of one question, and there are 26 letters; keep fewer"):
        choice_letter(26)


def test_several_lines_name_no_option() -> None:
    enamel = Options({"A": "hypoplastic", "B": "hypomaturation", "C": "hypoplastic hypomaturation"})
    assert enamel.letter_of("hypoplastic hypomaturation\n") == "C"
    assert enamel.letter_of("hypoplastic\nhypomaturation") is None


@pytest.mark.parametrize(
    "texts", [("c is true", "a is true", "b is true"), ("b only", "a only", "both"), ("a and b", "a and c", "c")]
)
def test_an_a_beside_other_labels_in_small_letters_is_no_article(texts: tuple[str, ...]) -> None:
    options = Options(dict(zip("ABC", texts, strict=True)))
    assert {options.letter_of(text) for text in ("a", "A", "Answer: a", "(a)")} == {None}


def test_a_bare_a_before_the_text_of_the_first_option_may_be_its_letter() -> None:
    assert Options({"A": "delta", "B": "A delta", "C": "B"}).letter_of("A delta") is None
    assert Options({"A": "gamma", "B": "A delta", "C": "B"}).letter_of("A delta") == "B"
