"""Singular, American, without a possessive ending."""

import pytest

from medix.judge.clinical.spelling import base_form, singular


@pytest.mark.parametrize(
    ("plural", "one"),
    [("nodules", "nodule"), ("biopsies", "biopsy"), ("masses", "mass"), ("branches", "branch"), ("foci", "focus"),
     ("pelvis", "pelvis"), ("thrombus", "thrombus"), ("diabetes", "diabetes"), ("gas", "gas"), ("mass", "mass"),
     ("keratoses", "keratosis"), ("ecchymoses", "ecchymosis"), ("pneumothoraces", "pneumothorax"), ("femora", "femur"),
     ("bronchi", "bronchus"), ("bullae", "bulla"), ("appendices", "appendix"), ("indices", "index"), ("ova", "ovum"),
     ("ganglia", "ganglion"), ("carcinomata", "carcinoma"), ("diagnoses", "diagnosis"), ("doses", "dose"),
     ("cases", "case"), ("diseases", "disease"), ("services", "service"), ("hernia", "hernia"), ("tibia", "tibia"),
     ("prostheses", "prosthesis"), ("metastases", "metastasis"), ("feet", "foot"), ("cortices", "cortex")],
)  # fmt: skip
def test_plurals_are_made_singular(plural: str, one: str) -> None:
    assert singular(plural) == one


@pytest.mark.parametrize(
    ("one", "other"),
    [("haemorrhage", "hemorrhage"), ("oedema", "edema"), ("leukaemia", "leukemia"), ("tumours", "tumor"),
     ("paediatric", "pediatric"), ("diarrhoea", "diarrhea"), ("oesophageal", "esophageal"), ("naevi", "nevus"),
     ("localised", "localized"), ("localisation", "localization"), ("analysed", "analyzed"), ("fibres", "fiber"),
     ("centimetre", "centimeter"), ("grey", "gray"), ("faeces", "feces"), ("ischaemia", "ischemia"),
     ("anaesthesia", "anesthesia"), ("gynaecology", "gynecology"), ("foetal", "fetal"), ("caecum", "cecum"),
     ("crohn's", "crohn"), ("crohns", "crohn"), ("graves'", "grave's")],
)  # fmt: skip
def test_spellings_of_one_word_agree(one: str, other: str) -> None:
    assert base_form(one) == base_form(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("four", "for"), ("aerobic", "erobic"), ("diseased", "disease"), ("analysis", "analyses "), ("hour", "hor"),
     ("michael", "michel"), ("toe", "te"), ("prise", "prize"), ("ileum", "ilium"), ("mucous", "mucus")],
)  # fmt: skip
def test_other_words_do_not(one: str, other: str) -> None:
    assert base_form(one) != base_form(other)
