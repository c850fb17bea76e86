"""The lexicon behind ``consistency``: words of imaging that only some modalities have, and why.

A term is listed only if it cannot be right on the modalities that are left out. What several share is given to all of
them, and what most share is no term at all. "Attenuation" is said of CT, of ultrasound, of the correction of PET and
SPECT, and of the arterioles of a fundus; "contrast", "enhancement", "opacity", "calcification", "uptake" (a thyroid's),
"T2" (also a vertebra) and "drusen" (seen by ultrasound and CT too) name no modality. GRAPHICS and OTHER are in no
entry: a drawing may show anything, and nobody knows what the other pictures are.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModalityTerms:
    """Terms that belong to the same modalities.

    Attributes:
        modalities: where they may be said.
        reason: why there, and why nowhere else.
        terms: words in lower case, hyphens as spaces; ``#`` is a number.
    """

    modalities: tuple[str, ...]
    reason: str
    terms: tuple[str, ...]


# PET and SPECT are fused with CT (and PET with MRI), and angiography is done by X-ray, CT, MRI and on the retina.
_CT = ("CT_SCAN", "PET_SCAN", "SPECT", "ANGIOGRAPHY")
_MRI = ("MRI_SCAN", "PET_SCAN", "ANGIOGRAPHY")
_ULTRASOUND = ("ULTRASOUND", "ENDOSCOPY")
_NUCLEAR = ("PET_SCAN", "SPECT")
_PROJECTION = ("X_RAY", "MAMMOGRAPHY", "FLUOROSCOPY", "ANGIOGRAPHY")
_RETINA = ("FUNDUS_PHOTOGRAPHY", "OCT_SCAN", "ANGIOGRAPHY", "CLINICAL_PHOTOGRAPHY")

# fmt: off
LEXICON: tuple[ModalityTerms, ...] = (
    ModalityTerms(_CT, "Hounsfield's scale and the density words that stand for it; a film is radiopaque or lucent",
        ("hounsfield", "# hu", "hyperdense", "hypodense", "isodense", "hyperdensity", "hypodensity", "hyperdensities",
         "hypodensities", "hyperattenuating", "hypoattenuating", "isoattenuating", "hyperattenuation",
         "hypoattenuation", "low attenuation", "high attenuation", "attenuation value", "attenuation values")),
    ModalityTerms(_CT, "display windows are chosen on a scale of Hounsfield units",
        ("bone window", "lung window", "brain window", "soft tissue window", "mediastinal window")),
    ModalityTerms(_CT, "the picture itself is called a CT",
        ("this ct", "ct image", "ct images", "ct slice", "ct slices")),
    ModalityTerms(_MRI, "weightings and sequences of magnetic resonance",
        ("t1 weighted", "t2 weighted", "t1w", "t2w", "t1wi", "t2wi", "t1 signal", "t2 signal", "flair",
         "proton density weighted", "diffusion weighted", "dwi", "restricted diffusion", "diffusion restriction",
         "apparent diffusion coefficient", "adc map", "adc value", "adc values", "susceptibility weighted", "swi",
         "spin echo", "gradient echo", "inversion recovery", "fat suppressed", "fat saturated", "# tesla")),
    ModalityTerms(_MRI, "signal is what magnetic resonance measures; CT has density, ultrasound echoes",
        ("hyperintense", "hypointense", "isointense", "hyperintensity", "hypointensity", "hyperintensities",
         "hypointensities")),
    ModalityTerms(_MRI, "a contrast agent of magnetic resonance", ("gadolinium",)),
    ModalityTerms(_MRI, "the picture itself is called an MRI",
        ("this mri", "mri image", "mri images", "mr image", "mr images", "mri sequence", "mr sequence")),
    ModalityTerms(_ULTRASOUND, "echoes of sound; endoscopes carry ultrasound probes",
        ("hyperechoic", "hypoechoic", "anechoic", "isoechoic", "echogenic", "hyperechogenic", "hypoechogenic",
         "echogenicity", "hyperechogenicity", "hypoechogenicity", "echotexture", "acoustic shadow",
         "acoustic shadowing", "acoustic enhancement", "acoustic window", "color doppler", "colour doppler",
         "power doppler", "spectral doppler", "doppler flow")),
    ModalityTerms(_ULTRASOUND, "the picture itself is called an ultrasound",
        ("this ultrasound", "ultrasound image", "ultrasound images", "this sonogram")),
    ModalityTerms(("MICROSCOPY",), "stains and the cells that they show",
        ("h&e", "h and e", "hematoxylin", "haematoxylin", "eosin stained", "mitotic figure", "mitotic figures",
         "hyperchromatic", "nuclear pleomorphism", "nuclear atypia", "prominent nucleoli", "eosinophilic cytoplasm",
         "basophilic", "keratin pearls", "high power field", "photomicrograph", "histologic section",
         "histological section", "immunohistochemical stain", "papanicolaou")),
    ModalityTerms(_NUCLEAR, "tracers and how much of them is taken up",
        ("fdg", "fluorodeoxyglucose", "suv", "suvmax", "suv max", "standardized uptake value",
         "standardised uptake value", "radiotracer", "tracer uptake", "radionuclide", "technetium", "tc 99m", "tc99m",
         "99mtc", "sestamibi", "photopenic", "scintigraphic")),
    ModalityTerms(("PET_SCAN",), "the picture itself is called a PET", ("this pet", "pet image", "pet images")),
    ModalityTerms(("SPECT",), "the picture itself is called a SPECT", ("this spect", "spect image", "spect images")),
    ModalityTerms((*_PROJECTION, *_CT), "how much X-ray passes; kept for CT, where stones and metal are called so",
        ("radiopaque", "radiolucent", "radiopacity", "radiolucency", "radiopacities", "radiolucencies")),
    ModalityTerms(_PROJECTION, "the picture itself is called a film or an X-ray",
        ("this x ray", "x ray image", "x ray images", "this xray", "xray image", "this radiograph")),
    ModalityTerms(("MAMMOGRAPHY", "X_RAY"), "views of the breast; oblique views are taken of a foot too",
        ("craniocaudal view", "cc view", "mlo view", "mediolateral oblique", "tomosynthesis", "this mammogram")),
    ModalityTerms(("FLUOROSCOPY", "X_RAY", "CT_SCAN", "ANGIOGRAPHY"), "swallowed contrast; CT sees what is left of it",
        ("barium filled", "barium column", "barium coating")),
    ModalityTerms(("ANGIOGRAPHY", "FLUOROSCOPY", "X_RAY"), "vessels with the bones taken away",
        ("digital subtraction", "this angiogram")),
    ModalityTerms((*_RETINA, "MICROSCOPY"), "fluorescein and what glows without it; microscopes use both",
        ("hyperfluorescence", "hypofluorescence", "hyperfluorescent", "hypofluorescent", "fluorescein leakage",
         "hyperautofluorescent", "hypoautofluorescent")),
    ModalityTerms(_RETINA, "what is seen on the retina, also on a photograph taken in clinic",
        ("cup to disc ratio", "hard exudates", "flame shaped hemorrhages", "flame shaped haemorrhages", "dot blot",
         "retinal microaneurysms")),
    ModalityTerms(("FUNDUS_PHOTOGRAPHY", "CLINICAL_PHOTOGRAPHY", "ANGIOGRAPHY"), "the picture itself is called so",
        ("fundus photograph", "fundus photo", "fundus image", "fundus images")),
    ModalityTerms(("OCT_SCAN", "ULTRASOUND", "ANGIOGRAPHY", "CLINICAL_PHOTOGRAPHY", "MICROSCOPY"),
        "reflected light; also said of confocal microscopes, and of sound in the eye",
        ("hyperreflective", "hyporeflective", "hyperreflectivity", "hyporeflectivity")),
    ModalityTerms(("OCT_SCAN", "ANGIOGRAPHY"), "the picture itself is called an OCT",
        ("this oct", "oct image", "oct images", "optical coherence tomography image")),
    ModalityTerms(("ENDOSCOPY",), "light and views of an endoscope",
        ("narrow band imaging", "pit pattern", "endoscopic view", "endoscopic image", "colonoscopic image",
         "gastroscopic image", "this endoscopy", "this colonoscopy")),
    ModalityTerms(("CLINICAL_PHOTOGRAPHY", "MICROSCOPY"), "skin under a dermatoscope, filed as either",
        ("dermoscopic", "dermatoscopic", "dermoscopy image", "pigment network", "blue white veil")),
)

ELSEWHERE = (
    "recommend", "recommended", "recommends", "recommendation", "advise", "advised", "advisable", "correlate",
    "correlated", "correlation", "should", "would", "if", "unless", "consider", "considered", "further", "additional",
    "next", "unlike", "versus", "vs", "whereas", "prior", "previous", "previously", "earlier", "typically", "usually",
    "often", "generally", "commonly", "classically", "compared", "comparison", "otherwise", "alternatively", "better",
    "history", "referred", "follow up", "rather than", "instead of", "as opposed to", "in contrast to", "to confirm",
    "more sensitive", "is needed", "is required", "is warranted", "are needed", "in general", "known to", "tend to",
    "tends to",
)
"""A sentence with one of these words is about another examination, or about the general case.

"A CT is recommended", "unlike on MRI", "on ultrasound such lesions are typically hypoechoic" are no findings.
"""
DENIALS = (
    "no", "not", "without", "cannot", "neither", "nor", "never", "lacks", "lack", "absence", "absent", "isn", "aren",
    "wasn", "doesn", "don", "could", "may", "might", "either", "whether", "or",
)
"""A term within six words after one of these is not asserted: "not a CT image", "could be T2-weighted"."""
DENIALS_AFTER = (
    "not applicable", "not available", "not relevant", "not used", "not seen", "not present", "not visible",
    "not possible", "not assessed", "not apply", "cannot be", "absent", "unavailable", "inapplicable", "irrelevant",
)
# fmt: on
"""The same for a phrase that starts within four words after the term: "Hounsfield units are not available"."""
