"""Word lists for ``clinical.text``: units, number words, plurals, laterality, negations, antonyms."""

from decimal import Decimal


def _list(words: str) -> list[str]:
    return words.split()


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# fmt: off
UNITS: dict[str, tuple[str, Decimal]] = {
    name: (dimension, Decimal(factor))
    for dimension, factor, names in (
        ("length", "1e-6", "nm nanometer nanometre"), ("length", "1e-3", "μm um micron micrometer micrometre"),
        ("length", "1", "mm millimeter millimetre"), ("length", "10", "cm centimeter centimetre"),
        ("length", "1000", "m meter metre"), ("length", "25.4", "inch"),
        ("area", "1", "mm2"), ("area", "100", "cm2"), ("area", "1000000", "m2"),
        ("volume", "1e-6", "μl ul microliter microlitre mm3"), ("volume", "1e-3", "ml milliliter millilitre cc cm3"),
        ("volume", "1e-1", "dl deciliter decilitre"), ("volume", "1", "l liter litre"),
        ("mass", "1e-9", "ng nanogram"), ("mass", "1e-6", "μg ug mcg microgram"), ("mass", "1e-3", "mg milligram"),
        ("mass", "1", "g gram"), ("mass", "1000", "kg kilogram"),
        ("time", "1e-3", "ms millisecond"), ("time", "1", "s sec second"), ("time", "60", "min minute"),
        ("time", "3600", "h hr hour"), ("time", "86400", "day"), ("time", "604800", "week wk"),
        # a month or a year has no fixed number of days
        ("months", "1", "month"), ("months", "12", "year yr"),
        ("percent", "1", "% percent"), ("angle", "1", "° degree deg"), ("pressure", "1", "mmhg"),
        ("frequency", "1", "hz hertz"), ("frequency", "1000", "khz"), ("frequency", "1000000", "mhz"),
        ("rate", "1", "bpm"), ("unit", "1", "iu"), ("attenuation", "1", "hu hounsfield"),
        ("amount", "1", "mol mole"), ("amount", "1e-3", "mmol"), ("amount", "1e-6", "μmol umol"),
        ("dose", "1", "gy gray"), ("dose", "1e-3", "mgy"), ("equivalent dose", "1", "sv"),
        ("equivalent dose", "1e-3", "msv"),
    )
    for name in names.split()
}

NUMBER_WORDS = {
    word: value
    for value, word in enumerate(
        _list("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen "
        "eighteen nineteen")
    )
} | {word: 10 * value for value, word in enumerate(_list("twenty thirty forty fifty sixty seventy eighty ninety"), 2)}
SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}

ORDINALS = {
    f"{value}{'th' if value > 3 else ('st', 'nd', 'rd')[value - 1]}": word
    for value, word in enumerate(_list("first second third fourth fifth sixth seventh eighth ninth tenth"), 1)
}
ROMAN = {numeral: value for value, numeral in enumerate(_list("i ii iii iv v vi vii viii ix x xi xii xiii"), 1)}
GRADED = _set("grade stage type class degree segment zone group category factor phase salter "
              "nerve lead layer level fort figo nyha tanner bethesda fitzpatrick schatzker")

SINGULARS = {
    "vertebrae": "vertebra", "metastases": "metastasis", "diagnoses": "diagnosis", "stenoses": "stenosis",
    "thromboses": "thrombosis", "fibroses": "fibrosis", "necroses": "necrosis", "anastomoses": "anastomosis",
    "exostoses": "exostosis", "prostheses": "prosthesis", "paralyses": "paralysis", "crises": "crisis",
    "axes": "axis",
    "epiphyses": "epiphysis", "diaphyses": "diaphysis", "metaphyses": "metaphysis", "testes": "testis",
    "nuclei": "nucleus", "foci": "focus", "thrombi": "thrombus", "emboli": "embolus", "bronchi": "bronchus",
    "calculi": "calculus", "alveoli": "alveolus", "fungi": "fungus", "bacilli": "bacillus", "cocci": "coccus",
    "villi": "villus", "gyri": "gyrus", "sulci": "sulcus", "rami": "ramus", "menisci": "meniscus",
    "rhonchi": "rhonchus",
    "radii": "radius", "bullae": "bulla", "fistulae": "fistula", "scapulae": "scapula", "pleurae": "pleura",
    "cannulae": "cannula", "maxillae": "maxilla", "lacunae": "lacuna", "bursae": "bursa", "papillae": "papilla",
    "bacteria": "bacterium", "ova": "ovum", "septa": "septum", "diverticula": "diverticulum", "atria": "atrium",
    "acetabula": "acetabulum", "phalanges": "phalanx", "cortices": "cortex", "apices": "apex", "cervices": "cervix",
    "appendices": "appendix", "indices": "index", "matrices": "matrix", "feet": "foot", "teeth": "tooth",
    "men": "man", "women": "woman", "children": "child", "halves": "half", "calves": "calf", "lives": "life",
    "leaves": "leaf", "sarcomata": "sarcoma", "carcinomata": "carcinoma", "hematomata": "hematoma",
}
NOT_PLURAL = _set("aids lens pancreas biceps triceps quadriceps series species diabetes rabies herpes caries "
"scabies always perhaps "
    "gas bias canvas atlas yes this his has was does as ms meninges")

LATERALITY = {
    "left": {"left"}, "right": {"right"}, "lt": {"left"}, "rt": {"right"},
    "leftward": {"left"}, "rightward": {"right"},
    "lll": {"left"}, "lul": {"left"}, "rll": {"right"}, "rul": {"right"}, "rml": {"right"}, "midline": {"midline"},
    "bilateral": {"left", "right"}, "bilaterally": {"left", "right"}, "both": {"left", "right"},
}

NEGATORS = _set("no not without never none neither cannot non absent absence negative free lack lacks lacking denies "
                "denied deny excluded unlikely nil exclude excludes")
NEGATES_BEFORE = _set("absent excluded negative unlikely nil none")
EMPTY_WORDS = _set("is are was were be been being there it of in on at by for to this that and or nor any evidence "
                   "sign seen identified noted visible present demonstrated show shown do doe did does have has had")
CLAUSE_BREAKS = frozenset(("|", "but", "however", "although", "though", "yet", "with", "except", "while", "yes"))

ANTONYMS: tuple[tuple[frozenset[str], frozenset[str]], ...] = tuple(
    (frozenset(one.split()), frozenset(other.split()))
    for one, other in (
        ("small smaller smallest little shrunken tiny", "large larger largest big bigger biggest enlarged huge"),
        ("increase increased increasing elevated elevation raised rising higher",
         "decrease decreased decreasing reduced reduction lowered falling lower diminished"),
        ("high", "low"), ("more greater", "less fewer"), ("most", "least"), ("benign", "malignant"),
        ("acute", "chronic"),
        ("anterior anteriorly ventral", "posterior posteriorly dorsal"),
        ("superior superiorly upper", "inferior inferiorly lower"),
        ("above", "below"), ("over", "under"), ("medial medially", "lateral laterally"),
        ("proximal proximally", "distal distally"),
        ("internal", "external"), ("inner", "outer"), ("inside", "outside"),
        ("cranial cephalad rostral", "caudal caudad"),
        ("superficial", "deep"), ("central centrally", "peripheral peripherally"), ("apical", "basal basilar"),
        ("unilateral", "bilateral both"), ("ipsilateral", "contralateral"), ("positive", "negative"),
        ("normal", "abnormal pathological pathologic"), ("healthy", "diseased"), ("open", "closed"),
        ("complete", "incomplete partial"),
        ("solid", "cystic"), ("male man boy", "female woman girl"), ("systolic", "diastolic"),
        ("arterial artery", "venous vein"),
        ("bright hyperdense hyperintense hyperechoic radiopaque", "dark hypodense hypointense hypoechoic "
        "radiolucent"),
        ("light", "dark"), ("white", "black"),
        ("dilated dilation dilatation widened", "constricted constriction narrowed stenotic"),
        ("wide wider", "narrow narrower"), ("thick thicker thickened", "thin thinner thinned"),
        ("long longer", "short shorter"),
        ("early", "late"), ("before", "after"), ("mild", "severe"),
        ("improved improving improvement better", "worse worsened worsening"),
        ("gain", "loss"), ("hot", "cold"), ("fast faster", "slow slower"), ("strong", "weak"),
        ("sensitive", "resistant"),
        ("primary", "secondary metastatic"), ("sagittal", "axial coronal transverse"),
        ("coronal", "axial transverse"),
        ("diffuse", "focal localized localised"), ("single solitary", "multiple several many numerous"),
        ("first", "second third fourth fifth last"), ("second", "third fourth fifth"), ("third", "fourth fifth"),
        ("fourth", "fifth"),
        ("viral", "bacterial fungal"), ("bacterial", "fungal"), ("true", "false"),
        ("intact", "ruptured torn fractured"),
        ("flexion", "extension"), ("adduction", "abduction"), ("supination", "pronation"),
        ("inspiration", "expiration"),
        ("gray grey", "white"), ("begin start", "end stop"), ("elevate", "depress"), ("stable", "progressive"),
        ("efferent", "afferent"), ("motor", "sensory"), ("infant child pediatric paediatric", "adult"),
    )
)
SIDES_OF_WORD: dict[str, tuple[tuple[int, int], ...]] = {}
for _pair, _sides in enumerate(ANTONYMS):
    for _side, _words in enumerate(_sides):
        for _word in _words:
            SIDES_OF_WORD[_word] = (*SIDES_OF_WORD.get(_word, ()), (_pair, _side))

# Words that differ only in one of these prefixes are opposites: stable/unstable, hyperdense/hypodense.
OPPOSED_PREFIXES = (
    ("", "non"), ("", "un"), ("", "in"), ("", "im"), ("", "ir"), ("", "ab"), ("", "dis"), ("", "a"), ("", "mal"),
    ("", "anti"),
    ("hyper", "hypo"), ("", "hyper"), ("", "hypo"), ("intra", "extra"), ("endo", "exo"), ("endo", "epi"),
    ("pre", "post"),
    ("ante", "retro"), ("supra", "infra"), ("sub", "supra"), ("brady", "tachy"), ("micro", "macro"), ("in", "ex"),
    ("intra", "inter"), ("eu", "dys"), ("homo", "hetero"), ("mono", "poly"), ("uni", "bi"), ("uni", "multi"),
    ("poly", "oligo"),
)
# fmt: on
