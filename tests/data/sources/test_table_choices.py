"""Choices, and the letters and texts that name them."""

import itertools
import re
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.data.sources.table_choices import (
    label_and_text,
    lettered,
    lists_in_order,
    lists_otherwise,
    places_of,
    without_labels,
    without_unused,
)
from tests.support.option_lists import AROUND, LABELS, TEXTS, option_list


def test_labels_are_taken_away_where_all_choices_have_theirs() -> None:
    assert without_labels(["A. x", "B) y"]) == without_labels(["(A) x", "(B)y"]) == ["x", "y"]
    assert (
        without_labels(["A\u3001x", "\uff22\uff0ey"])
        == without_labels(["A\u3002x", "B\u3002 y"])
        == without_labels(["\uff08A\uff09 x", "\uff08\uff22\uff09y"])
        == ["x", "y"]
    )
    assert without_labels(["a) x", "b) y"]) == without_labels(["(a) x", "B. y"]) == ["x", "y"]
    for kept in (["A. x", "B."], ["1. x", "2. y"], ["0) x", "1) y"], ["A. x", "y"], ["\uff11\uff0ex", "\uff12\uff0ey"]):
        assert without_labels(kept) == kept


@pytest.mark.parametrize("label", ["{}) {}", "{}. {}", "({}) {}", "{}: {}", "\uff08{}\uff09{}", "{}\u3001{}"])
def test_choices_with_other_labels_than_those_of_their_order_are_a_fault(label: str) -> None:
    """Each would have two letters: "A. A) left, B. C) right, C. D) both", of which C is two."""
    texts = ["left", "right", "both"]
    for labels in ("ACD", "BCA", "acd", "bca", "BCD", "AAB", "134", "231", "234", "021", "\uff22\uff23\uff21"):
        choices = [label.format(*one) for one in zip(labels, texts, strict=True)]
        with pytest.raises(ValueError, match="are not those of their order; take them off, or bring"):
            without_labels(choices)
    for choices in (["D) w", "E) x", "F) y", "G) z"], ["B. left", "A. left", "C. both"]):
        with pytest.raises(ValueError, match="not those of their order"):
            without_labels(choices)


def test_what_only_looks_like_labels_of_choices_is_left() -> None:
    for choices in (
        ["A. fumigatus", "C. difficile", "Candida", "Mucor"],
        ["E. coli", "K. pneumoniae", "P. mirabilis", "S. saprophyticus"],
        ["C. tetani", "C. difficile", "C. botulinum"],
        ["P. vivax", "P. ovale", "P. falciparum"],
        ["1. Grades", "kein Befund"],
        ["1. rib", "3. rib", "5. rib"],
        ["1.5 mg", "2.5 mg", "0.5 mg"],
        ["1:10", "1:20", "2:10"],
        ["2.x"],
        ["2 weeks", "1 month"],
        ["2 - 4 weeks", "1 - 2 months"],
        ["2% lidocaine", "1% bupivacaine"],
        ["2 (50%)", "1 (of 4)"],
        ["2-butanol", "1-propanol"],
        ["A and B", "B and C", "A and C"],
        ["b,a,c", "a,b,c"],
        ["B & C", "A & D"],
        ["D/(B+D)", "C/(A+C)", "B/(B+D)", "A/(A+C)"],
        ["2, 3 and 4", "1, 2 and 4"],
        ["B", "A"],
    ):
        assert without_labels(choices) == choices


_FORMS = (
    "Option {}: {}", "Option {} {}", "Choice ({}) {}", "[{}] {}", "**{}.** {}", "( {} ) {}", "\u2022 {}) {}", "{}={}",
    "<b>{}</b>. {}", "\u3010{}\u3011{}", "\ufeff{}. {}", "- [ ] {}. {}", "| {} | {} |", "<p>{}. {}</p>", "{})\n{}",
    "&#40;{}&#41; {}", "{} - {}", "{} : {}", "{} -> {}",
)  # fmt: skip
_FORMS_OF_LETTERS = ("{} {}", "{}\t{}", "{}\n{}", "1. {}. {}", "{}/ {}", "{}&nbsp;{}")


@pytest.mark.parametrize("form", [*_FORMS, *_FORMS_OF_LETTERS])
def test_labels_of_any_form_are_those_of_their_order(form: str) -> None:
    texts = ["left lung", "right lung", "both"]
    labels = ["ABC", "abc", *(["123", "012"] if form in _FORMS else [])]
    for order in labels:
        choices = [form.format(*one) for one in zip(order, texts, strict=True)]
        assert without_labels(choices) in (choices, texts)
        for other in itertools.permutations(zip(order, texts, strict=True)):
            if "".join(label for label, _ in other) != order:
                with pytest.raises(ValueError, match="not those of their order"):
                    without_labels([form.format(*one) for one in other])
    with pytest.raises(ValueError, match="not those of their order"):
        without_labels([form.format(*one) for one in zip("ACD", texts, strict=True)])


def test_brackets_make_labels_of_letters_before_some_choices() -> None:
    for choices in (["B) left", "A) right", "both"], ["(c) left", "both", "(a) right"]):
        with pytest.raises(ValueError, match="not those of their order"):
            without_labels(choices)
    for kept in (["A) left", "both", "C) right"], ["(C) left", "right", "both"], ["B. cereus", "A. niger", "Candida"]):
        assert without_labels(kept) == kept


def test_there_are_no_more_choices_than_letters() -> None:
    assert len(without_labels(["x"] * 26)) == 26
    with pytest.raises(ValueError, match="there are 27 choices, and 26 letters for them; keep fewer"):
        without_labels(["x"] * 27)


def test_a_word_behind_choices_with_labels_is_no_choice() -> None:
    for used in (["A) left", "B) right"], ["A) left", "C) right"]):
        assert without_unused([*used, "NA"], lambda text: text == "NA") == used
    assert without_unused(["left", "right", "NA"], lambda text: text == "NA") == ["left", "right", "NA"]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("B. right", ("B", "right")), ("b) Right", ("b", "Right")), ("B:right", ("B", "right")), ("B.", ("B", "")),
        ("(b) right", ("b", "right")), ("Option B: right", ("B", "right")), ("The answer is (B) right", ("B", "right")),
        ("C. C. x", ("C", "C. x")), ("right", ("", "")), ("B", ("", "")), ("", ("", "")),
    ],
)  # fmt: skip
def test_a_label_stands_before_the_text_of_an_answer(answer: str, found: tuple[str, str]) -> None:
    assert label_and_text(answer) == found


@pytest.mark.parametrize("text", ["lobe", "lobes", "C5-C6", "C5 C6", "the lung", "lung", "left", "left.", "D,C,B,A"])
def test_a_text_is_the_choice_that_differs_least(text: str) -> None:
    choices = ["lobe", "lobes", "C5-C6", "C5 C6", "the lung", "lung", "left", "left.", "A,B,C,D", "D,C,B,A"]
    assert places_of(text, choices) == [choices.index(text)]
    assert places_of("d, c, b, a.", choices) == [9]
    assert places_of("", ["", "x"]) == []


@pytest.mark.parametrize("choices", [["left", "right"], ["C", "c"], ["one\ntwo", "B. x", "?"], ["x"] * 25, []])
def test_choices_below_a_question_are_found_again(choices: list[str]) -> None:
    asked = "A. baumannii\nA. or B.\n\nWhich?"
    question = "\n\n".join(filter(None, [asked, lettered(choices)]))
    assert lists_in_order(question, choices) == bool(choices)
    assert not lists_in_order(question, [*choices, "another"])


def test_choices_of_another_form_are_found_in_a_question() -> None:
    for form in ("Which?\uff08A\uff09left\uff08B\uff09right\uff08C\uff09both", "Which? (A) left (B) right (C) both"):
        assert lists_in_order(form, ["left", "right", "both"])
        assert not lists_in_order(form, ["right", "left", "both"])
    assert lists_in_order("Which?\nA) left\nB) right", ["left", "right"])
    assert not lists_in_order("Is it A. baumannii?", ["baumannii", "coli"])
    assert not lists_in_order("Which?", [])


_LISTS = (
    "{}\nA. {}\nB. {}\nC. {}",
    "{}\nA. {}.\nB. {}.\nC. {}.",
    "{}\n  A) {},\n  B) {},\n  C) {}",
    "{} A. {}, B. {}, C. {}.",
    "{}\uff08A\uff09{}\uff08B\uff09{}\uff08C\uff09{}",
    "{} A\u3001{} B\u3001{} C\u3001{}",
    "{}\n\uff21\uff0e{}\n\uff22\uff0e{}\n\uff23\uff0e{}",
    "{}\n(a) {}\n\n(b) {}\n\n(c) {}\nAnswer with the letter.",
    "{}\n**A.** {}\n**B.** {}\n**C.** {}",
    "{} A. {} | B. {} | C. {}",
    "{} \u2022 A. {} \u2022 B. {} \u2022 C. {}",
)
_OTHER_LISTS = (
    "{}\nA: \"{}\"\nB: '{}'\nC: \u201c{}\u201d",
    "{}\nA - {}\nB - {}\nC - {}",
    "{}\nA -> {}\nB -> {}\nC -> {}",
    "{}\nA\t{}\nB\t{}\nC\t{}",
    "{}\n[A] {}\n[B] {}\n[C] {}",
    "{}\n<A> {}\n<B> {}\n<C> {}",
    "{} (\uff21){} (\uff22){} (\uff23){}",
    "{}\nA\u3002{}\nB\u3002{}\nC\u3002{}",
    '{}: {{"A": "{}", "B": "{}", "C": "{}"}}',
    "{}\n1. A. {}\n2. B. {}\n3. C. {}",
    "{} \u2460{} \u2461{} \u2462{}",
    "{} \u2460{}\u2461{}\u2462{}",
    "{} A -> {}, B -> {}, C -> {}",
    "{} A={} B={} C={}",
    "{}: A = '{}', B = '{}', C = '{}'",
    "{}\n1\u3001{}\n2\u3001{}\n3\u3001{}",
    "{}\n1. {}\n2. {}\n3. {}",
    "{}: (A){} (B){} (C){}?",
    "{} A) {}; B) {}; or C) {}?",
    "Options: A: {1}, B: {2}, C: {3}. {0}",
    "{}\n**A** {}\n**B** {}\n**C** {}",
    "{} **A** {} **B** {} **C** {}",
    "{}\n<b>A</b> {}\n<b>B</b> {}\n<b>C</b> {}",
    "{}<br><b>A</b> {}<br><b>B</b> {}<br><b>C</b> {}",
    "{}\nOption A {}\nOption B {}\nOption C {}",
    "{} Option A {}, option B {}, option C {}",
    "{}\n| A | {} |\n|---|---|\n| B | {} |\n| C | {} |",
    "{}\nA {}\nB {}\nC {}",
    "{} Choose (A) {}, (B) {}, or (C) {}.",
    *(
        break_.join(("{}", *(f"{label} {{}}" for label in labels)))
        for break_ in (r"\n", r"\r\n", r"\n ", r"\t")
        for labels in (("A.", "B.", "C."), ("a)", "b)", "c)"))
    ),
    r"{}\nA.\t{}\nB.\t{}\nC.\t{}",
    r"{}\noption a: {}\noption b: {}\noption c: {}",
)


@pytest.mark.parametrize("form", [*_LISTS, *_OTHER_LISTS])
def test_another_order_of_the_choices_is_seen_however_they_are_listed(form: str) -> None:
    choices = ["left lung", "right lung", "lung"]
    for words in (choices, ["Left lung", "RIGHT  lung", "Lung"]):
        first, second, third = words
        assert lists_otherwise(form.format("Which?", second, first, third), choices)
        assert lists_otherwise(form.format("Which?", third, first, second), choices)
        assert not lists_otherwise(form.format("Which?", *words), choices)
        is_lettered = re.search("[Aa\uff21]", form.removesuffix("Answer with the letter.")) is not None
        assert lists_in_order(form.format("Which?", *words), choices) == is_lettered
        assert not lists_in_order(form.format("Which?", second, first, third), choices)
    assert lists_otherwise(form.format("Which?", "right lung", "left lung", "heart"), choices)
    assert not lists_otherwise(form.format("Which?", "left lung", "kidney", "heart"), choices)


def test_commands_of_latex_are_no_labels_and_are_compared() -> None:
    assert not lists_otherwise(r"Given that $A \ne B$ and $x \ne 0$, what is x?", ["0", "B", "C", "D", "E"])
    choices = [r"$\theta$", r"$\times$", r"$\neq$"]
    assert lists_otherwise(r"Which? A. $\times$ B. $\theta$ C. $\neq$", choices)
    assert lists_in_order(r"Which? A. $\theta$ B. $\times$ C. $\neq$", choices)


def test_what_only_looks_like_another_order_is_none() -> None:
    assert not lists_otherwise("Which genotype?\nA. AA\nB. Aa\nC. aa", ["AA", "Aa", "aa"])
    assert not lists_otherwise("The data: 2, 4, 4, 5, 6, 8, 9. Median?", ["4", "5", "6", "8"])
    five = ["fever", "cough", "rash", "ache", "chills"]
    assert not lists_otherwise("Is (i) fever, (ii) cough, (iii) rash, (iv) ache or (v) chills first?", five)
    assert not lists_otherwise("Drug A: left. Drug B: right. Which?", ["right", "left"])
    assert not lists_otherwise("Image A: US. Image B: CT. Image C: MRI. Which?", ["CT", "MRI"])
    lobes = "Which lobe is enlarged? A. middle lobe B. left lobe C. caudate lobe D. right lobe"
    assert lists_otherwise(lobes, ["left lobe", "right lobe"])


def test_texts_may_be_wrapped_over_lines() -> None:
    choices = ["left", "left lower lobe", "right lung"]
    wrapped = {"left lower lobe": "left lower\n   lobe", "right lung": "right\n\nlung"}
    for form in ("Which?\nA. {}\nB. {}\nC. {}", "Which?\n(a) {}\n(b) {}\n(c) {}"):
        for order in itertools.permutations(choices):
            question = form.format(*(wrapped.get(text, text) for text in order))
            assert lists_in_order(question, choices) == (list(order) == choices)
            assert lists_otherwise(question, choices) == (list(order) != choices)
    assert lists_in_order("Which?\nA. one two\nB. three", ["one\ntwo", "three"])
    assert lists_otherwise("Which?\nA. bone\nB. T-\ncell", ["T-cell", "bone"])


@pytest.mark.parametrize("choices", [["cyst", "bone", "cyst"], ["AA", "Aa", "aa"]])
def test_choices_that_are_the_same_or_differ_in_capitals_have_their_order(choices: list[str]) -> None:
    """The label of a text that two choices have is right if it is that of one of them."""
    for order in itertools.permutations(choices):
        letters = "Which?\nA. {}\nB. {}\nC. {}".format(*order)
        assert lists_in_order(letters, choices) == (list(order) == choices)
        for question in (letters, "Which? 0 = {}, 1 = {}, 2 = {}".format(*order)):
            assert lists_otherwise(question, choices) == (list(order) != choices)


@pytest.mark.parametrize(
    ("written", "other"),
    [
        ("&lt;5&nbsp;mm", "<5 mm"), ("Crohn\u2019s disease", "Crohn's disease"), ("5\u201310 mm", "5-10 mm"),
        ("T\u2011cell lymphoma", "T-cell lymphoma"), ("\u22125", "-5"), ("pain &amp; fever", "pain & fever"),
    ],
)  # fmt: skip
def test_marks_that_are_written_otherwise_are_the_same(written: str, other: str) -> None:
    for asked, choice in ((written, other), (other, written)):
        assert lists_in_order(f"Which?\nA. {asked}\nB. bone", [choice, "bone"])
        assert lists_otherwise(f"Which?\nA. bone\nB. {asked}", [choice, "bone"])


def test_labels_of_choices_that_stay_are_no_part_of_their_texts() -> None:
    choices = ["Option A: left", "Option B: right"]
    for form in ("Which?\nA. {}\nB. {}", "Which?\nOption A: {}\nOption B: {}", "Which? (A) {} (B) {}"):
        assert lists_in_order(form.format("left", "right"), choices)
        assert lists_otherwise(form.format("right", "left"), choices)


def test_two_choices_within_a_line_are_listed_too() -> None:
    assert lists_otherwise("Which side? (A) right (B) left", ["left", "right"])
    assert not lists_otherwise("Which side? (A) left (B) right", ["left", "right"])
    for form in ("\uff08A\uff09{}\uff08B\uff09{}", "A\u3001{}\u3001B\u3001{}", "\uff21\uff0e{} \uff22\uff0e{}"):
        for left, right in (("left", "right"), ("\u5de6", "\u53f3"), ("\uff11", "\uff12")):
            assert lists_otherwise("\u54ea\u4fa7\uff1f" + form.format(right, left), [left, right])
            assert not lists_otherwise("\u54ea\u4fa7\uff1f" + form.format(left, right), [left, right])
    assert lists_otherwise("\u54ea\u4fa7\uff1fA\u3001\u53f3B\u3001\u5de6", ["\u5de6", "\u53f3"])  # no space between
    assert not lists_otherwise(
        "\u54ea\u4fa7\uff1fA\u3001\u53f3\u80baB\u3001\u5de6", ["\u5de6", "\u53f3"]
    )  # the right lung
    assert not lists_otherwise("Is 2. 1 or 1. 2 right?", ["x", "y"])
    assert not lists_otherwise("Which?", [])


@given(st.sampled_from(AROUND), st.sampled_from(LABELS), TEXTS)
def test_the_order_of_every_list_of_lines_is_seen_whatever_stands_around_its_options(
    around: tuple[str, str], label: str, texts: list[str]
) -> None:
    for order in itertools.islice(itertools.permutations(texts), 6):
        question = f"What is seen?\n{option_list(order, around, label)}"
        assert lists_otherwise(question, texts) == (list(order) != texts)
        assert list(order) == texts or not lists_in_order(question, texts)


@pytest.mark.parametrize("choices", [["A", "B", "AB", "O"], ["a cyst", "AB", "B"], ["2", "1", "3"]])
def test_the_number_of_a_line_hides_no_letter_behind_it(choices: list[str]) -> None:
    """Of choices that are letters or numbers, too."""
    for order in itertools.permutations(choices):
        for label in LABELS:
            question = f"What is seen?\n{option_list(order, ('{number}) ', ''), label)}"
            assert lists_otherwise(question, choices) == (list(order) != choices), question


_FACTS = (
    "Image 1: {}. Image 2: {}. Image 3: {}. Which?", "Panel A: {}, panel B: {}, panel C: {}. Which?",
    "Patient A: {}. Patient B: {}. Patient C: {}.", "Drug A: {}\nDrug B: {}\nDrug C: {}",
    "Image #1: {}, image #2: {}, image #3: {}",
    "**Image 1:** {}\n**Image 2:** {}\n**Image 3:** {}",
    "Image **1**: {}, image **2**: {}, image **3**: {}",
    "Vitamin A, {}, vitamin B, {}, vitamin C, {}",
    "Is it a {}, b {} or c {}?",
)  # fmt: skip


@pytest.mark.parametrize("form", _FACTS)
def test_what_a_question_tells_of_things_with_letters_is_no_list(form: str) -> None:
    choices = ["type 1 diabetes", "5 mg", "MRI"]
    for order in itertools.permutations(choices):
        assert not lists_otherwise(form.format(*order), choices)


def test_an_order_that_stands_anywhere_is_that_of_the_choices() -> None:
    choices = ["left", "right", "both"]
    facts = "(a) both, (b) right, (c) left."
    assert lists_otherwise(f"There were {facts}", choices)
    for own in ("A left\nB right\nC both", "| A | left |\n| B | right |\n| C | both |"):
        assert not lists_otherwise(f"There were {facts}\n{own}", choices)
    numbered = "1. left, 2. right or 3. both"
    assert lists_otherwise(f"There were {facts} {numbered}", choices)  # letters of the facts are those of choices, too
    assert not lists_otherwise(f"There were 1. both, 2. right, 3. left. {numbered}", choices)


def test_numbers_may_count_from_0() -> None:
    grades = ["none", "mild", "moderate", "severe"]
    for form in ("0 = {}, 1 = {}, 2 = {}, 3 = {}", "0. {}\n1. {}\n2. {}\n3. {}", "(0) {} (1) {} (2) {} (3) {}"):
        for order in itertools.permutations(grades):
            question = f"Which grade? {form.format(*order)}"
            assert lists_otherwise(question, grades) == (list(order) != grades)
            assert not lists_in_order(question, grades)  # letters stand below it
    assert not lists_otherwise("0 = none, 1 = mild, ...", grades)
    assert lists_otherwise("A = mild, B = moderate", grades)


@pytest.mark.parametrize(
    "stem",
    [
        "between 1.2 and 2.3 cm", "from 4.3 mEq/L to 3.1 mEq/L", "2-3 times, 3\u20134 days",
        "2/4 at the knees, 1/4 at both", "2:1, then 3:2", "at 1.2.3.4", "2\u00b11 and 3\u00b12", "10^2 and 2^3",
        "37 \u00b0C, 2, 38 \u00b0C, 1",
        "2\u00d73 and 3\u00d74", "1\u20442 and 3\u20444", "figures 1 (4) and 2 (3)",
    ],
)  # fmt: skip
def test_no_part_of_a_number_is_a_label(stem: str) -> None:
    for order in itertools.permutations("1234"):
        assert not lists_otherwise(f"It was {stem}. How many?", order)


def test_numbers_of_choices_are_compared_with_those_of_the_question() -> None:
    choices = ["1. left", "2. right"]
    for form in ("(1) {} (2) {}", "1. {}\n2. {}", "A. {}\nB. {}"):
        assert lists_otherwise(f"Which? {form.format('right', 'left')}", choices)
        assert not lists_otherwise(f"Which? {form.format('left', 'right')}", choices)
    assert lists_otherwise("Which?\nA. 2. right\nB. 1. left", choices)


_MARKS = [*string.punctuation, " ", "\u3001", "\uff08", "\u3010", "\u2022", "\u2192", "\u00bb"]


@given(*[st.text(st.sampled_from(_MARKS), max_size=5)] * 3, st.booleans(), st.sampled_from(["", "Option ", "answer "]))
def test_no_marks_hide_another_order(before: str, between: str, behind: str, is_lines: bool, spoken: str) -> None:
    choices = ["left lung", "right lung", "lung", "5 mm"]
    between = f"{between} " if is_lines else f":{between} "
    for order in itertools.islice(itertools.permutations(choices), 0, 24, 5):
        for labels in ("ABCD", "1234"):
            lines = (f"{spoken}{label}{between}{text}" for label, text in zip(labels, order, strict=True))
            listed = ("\n" if is_lines else "; ").join(f"{before} {line} {behind}" for line in lines)
            assert lists_otherwise(f"Which?\n{listed}", choices) == (list(order) != choices)


@given(*[st.text(st.sampled_from(_MARKS), max_size=5)] * 2, st.sampled_from(["Image", "Panel", "Drug", "Patient"]))
def test_no_marks_make_a_list_of_what_has_a_word_before_its_label(between: str, behind: str, word: str) -> None:
    choices = ["left lung", "right lung", "lung"]
    for order in itertools.permutations(choices):
        for labels, ends in itertools.product(("ABC", "123"), ("; ", "\n")):
            facts = (f"{word} {label}{between} {text}" for label, text in zip(labels, order, strict=True))
            assert not lists_otherwise("Which?\n" + f" {behind}{ends}".join(facts), choices)


def test_a_long_question_is_looked_at_in_time() -> None:
    start = time.process_time()
    for part in ("a - ", "a. ", "(", "<b", "A left ", "**", "1", "a\n", "\u2460"):
        assert not lists_otherwise(part * 20_000, ["left", "right", "b", "-5"])
    assert time.process_time() - start < 10
