"""Credit for reasoning that keeps to the modality of the image."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.grammar import Fault
from medix.judge.clinical.modality_terms import ENTRIES
from medix.modality import PAPER_MODALITIES, ModalitySet
from medix.rewards.base import RewardBatch
from medix.rewards.consistency import ModalityConsistencyReward
from medix.types import Status
from tests.support.components import BATCH, check_component, rows_of
from tests.support.effort import processor_seconds

REWARD = ModalityConsistencyReward()


def batch_of(reasoning: str, modality: str | None, *, answer: str = "a", **columns: str) -> RewardBatch:
    completion = f"<{modality}><think>{reasoning}</think><answer>{answer}</answer>"
    given = {name: [text] for name, text in ({"references": "r", "questions": "q"} | columns).items()}
    return replace(rows_of(BATCH, [0]), completions=[completion], modalities=[modality], **given)


def value(reasoning: str, modality: str | None, **others: str) -> float:
    return REWARD.score(batch_of(reasoning, modality, **others)).value.item()


FOREIGN = [
    ("X_RAY", "The mass measures 45 Hounsfield units.", "hounsfield"),
    ("X_RAY", "It measures -60HU in the centre.", "# hu"),
    ("X_RAY", "A density of 30-45 HU.", "# hu"),
    ("X_RAY", "There is a hyperdense crescent.", "hyperdense"),
    ("X_RAY", "Seen in the lung window.", "lung window"),
    ("X_RAY", "This CT scan shows a fracture.", "this ct"),
    ("CT_SCAN", "T2-weighted images show an oedema.", "t2 weighted"),
    ("CT_SCAN", "High T₂ signal in the marrow.", "t2 signal"),
    ("CT_SCAN", "The lesion is hyperintense on FLAIR.", "hyperintense"),
    ("CT_SCAN", "There is acoustic shadowing behind the stone.", "acoustic shadowing"),
    ("MRI_SCAN", "A low-attenuation lesion of the liver.", "low attenuation"),
    ("MRI_SCAN", "A hypoechoic nodule.", "hypoechoic"),
    ("ULTRASOUND", "The cyst is T1 hypointense.", "hypointense"),
    ("ULTRASOUND", "A radiopaque stone.", "radiopaque"),
    ("MICROSCOPY", "FDG-avid nodes.", "fdg"),
    ("ENDOSCOPY", "H&E stained sections with mitotic figures.", "h&e"),
    ("FUNDUS_PHOTOGRAPHY", "The macula is hyperreflective.", "hyperreflective"),
    ("OCT_SCAN", "The polyp has a type II pit pattern.", "pit pattern"),
    ("CLINICAL_PHOTOGRAPHY", "An echogenic focus.", "echogenic"),
    ("MAMMOGRAPHY", "SUVmax of 8.2.", "suvmax"),
    ("FLUOROSCOPY", "Gadolinium fills the oesophagus.", "gadolinium"),
    ("ANGIOGRAPHY", "Eosinophilic cytoplasm.", "eosinophilic cytoplasm"),
    ("SPECT", "The ellipse is a fundus photograph.", "fundus photograph"),
    ("PET_SCAN", "A dermoscopic pigment network.", "dermoscopic"),
]


@pytest.mark.parametrize(("modality", "text", "term"), FOREIGN)
def test_a_finding_of_another_modality_earns_0_and_is_named(modality: str, text: str, term: str) -> None:
    assert value(text, modality) == 0
    assert REWARD.foreign_terms(text, modality)[0] == term


AT_HOME = [
    ("CT_SCAN", "The mass is hyperdense, 45 Hounsfield units, in the lung window."),
    ("PET_SCAN", "FDG uptake with an SUV of 8; on the fused slice 45 HU."),
    ("SPECT", "Sestamibi uptake is reduced."),
    ("ANGIOGRAPHY", "Digital subtraction shows a stenosis; the CT image has a hyperdense clot."),
    ("MRI_SCAN", "Hyperintense on T2-weighted and FLAIR images, restricted diffusion."),
    ("MRI_SCAN", "The T2 vertebra and the contrast enhancement."),
    ("X_RAY", "The T1 and T2 vertebrae, a radiopaque foreign body, increased attenuation, calcification."),
    ("X_RAY", "A density of 45. Huge effusion."),
    ("ULTRASOUND", "A hypoechoic lesion with acoustic shadowing and Doppler flow; attenuation of the beam."),
    ("ENDOSCOPY", "Endoscopic ultrasound shows a hypoechoic wall layer."),
    ("FUNDUS_PHOTOGRAPHY", "Arteriolar attenuation, hard exudates, drusen."),
    ("MICROSCOPY", "H&E: hyperchromatic nuclei."),
]


@pytest.mark.parametrize(("modality", "text"), AT_HOME)
def test_terms_of_the_modality_and_those_that_several_share_earn_1(modality: str, text: str) -> None:
    assert REWARD.foreign_terms(text, modality) == ()
    assert value(text, modality) == 1


NOT_CLAIMED = [
    "A CT is recommended to measure Hounsfield units.",
    "Correlate with MRI for T2-weighted signal.",
    "Further imaging with FDG may help.",
    "Unlike this CT image, a film has no windows.",
    "On ultrasound such lesions are typically hypoechoic.",
    "If this were an MRI, the lesion would be hyperintense.",
    "A prior study showed a hyperdense lesion.",
    "Compared with CT, Hounsfield units cannot be given.",
    "This is not a CT image.",
    "There is no acoustic shadowing.",
    "No hyperechoic, hypoechoic or anechoic mass.",
    "The picture could be T2-weighted.",
    "Hounsfield units are not applicable here.",
    "I must decide whether it is this CT or a film.",
]


@pytest.mark.parametrize("text", NOT_CLAIMED)
def test_recommendations_comparisons_guesses_and_denials_are_no_findings(text: str) -> None:
    assert REWARD.foreign_terms(text, "X_RAY") == ()


@pytest.mark.parametrize(
    "text",
    [
        "A CT is recommended. The mass is hyperdense.",  # another sentence
        "No. The mass is hyperdense.",
        "There is no fracture of the ribs, and the mass is hyperdense.",  # more than six words on
        "The mass is hyperdense; follow-up is recommended",
        "Hyperdense, as opposed to the other.\nHyperdense",
    ],
)
def test_a_cue_elsewhere_excuses_nothing(text: str) -> None:
    assert REWARD.foreign_terms(text, "X_RAY") == ("hyperdense",)


def test_the_answer_is_read_too() -> None:
    assert value("a mass", "X_RAY", answer="a hypoechoic mass") == 0


@pytest.mark.parametrize("column", ["questions", "references"])
def test_what_question_or_reference_say_is_not_held_against_the_completion(column: str) -> None:
    assert value("It is hyper-dense, thus hyperdense.", "X_RAY", **{column: "Where is the Hyperdense area?"}) == 1
    assert value("It is hyperdense and hypoechoic.", "X_RAY", **{column: "Where is the hyperdense area?"}) == 0


def test_aliases_count_as_the_reference() -> None:
    batch = replace(batch_of("It is hyperdense.", "X_RAY"), aliases=[("a hyperdense mass",)])
    assert REWARD.score(batch).value.tolist() == [1.0]


@pytest.mark.parametrize("modality", [None, "OTHER", "GRAPHICS"])
def test_it_does_not_apply_without_an_image_or_where_anything_may_be_shown(modality: str | None) -> None:
    assert REWARD.score(batch_of("45 Hounsfield units", modality)).status == (Status.NOT_APPLICABLE,)


def test_every_other_modality_of_the_paper_is_covered() -> None:
    covered = {name for name in PAPER_MODALITIES if REWARD.score(batch_of("r", name)).status == (Status.SCORED,)}
    assert set(PAPER_MODALITIES) - covered == {"OTHER", "GRAPHICS"}


@pytest.mark.parametrize(
    "completion",
    ["<X_RAY><answer>a</answer>", "", "no tags", "<X_RAY><think> <b></b> </think><answer>a</answer>",
     "<X_RAY><think>a</think><think>b</think><answer>a</answer>"],
)  # fmt: skip
def test_a_completion_without_one_reasoning_earns_nothing(completion: str) -> None:
    batch = replace(batch_of("", "X_RAY"), completions=[completion])
    assert REWARD.score(batch).value.tolist() == [0.0]


def test_terms_can_be_added_replaced_and_taken_out() -> None:
    reward = ModalityConsistencyReward({"signal void": ["MRI_SCAN"], "hyperdense": ["CT_SCAN", "X_RAY"], "fdg": []})
    assert reward.foreign_terms("A signal void. Hyperdense. FDG avid. SUV 3.", "X_RAY") == ("signal void", "suv")
    assert reward.foreign_terms("A signal void.", "MRI_SCAN") == ()
    assert reward.foreign_terms("hyperdense", "PET_SCAN") == ("hyperdense",)


def test_a_modality_outside_the_set_leaves_the_rows_unscored_with_the_known_ones() -> None:
    reward = ModalityConsistencyReward({"signal void": ["MRI"]})
    scores = reward.score(batch_of("r", "X_RAY"))
    assert scores.status == (Status.UNSCORED,)
    assert "terms['signal void']: 'MRI' is not in the modality set; known: X_RAY" in scores.reason[0]
    own = replace(batch_of("a signal void", "CT"), modality_set=ModalitySet(["CT", "MRI"]))
    reward = ModalityConsistencyReward({"signal void": ["MRI"], "hu": ["CT"]})
    assert reward.score(own).value.tolist() == [0.0]


@pytest.mark.parametrize(
    ("terms", "told"),
    [({"T2-weighted": ["MRI_SCAN"]}, "'T2-weighted' cannot be found"), ({" ": ["CT_SCAN"]}, "cannot be found")],
)  # fmt: skip
def test_terms_that_cannot_be_are_refused(terms: dict[str, list[str]], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ModalityConsistencyReward(terms)


PIECES = st.one_of(st.text(max_size=10), st.sampled_from([term for entry in ENTRIES for term in entry.terms]))


@given(st.lists(PIECES, max_size=30), st.sampled_from(PAPER_MODALITIES))
def test_it_never_raises_and_0_has_a_reason(pieces: list[str], modality: str) -> None:
    batch = batch_of(" ".join(pieces), modality)
    [status], [score] = REWARD.score(batch).status, REWARD.score(batch).value.tolist()
    parsed = batch.parsed[0]
    if status is Status.SCORED and parsed.reasoning is not None and Fault.EMPTY_REASONING not in parsed.faults:
        claims = REWARD.foreign_terms(batch.completions[0], modality, ("q", "r"))
        assert score == float(not claims)


@pytest.mark.parametrize(
    "piece", ["hounsfield ", "no hounsfield ", "this ct. ", "x", ". ", "<a>", "<", "a&", "1.", "spin ", "\u0301", "İ"]
)
def test_fifty_thousand_characters_take_milliseconds(piece: str) -> None:
    text = (piece * 50_000)[:50_000]
    assert (
        processor_seconds(lambda: REWARD.foreign_terms(text, "X_RAY", (text,))) < 5.0
    )  # of processor time: some 20 ms; quadratic work takes minutes


def test_the_contract_is_kept(tmp_path: Path) -> None:
    spec = """
        class_path: medix.rewards.consistency.ModalityConsistencyReward
        init_args: {terms: {signal void: [MRI_SCAN]}}
    """
    check_component(ModalityConsistencyReward({"it is": ["CT_SCAN"]}), spec, tmp_path)
    check_component(REWARD, "class_path: medix.rewards.consistency.ModalityConsistencyReward", tmp_path)
