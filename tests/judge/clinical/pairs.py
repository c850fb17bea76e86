# ruff: noqa: E501, RUF001 - look-alike characters are inputs here
"""Pairs of answers: the same, or not, by kind; and pairs generated from rules."""

import itertools
from collections.abc import Iterator

SAME = """
5mm|5 mm; 5 mm|0.5 cm; 5 mm.|The 5.0 mm; 5-mm nodule|5 mm nodules; 1,234,567.50|1234567.5; two nodules|2 nodule
one hundred and five mm|105mm; three hundred thousand|300,000; a hundred|100; a dozen|12; 1.2 million|1,200,000
The left lung|left lung; a fracture|Fracture!; A|a; 1:2|1 : 2; 120 / 80 mmHg|120/80 mm Hg; 50%|50 per cent; it isn't|it is not
can't|can not; X-ray|x ray; X-ray|xray; 2 hours|120 min; 1st|first; grade II|grade 2; 10 mg/dl|100 mg/l
5 x 3 cm|50mm x 30mm; 5-7 mm|5 mm - 7 mm; 5-7 mm|5 to 7 mm; L4-5|L4-L5; C5/6|C5-C6; ½|1/2; ¼|0.25; 1½|1.5; 1 1/2|1.5
٣ mm|3mm; ３ｍｍ|3 mm; 5 cm²|5 cm2; 5 cm^2|5 cm2; −5|-5; 25 µm|25 μm; ≤5 mm|<= 5mm; ÖDEM|ödem; a​b|ab; 5㎝|5 cm
β-blocker|beta-blocker; β2-microglobulin|beta-2 microglobulin; TNF-α 5 ng|TNF alpha 5 ng; ΔF508|delta F508
cranial nerve VI|cranial nerve 6; Na⁺|Na+; • pneumonia|pneumonia; pneumonia 🦠|pneumonia; ► mass|● mass; Tylenol™|Tylenol
28x27|28 x 27; 28 × 27 mm|28x27 mm; 12x8 mm|12 mm × 8 mm; 1,5 cm|15 mm; 0,125 mg|0.125 mg; 1e-3 g|1 mg; 10⁶|10^6
5×10⁹/L|5 x 10^9/L; &lt;5 mm|<5 mm; less than 5 mm|< 5 mm; 3 cms|3 cm; 5 mls|5 mL; 3 hrs|3 hours; 440 msec|440 ms
stage: III|stage III; Grade (II)|grade II; stage IIIa|Stage 3A; Bosniak IIF|bosniak 2F; BI-RADS IV|BIRADS 4; Crohns|Crohn's
Crohn disease|Crohn's disease; MRIs|MRI; keratoses|keratosis; femora|femur; *left*|left; “left”|left; [left]|left
pneumothorax – left|pneumothorax, left; effusion (right)|effusion, right; T2N0M0|T2 N0 M0; V1 to V4|V1-V4
segments VI and VII|segments 6 and 7; HER2+|HER2 positive; Rh neg|Rh negative; CT w/o contrast|CT without contrast
noncontrast CT|non-contrast CT; tumour|tumor; haematuria|hematuria; Ménière's disease|Meniere disease; sub-acute|subacute
fever, cough|cough and fever; II, III, aVF|II, III and aVF; A, C|A C; A and C|A, C; left and right|right and left
1) liver 2) spleen|1. liver 2. spleen; no, there is cardiomegaly|no there is cardiomegaly; Answer: left|left
no effusion, no mass|no effusion. No mass; 7 pg/mL|7 ng/L; 60/min|60 per minute; 38 degrees C|38 ℃; "One Breath"|one breath
5 mg per day|5 MG PER DAY; 72 beats per minute|72 BEATS PER MINUTE; 5 Mg|5 mg; 10 mhz|10 MHz; 5 mMol/L|5 mmol/L; 1e3|1000.
leads V1-V4|LEADS V1-V4; Rh pos|RH POS; 20G needle|20-gauge needle; ±2|+/-2; CT vs. MRI|CT versus MRI
The  answer  is left|left; $5$ mm|5 mm; $\\geq 5$ mm|≥5 mm; \\text{left lung}|left lung; \\boxed{\\text{left}}|left; CO$_2$|CO2
10<sup>6</sup>|10^6; 10^{6}|10^6; H<sub>2</sub>O|H2O; <answer>left</answer>|left; $\\alpha$-thalassemia|α-thalassemia
4·5 cm|4.5 cm; sinuses|sinus; stigmata|stigma; <b>left</b>|left; HER2 (-)|HER2 negative; tumor(s)|tumors; leucocyte|leukocyte
"""
CROSSED = """
10<sup>6</sup>|106; 10<sub>6</sub>|106; 2·10^6|2.10; increased and decreased|decreased and increased; Klebsiella pneumoniae|Klebsiella pneumonia
.5 mm|5 mm; 1,5|15; 1,5|1.5; 10,00|1000; 1,500 mm|1.5 mm; 0,125 mg|125 mg; 1:2|12; 1:2|2:1; 5 mm|5 cm; 5 mg|5 mm; 5|5 mm
5 %|5; <5 mm|5 mm; <5 mm|>5 mm; <5|≤5; -5|5; 10^6|106; 10⁶|10⁻⁶; 1½ cm|11/2 cm; 6/12|20/40; 5 mM|5 mm; 37 MBq|37 GBq
10 MHz|10 mHz; 1 MBq|1 mBq; 5 mCi|5 MCi; 6 MV|6 mV; 20G needle|20 g needle; 120/80 mmHg|120/0 mmHg; $10^{-6}$|$10^{6}$
LV > RV|RV > LV; edema causing hemorrhage|hemorrhage causing edema; fever followed by rash|rash followed by fever
1 of 3 nodes|3 nodes; HSV-1|HSV; PD-1|PD; 1 1/2 tablets|1 3/2 tablets; No. The answer is yes|no yes
T-score:-2.5|T-score:2.5; 2x3x4 cm|2x3x5 cm; 28 x 27|27 x 28; 1 mg per day|1 mg per week; 38 °C|38 °F; 2+|3+; 2 500 mg|2500 mg
no fracture|fracture; without fracture|fracture; fracture is absent|fracture; negative for fracture|fracture
isn't fractured|is fractured; can't see a mass|can see a mass; never smoked|smoked; not absent|absent; fracture (-)|fracture
No, pneumothorax|no pneumothorax; No: fracture|No fracture; no effusion and no mass|effusion and mass; stone without cyst|cyst without stone
no effusion, fracture present|no fracture, effusion present; NSCLC|SCLC; nonsmoker|smoker; pneumonia|pneumonia not excluded
left lung|right lung; both lungs|left lung; bilateral|left; left lung|lung; RUQ|LUQ; OD|OS; RBBB|LBBB; R>L|L>R; left|left or right
right greater than left|left greater than right; cyst in the left kidney, stone in the right|stone in the left kidney, cyst in the right
lung: right, kidney: left|lung: left, kidney: right; left-to-right shunt|right-to-left shunt
smaller|larger; increased|decreased; benign|malignant; upper lobe|lower lobe; hyperdense|hypodense; stable|unstable
T1-weighted|T2-weighted; L4-L5|L4-S1; grade II|grade III; stage IIIA|stage IIIB; Bosniak II|Bosniak IIF; T2N0M0|T2N1M0
7th rib|8th rib; HER2+|HER2-; hepatitis A|hepatitis B; hepatitis A|hepatitis; B|C; B|B or C; vitamin A|vitamin; CN VII|CN VI
Weber a fracture|Weber fracture; botulinum toxin a injection|botulinum toxin injection; A lines|lines; a|an; yes|no; no|not no
TSH ▲|TSH ▼; TSH ▲|TSH; fracture ✅|fracture ❌; fracture|fracture ❌; mass 👍|mass 👎; lesion 🔴|lesion 🟢; Na⁺|Na⁻; 肺 ⊕|肺 ⊖
♂|♀; α-thalassemia|β-thalassemia; interferon β-1a|interferon β-1b; 3'UTR|5'UTR; T2*|T2; ¬fracture|fracture
SARS|SAR; MRI|MRA; AF|AFL; ileum|ilium; abduction|adduction; diverticulitis|diverticulosis; carcinoma|adenocarcinoma
melanoma|melanoma in situ; pneumonia|history of pneumonia; metastasis from lung to liver|metastasis from liver to lung
supérieur|inférieur; pêche|péché; año|ano; 左肺|右肺; sin fractura|con fractura; pas de fracture|fracture; keine Fraktur|Fraktur
pulmón derecho|pulmón izquierdo; ?pneumonia|pneumonia; margins free of tumour|margins involved by tumour
"""


def pairs(text: str) -> list[tuple[str, str]]:
    """The pairs of a block: ``one|other``, separated by semicolons and lines."""
    found = [part.split("|") for line in text.strip("\n").split("\n") for part in line.split("; ")]
    return [(one, other) for one, other in found]


GRADED = ("grade", "Stage", "type", "Bosniak", "Mobitz", "segment", "NYHA class", "CN", "BI-RADS", "Le Fort")
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")
SIDES = (
    ("left", "right"),
    ("Lt", "Rt"),
    ("OD", "OS"),
    ("RUQ", "LUQ"),
    ("LLL", "RLL"),
    ("bilateral", "left"),
    ("L", "R"),
)
NOUNS = ("lung", "pleural effusion", "renal stone", "pain")
NEGATORS = ("no", "without", "absent", "never", "not", "lacks", "denies", "absence of", "free of", "negative for")


def generated_same() -> Iterator[tuple[str, str]]:
    """Every grade in Roman and Arabic numerals, every negation and side in other case and spacing."""
    for word, (value, numeral) in itertools.product(GRADED, enumerate(ROMAN, 1)):
        yield f"{word} {numeral}", f"{word.lower()}: {value}"
        yield f"{word} {numeral}A", f"{word}  {value}a"
    for side, noun in itertools.product(itertools.chain(*SIDES), NOUNS):
        yield f"{side} {noun}", f"The {side.lower()}  {noun}s."


def generated_crossed() -> Iterator[tuple[str, str]]:
    """Every grade with every other, every side with its opposite, every negation with its absence and another scope."""
    for word, (one, other) in itertools.product(GRADED, itertools.combinations(ROMAN, 2)):
        yield f"{word} {one}", f"{word} {other}"
    for word, one in itertools.product(GRADED, ROMAN):
        yield f"{word} {one}A", f"{word} {one}B"
        yield f"{word} {one}A", f"{word} {one}"
    for (one, other), noun in itertools.product(SIDES, NOUNS):
        yield f"{one} {noun}", f"{other} {noun}"
        yield f"{one} {noun}", noun
    for (one, other), (noun, second) in itertools.product(SIDES[:3], itertools.combinations(NOUNS, 2)):
        yield f"{one} {noun} and {other} {second}", f"{other} {noun} and {one} {second}"
        yield f"{noun} {one}, {second} {other}", f"{second} {one}, {noun} {other}"
    for negator, (noun, second) in itertools.product(NEGATORS, itertools.permutations(NOUNS, 2)):
        yield f"{negator} {noun}", noun
        yield f"{negator} {noun}, {second}", f"{negator} {second}, {noun}"
        yield f"{noun} {negator} {second}", f"{second} {negator} {noun}"
