# ruff: noqa: RUF001 - typographic dashes
"""Which choice a text names. Wordings are of the kinds in which real models reply."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.evaluation.option_rule import is_no_option, option_of

ORGANS = ("Stomach", "Liver", "Gallbladder", "Duodenum")
RHYTHMS = ("first degree block", "third degree block", "second degree type II block", "atrial flutter")
NUMBERS = ("1 and 2", "2 and 3", "3 and 4", "2, 3, and 4")
VITAMINS = ("vitamin A", "vitamin B", "vitamin C", "vitamin D")
ARTICLE = ("A fracture", "A dislocation", "No finding")
TWICE = ("granular body", "gliosis", "granular body")


@pytest.mark.parametrize(
    ("answer", "choices", "letter"),
    [
        # the whole answer
        ("B", ORGANS, "B"),
        ("(b).", ORGANS, "B"),
        ("**B** is correct.", ORGANS, "B"),
        ("B is the right answer", ORGANS, "B"),
        ("B is right.", ORGANS, None),
        ("B is not correct.", ORGANS, None),
        ("B is probably correct.", ORGANS, None),
        ("B is correct?", ORGANS, None),
        ("A and B is correct.", ORGANS, None),
        ("B is correct.", ("vitamin A", "A", "B", "D"), None),
        ("B. Liver", ORGANS, "B"),
        ("**Liver**", ORGANS, "B"),
        ("liver.", ORGANS, "B"),
        ("\\boxed{B}", ORGANS, "B"),
        ("B. Stomach", ORGANS, None),  # letter and text disagree
        ("D", VITAMINS, "D"),
        ("Answer: B", TWICE, "B"),
        ("granular body", TWICE, None),
        ("C. granular body", TWICE, "C"),
        ("C. gliosis", TWICE, None),
        ("B\n" * 50, ORGANS, "B"),
        ("B\n" * 51, ORGANS, None),
        ("The answer is B." + " It is." * 3000, ORGANS, None),
        ("B\n\nIt is enlarged.", ORGANS, "B"),
        ("B\n\nC", ORGANS, None),
        ("\\[\\boxed{\\textbf{B}}\\]", ORGANS, "B"),
        # announced
        ("The rhythm is irregular. Therefore, the answer is (C).", RHYTHMS, "C"),
        ("The answer is (D) atrial flutter.\n\nThe strip shows a block of the first degree too.", RHYTHMS, "D"),
        ("It has osteoarthritis of the knee, which is most likely option (A). Others are less likely.", ORGANS, "A"),
        ("Option A is incorrect. Option B is correct.", ORGANS, "B"),
        ("I would choose B over C.", ORGANS, None),
        ("(A) is too slow. The correct answer is: **D**", RHYTHMS, None),
        ("The answer is B, not A.", ORGANS, "B"),
        ("The answer is A because of the gas.", ORGANS, "A"),
        ("The answer is A fracture.", ORGANS, None),
        ("The answer is A fracture.", ARTICLE, "A"),
        ("The answer is A or B.", ORGANS, None),
        ("The answer is A. No, the answer is B.", ORGANS, None),
        ("The answer is not (B).", ORGANS, None),
        ("The answer is (B) stomach.", ORGANS, None),
        ("The answer is E.", ORGANS, None),
        # another letter is said to be the answer, too
        ("A is the answer to the question of who is affected. For the organ, the answer is C.", ORGANS, None),
        ("The answer is (C). (A) is the correct choice in children.", ORGANS, None),
        ("B is correct. The answer is A.", ORGANS, None),
        ("C is the answer. The answer is C.", ORGANS, "C"),
        ("It is not true that A is the answer. The answer is C.", ORGANS, None),
        ("A is not the answer. The answer is C.", ORGANS, "C"),
        ("A is incorrect. The answer is C.", ORGANS, "C"),
        # in brackets
        ("The most likely diagnosis is (C) second degree type II block.\n\nIt makes the heart slow.", RHYTHMS, "C"),
        ("The patient has (A) a first degree block, which is rare.", RHYTHMS, "A"),
        ("They are (A) stomach and (B) liver.", ORGANS, None),
        ("Antibodies: (C) gallbladder antibodies are not detectable.", ORGANS, None),
        ("It is not (B).", ORGANS, None),
        ("A. The stomach is normal.\nB. Liver", ORGANS, None),
        # hedged, contradicted, or spoken of only
        ("The answer is A, if not for the fever; so D", ORGANS, None),
        ("The answer is A, no, D", ORGANS, None),
        ("I first thought the answer is A. But it is D.", ORGANS, None),
        ("Answer: A? No - D", ORGANS, None),
        ("The answer is A. Wait, actually it is the duodenum.", ORGANS, None),
        ("Everyone says the answer is A; I say D", ORGANS, None),
        ("I don't think the answer is A", ORGANS, None),
        ("I would not choose A", ORGANS, None),
        ("Do not select A.", ORGANS, None),
        ("The least likely answer is A", ORGANS, None),
        ("The wrong answer is A. The right answer is B.", ORGANS, None),
        ("If she has a fever, the answer is A", ORGANS, None),
        ("Answer A is tempting", ORGANS, None),
        ("Answer A, which is wrong", ORGANS, None),
        ("Let us look at option A.", ORGANS, None),
        ("Option B is the most likely one.", ORGANS, "B"),
        ("Option B: it is enlarged.", ORGANS, "B"),
        ("I choose option B.", ORGANS, "B"),
        ("The answer is B (not A).", ORGANS, "B"),
        ("The answer is B, neither A nor C.", ORGANS, "B"),
        ("There is no gas, so the answer is B.", ORGANS, "B"),
        ("It looks like A, but the answer is B.", ORGANS, None),
        ("(A) seems right. However, there is gas.", ORGANS, None),
        ("Choose C. difficile", ORGANS, None),
        ("The answer is B lymphocytes", ORGANS, None),
        ("The answer is B lymphocytes", ("T lymphocytes", "NK cells", "B lymphocytes"), "C"),
        ("The liver? Hardly.", ORGANS, None),
        ("I doubt that it is the liver", ORGANS, None),
        ("The liver is improbable; the fourth choice", ORGANS, None),
        ("The liver was ruled-out", ORGANS, None),
        ("A Liver", ORGANS, None),
        ("A liver is seen.", ORGANS, "B"),
        # mentioned
        ("The organ that is abnormal is the liver. It is enlarged.", ORGANS, "B"),
        ("Taste is lost in regions 2 and 3, which are the taste buds.", NUMBERS, None),
        ("The answer is 2, 3, and 4.", NUMBERS, "D"),
        ("The answer is no.", ("yes", "no"), "B"),
        ("There is no gas.", ("yes", "no"), None),
        ("It may be the liver or the spleen.", ORGANS, None),
        ("It may be the liver.", ORGANS, None),
        ("It is the liver and not the stomach.", ORGANS, None),
        ("The liver is normal. The stomach is enlarged.", ORGANS, None),
        ("It is likely an atrial-flutter.", RHYTHMS, "D"),
        ("We see the liver. " + "It is a large organ of many cells and much blood. " * 6, ORGANS, None),
        # excluded by other words, or in another language
        ("Eliminate (A).", ORGANS, None),
        ("I'd rule (A) out.", ORGANS, None),
        ("(A) fails to explain the gas.", ORGANS, None),
        ("(A) is a distractor.", ORGANS, None),
        ("Ruled out: (A).", ORGANS, None),
        ("Option A: inconsistent with the gas.", ORGANS, None),
        ("The liver is implausible.", ORGANS, None),
        ("The gas argues against the liver.", ORGANS, None),
        ("Die richtige Antwort ist nicht (B).", ORGANS, None),
        ("La réponse n'est pas (B).", ORGANS, None),
        ("Option (B) ist falsch.", ORGANS, None),
        ("Ответ не (B).", ORGANS, None),
        ("答案不是(B)。", ORGANS, None),
        ("(A)是错误的。", ORGANS, None),
        ("Kein liver.", ORGANS, None),
        ("Liver ausgeschlossen.", ORGANS, None),
        # the answer of others, of another case, or the second one
        ("Most people answer A. I disagree.", ORGANS, None),
        ("Students often choose (A).", ORGANS, None),
        ("According to the intern, the answer is A.", ORGANS, None),
        ("In children, the answer is A.", ORGANS, None),
        ("Given the gas, the answer is A.", ORGANS, "A"),
        ("My previous answer, (A), overlooked the gas.", ORGANS, None),
        ("The alternative is (A).", ORGANS, None),
        ("The next most likely organ is (A).", ORGANS, None),
        ("The most likely organ is (A).", ORGANS, "A"),
        ("Her sister has liver.", ORGANS, None),
        ("Answer: A (tentative)", ORGANS, None),
        # another choice follows by its text
        ("Answer: A. The organ is most likely the liver.", ORGANS, None),
        ("Answer: A. My apologies, the liver fits.", ORGANS, None),
        ("The answer is A, namely the liver.", ORGANS, None),
        ("The answer is A, not the liver.", ORGANS, "A"),
        ("The answer is (A).\n\nThe liver would be larger.", ORGANS, None),
        ("Answer: A (20 %)", ("5 %", "10 %", "15 %", "20 %"), None),
        ("Therefore, the answer is B.", ("O", "A", "B", "AB"), None),
        ("The answer is (B).", ("O", "A", "B", "AB"), "B"),
        ("I cannot tell.", ORGANS, None),
        ("", ORGANS, None),
        ("B", (), None),
    ],
)
def test_a_choice_is_named_or_it_is_not(answer: str, choices: tuple[str, ...], letter: str | None) -> None:
    found = option_of(answer, choices)
    assert (None if found is None else "ABCD"[found]) == letter


LONG = "She has no fever and does not cough. " * 8


@pytest.mark.parametrize(
    "asked",
    [
        "Which is NOT true?",
        "All are true except",
        "Which is false? <image 1>",
        "The least likely?",
        "Which is not true about H. influenza?",
        "Not present in the posterior\ntriangle of the neck?",
        "What should be avoided?",
        "Pick the odd organ",
        f"{LONG}Which is not true?\nGive one letter.",
    ],
)
def test_where_the_question_asks_for_what_is_wrong_nothing_is_dismissed(asked: str) -> None:
    text = "Answer: C\n\nA is incorrect."
    assert option_of(text, ORGANS, "Which is seen?") == 2
    assert option_of(text, ORGANS, f"{LONG}Which organ is seen?") == 2
    assert option_of(text, ORGANS, asked) is None
    assert option_of("Answer: C", ORGANS, asked) == 2


def test_what_the_question_mentions_is_not_an_answer() -> None:
    assert option_of("The liver is seen.", ORGANS, "What is beside the liver?") is None
    assert option_of("The liver is seen.", ORGANS, "What is seen?") == 1


@pytest.mark.parametrize(
    ("answer", "index"),
    [
        ("The answer is (A). It", 0),
        ("Let us look at option (A).", None),
        ("Maybe (A)", None),
        ("B", None),
        ("Liver", None),
    ],
)
def test_of_a_text_that_was_cut_only_an_announced_letter_counts(answer: str, index: int | None) -> None:
    assert option_of(answer, ORGANS, is_cut=True) == index


@pytest.mark.parametrize(
    ("answer", "choices", "is_none"),
    [("E", ORGANS, True), ("(z).", ORGANS, True), ("D", ORGANS, False), ("E", ("vitamin E", "zinc"), False),
     ("None", ORGANS, False)],
)  # fmt: skip
def test_a_letter_that_no_choice_has_is_wrong_and_not_unclear(
    answer: str, choices: tuple[str, ...], is_none: bool
) -> None:
    assert is_no_option(answer, choices) is is_none


WORDS = st.text(alphabet="ghijklmnop", min_size=4, max_size=8)


@pytest.mark.parametrize(
    ("choices", "answers"),
    [
        (("M1", "M2", "M3", "M4"), ["The answer is M2, M3.", "The answer is M3, M2.", "M2, M3 and M4"]),
        (("III", "IV", "VI", "VII"), ["IV and VI", "The answer is (B) IV and VI.", "The answer is B (IV) and VI."]),
        (("L3", "L4", "L5", "S1"), ["L5 - S1", "L5, S1", "L5 (S1)", "L5; S1", "The answer is L5 – S1."]),
        (("L4", "L5", "S1", "L4-L5"), ["The answer is L4-L5, L5.", "The answer is (D) L4-L5 and L5."]),
        (("TSH", "T3", "T4", "TRH"), ["T3, T4", "The answer is TSH, T4."]),
        (("Na", "K", "Ca", "Mg"), ["Na and Ca", "The answer is na and ca."]),
        (("CT", "MR", "US", "X-ray"), ["CT and MR", "The answer is X-ray, US.", "The answer is (D) X-ray and US."]),
        (("Left", "RA", "LA", "LV"), ["The answer is RA and LA.", "The answer is left, LA."]),
        (("8", "10", "12", "all of them"), ["The answer is all of them; 10.", "The answer is 8. 10."]),
        (("45°, 90°", "90°", "90°, 110°", "45°, 90°, 110°"), ["90°\n\n45°, 90°, 110°"]),
        (("Yes", "No"), ["No.\n\nYes.", "No. Yes.", "No, wait. Yes.", "Yes. No."]),
        (("O", "A", "B", "AB"), ["The answer is AB, A.", "The answer is AB (A)."]),
        (ORGANS, ["A (C)", "D (B)", "E\n\nA", "The answer is liver.\nOption (a): stomach\nA", "It is the liver. (A)"]),
    ],
)
def test_of_two_choices_that_are_named_none_is_the_answer(choices: tuple[str, ...], answers: list[str]) -> None:
    assert [answer for answer in answers if option_of(answer, choices) is not None] == []


HEPATITIS = ("hepatitis C", "hepatitis A", "hepatitis B", "hepatitis E")
CHANGES = ("Erythema", "Depigmentation", "Carcinomas", "No change")
DRUGS = ("Amoxicillin", "Amoxicillin-clavulanic acid", "Clindamycin", "Levofloxacin")
RATES = ("5%", "10%", "20%", "30%")
IONS = ("Na+", "H2O", "K+", "Cl-")
CAUSES = ("Hypothyroidism", "Folate deficiency", "Parvovirus infection")
MEANS = ("Mean = Median", "Mean < Mode", "Mean >Mode", "Mean = Mode")
TESTS = ("Radiograph", "ß-hCG", "CT scan", "Occult blood")
ORDERS = ("A,B,C,D", "A,C,D,B", "C,A,D,B")
TERMS = ("They lower K_eq.", "They raise the heat.", "They do nothing.")
AGENTS = ("Ciprofloxacin", "Penicillin G", "Rifampin", "Vancomycin")
ARROWS = ("↓ ↓ ↓", "↑ ↓ normal", "↓ ↑ ↑", "↓ ↑ ↓")
NEGATIVES = ("20", "-20", "80", "-80")
GRADES = ("+", "-", "++", "none")
ASKED = ('"Have you heard of it?"', '"Sit down."', '"Are you well?"')


@pytest.mark.parametrize(
    ("choices", "answers"),
    [
        (HEPATITIS, ["D, hepatitis B", "It is D, hepatitis B.", "D - hepatitis B", "D and hepatitis B"]),
        (HEPATITIS, ["Hepatitis B. Therefore D.", "The most likely diagnosis is hepatitis B, i.e. D."]),
        (("Chunking", "A network model", "Rehearsal", "Recall"), ["D - A network model", "A network model. D"]),
        (ORGANS[:3], ["D - Liver", "It is D, the liver."]),
        (CHANGES, ["Answer: A: No change", "The answer is A - No change", "Option A: No change", "A - No change"]),
        (
            DRUGS,
            [
                "The answer is B. Amoxicillin",
                "The answer is B, i.e. amoxicillin.",
                "The answer is B. It is amoxicillin.",
            ],
        ),
        (("x", "y", "both x and y", "neither x or y"), ["The correct answer is **D: x**.", "The answer is C (X)."]),
        (("I only", "III only", "I and III only", "II and III only"), ["The answer is D. III only"]),
        (("Amoxicillin-clavulanic acid", "Amoxicillin"), ["The answer is B. Amoxicillin-clavulanic acid"]),
        (RATES, ["Answer: C\n\nThe correct answer is 5%.", "Answer: C\n\nIt is 5 %.", "The answer is 10%. Answer: D"]),
        (IONS, ["Answer: C\n\nThe correct answer is Cl-.", "Answer: C\n\nIt is Cl-."]),
        (CAUSES, ["Answer: A\n\nExplanation: The correct answer is folate deficiency."]),
        (CAUSES, ["Explanation: The correct answer is folate deficiency.\nAnswer: A"]),
        (
            CAUSES,
            ["Answer: A\n\n**Reasoning**\nIt is folate deficiency.", "Answer: A\nReasoning - it is folate deficiency."],
        ),
        (MEANS, ["The answer is Mean = Median; Mean > Mode", "The answer is C, Mean < Mode"]),
        (TESTS, ["The answer is D, ß-hCG.", "Answer: D (ß-hCG)"]),
        (ORDERS, ["C. A,B,C,D", "The answer is C. A,B,C,D"]),
        (("a", "c", "bc", "ad"), ["The answer is c. Answer: C"]),
        (TERMS, ["The answer is B. They lower K_eq."]),
        (
            AGENTS,
            [
                "C) Rifampin is correct.\n\nAnswer: D",
                "Therefore, C) Rifampin is correct.\n\nAnswer: D",
                "The most likely diagnosis is (C) rifampin.\n\nAnswer: D",
                "- **C) Rifampin**: This is the correct answer.\n\n**Answer: D**",
                "(C)\n\nAnswer: D",
                "The answer is D (i.e., Rifampin).",
                "The answer is D, i.e., rifampin.",
                "The correct answer here is rifampin. Therefore, the answer is (D).",
                "Among the options, rifampin is the correct answer. So the answer is D.",
                "Answer: D\n\nThe findings are most consistent with rifampin.",
                "Answer: D\n\nThe drug of choice is rifampin.",
                "The answer is D, because rifampin is the most common cause.",
                "It is not (A) but (C).\n\nAnswer: D",
                "A seems right. The answer is D.",
                "Not only (C) fits.\n\nAnswer: D",
                "I do not think that C is incorrect. Answer: D",
                "C is incorrect? Answer: D",
                "C is wrong only in children. Answer: D",
                "D is incorrect. Answer: D",
                "Answer: D. The diagnosis calls for rifampin; penicillin G is unlikely.",
                "Answer: D. It calls for rifampin and penicillin G is unlikely",
                "Answer: D, since the findings suggest rifampin, penicillin G is excluded",
                "Answer: D\n\nExplanation: the best is B\n\nA is incorrect.",
                "Answer: D. Vancomycin\n\nThe correct answer is B. Penicillin G\n\nA is incorrect: no fever.",
                "Answer: D\nAnswer: B\nA is incorrect.",
                "Answer: D\n\nFinal answer: B\n- Incorrect options are the others",
                "Answer: D. Tests confirm rifampin, not seen before.",
                "Answer: D. Why not rifampin? It fits best.",
                "Answer: D. The next step is to rule out rifampin.",
                "Answer: D. The mark lies over the rifampin.",
            ],
        ),
        (
            ("S. aureus", "E. coli", "H. influenza", "C. difficile"),
            [
                "Answer: A\n\nE. coli is the most common cause.",
                "H. influenza is the most common cause of this.\n\nAnswer: B",
                "The correct answer is:\n\nE. coli\n\nOption D is correct.",
                "Answer: A. S. aureus\n\nC. difficile is also possible.",
            ],
        ),
        (
            ("Surgery", "Surgery + radiotherapy", "Chemotherapy alone", "All"),
            [
                "The answer is surgery and radiotherapy.",
                "Answer: Surgery and radiotherapy",
                "Surgery as well as radiotherapy.",
                "The best answer is surgery, followed by radiotherapy.",
                "Surgery; then radiotherapy.",
                "Answer: A. Surgery, with radiotherapy",
                "Answer: radiotherapy and surgery",
                "Answer: A as well as the others.",
            ],
        ),
        (("Clostridium difficile", "Entamoeba histolytica", "Giardia lamblia"), ["Answer: C. Difficile"]),
        (("E. coli", "Anaerobes", "Fungi"), ["Answer: B. Fragilis", "The answer is C. Difficile.\n\nIt is common."]),
        (("Hypertension", "Diabetes mellitus"), ["The answer is hypertension and DM.", "Answer: Hypertension, DM"]),
        (ORGANS, ["The answer is A. Option c is also correct.", "Answer: A. B is unlikely to be missed."]),
        (ORGANS, ["Answer: A. Nothing says that B is incorrect.", "Answer: A. B, false positives aside, is the test."]),
        (ARROWS, ["Answer: D. ↓ ↑ ↑", "The answer is D: ↓ ↓ ↓", "Answer: D\n\nThe correct answer is ↓ ↑ ↑."]),
        (GRADES, ["Answer: A. -", "The answer is C (+)."]),
        (NEGATIVES, ["Answer: C\n\nThe correct answer is −80.", "Answer: A\n\nIt is –20."]),
        (("E", "B", "C", "A"), ["E (C)", "The answer is A. The answer is E."]),
        (("only 5%", "less than 1%"), ["A less than 1%", "A, less than 1%"]),
        (("False alarm", "Hit"), ["B, False alarm"]),
        (ASKED, ['Answer: B\n\nThe correct answer is "Have you heard of it?".']),
    ],
)
def test_a_letter_and_the_text_of_another_choice_are_two(choices: tuple[str, ...], answers: list[str]) -> None:
    assert [answer for answer in answers if option_of(answer, choices) is not None] == []


@pytest.mark.parametrize(
    ("answer", "choices", "index"),
    [
        ("The answer is C. Hepatitis B", HEPATITIS, 2),
        ("The answer is hepatitis B.", HEPATITIS, 2),
        ("C - hepatitis B", HEPATITIS, 2),
        ("I'd say hepatitis B.", HEPATITIS, 2),
        ("Answer: D: No change", CHANGES, 3),
        ("The answer is D. There is no change.", CHANGES, 3),
        ("The answer is B. Amoxicillin-clavulanic acid", DRUGS, 1),
        ("Answer: A\n\nThe correct answer is 5%.", RATES, 0),
        ("Answer: B\n\nExplanation: The correct answer is folate deficiency.", CAUSES, 1),
        ("The answer is Mean > Mode", MEANS, 2),
        ("The answer is ß-hCG.", TESTS, 1),
        ("A. A,B,C,D", ORDERS, 0),
        ("They lower K_eq.", TERMS, 0),
        ('"Are you well?"', ASKED, 2),
        ("The findings are most consistent with rifampin.", AGENTS, 2),
        ("The answer is rifampin (C).", AGENTS, 2),
        ("Rifampin (option C)", AGENTS, None),
        ("Options A, B, and D are incorrect. Answer: C", AGENTS, 2),
        ("C. Rifampin\n\nWhy the others are wrong:\n- A. Ciprofloxacin – does not fit.\n- B: Incorrect", AGENTS, 2),
        ("Vancomycin does not fit. Therefore, the answer is C.", AGENTS, 2),
        ("The answer is C. It is not A or B.", AGENTS, 2),
        ('{"answer": "C"}', AGENTS, 2),
        ("Answer: C\n\nA is incorrect because the patient has no fever.", AGENTS, 2),
        ("**Answer: C. Rifampin**\n\nA is unlikely.\nB is unlikely.\nD is unlikely.", AGENTS, 2),
        ("Answer: C\n\n- Incorrect options: the others", AGENTS, 2),
        ("The answer is rifampin; vancomycin is unlikely.", AGENTS, None),
        ("The answer is C, not vancomycin.", AGENTS, 2),
        ("Rifampin, which inhibits an enzyme.", AGENTS, None),
        ("The answer is rifampin, which inhibits an enzyme.", AGENTS, 2),
        ("#### Answer: [C]", AGENTS, 2),
        ("Answer: D. ↓ ↑ ↓", ARROWS, 3),
        ("Answer: A. +", GRADES, 0),
        ("Answer: D\n\nThe correct answer is −80.", NEGATIVES, 3),
    ],
)
def test_a_letter_and_the_text_of_its_choice_are_one(answer: str, choices: tuple[str, ...], index: int | None) -> None:
    assert option_of(answer, choices) == index


@given(st.lists(WORDS, min_size=2, max_size=6, unique=True), st.data())
def test_a_letter_with_another_text_names_no_choice(texts: list[str], data: st.DataObject) -> None:
    own, other = data.draw(st.permutations(range(len(texts))))[:2]
    letter, text = "ABCDEF"[own], texts[other]
    wordings = [
        f"{letter}, {text}",
        f"{letter} - {text}",
        f"Answer: {letter}: {text}",
        f"It is {text}. Therefore {letter}.",
    ]
    for wording in (*wordings, f"Answer: {letter}\n\nExplanation: The answer is {text}.", f"Option {letter} ({text})"):
        assert option_of(wording, texts) is None, wording


@pytest.mark.parametrize(
    ("answer", "choices", "index"),
    [
        ("The answer is yes. There is no gas.", ("Yes", "No"), 0),
        ("No gas is seen. The answer is yes.", ("Yes", "No"), 0),
        ("The answer is no. There is no gas.", ("Yes", "No"), 1),
        ("The answer is (A) yes. There is no gas.", ("Yes", "No"), 0),
        ("The answer is AB, which is a blood group.", ("O", "A", "B", "AB"), 3),
        ("I think it is III.", ("I", "II", "III", "IV"), 2),
        ("The answer is B.", ("A", "B", "C", "D"), 1),
        ("The answer is Al, V.", ("V", "Al", "Ti", "Al, V"), 3),
    ],
)
def test_words_of_english_and_parts_of_a_choice_are_no_second_one(
    answer: str, choices: tuple[str, ...], index: int
) -> None:
    assert option_of(answer, choices) == index


SIGNS = ("Gram + cocci", "↓ calcium", "HBsAg (-)", "C-reactive protein")


@pytest.mark.parametrize(
    ("answer", "index"),
    [
        ("The answer is Gram - cocci.", None),
        ("The answer is (A) Gram - cocci.", None),
        ("The answer is Gram + cocci.", 0),
        ("The answer is ↑ calcium.", None),
        ("The answer is ↓ calcium.", 1),
        ("The answer is HBsAg (+).", None),
        ("The answer is HBsAg (-).", 2),
        ("The answer is C – reactive protein.", None),
        ("The answer is C – a large one.", 2),
        ("The answer is C reactive protein.", 3),
    ],
)
def test_a_choice_is_named_with_its_signs(answer: str, index: int | None) -> None:
    assert option_of(answer, SIGNS) == index


@given(st.lists(WORDS, min_size=2, max_size=9, unique=True), st.data())
def test_each_plain_wording_names_its_choice(texts: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(texts) - 1))
    letter = "ABCDEFGHI"[place]
    text = texts[place]
    wordings = [letter, f"({letter})", f"{letter}. {text}", text, f"The answer is ({letter}).", f"Answer: {letter}"]
    for wording in (*wordings, f"I think it is ({letter}) {text}.", f"It is {text}."):
        assert option_of(wording, texts) == place, wording


@given(st.lists(WORDS, min_size=2, max_size=6, unique=True), st.text(max_size=60))
def test_no_choice_is_named_by_a_text_that_holds_neither_letter_nor_choice(texts: list[str], answer: str) -> None:
    kept = "".join(char for char in answer if not char.isascii() or not char.isalpha())
    assert option_of(kept, texts) is None
