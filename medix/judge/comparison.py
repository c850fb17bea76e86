# ruff: noqa: RUF001 - apostrophes of all kinds
"""Which words compare a candidate with a reference, and what they say of the pair.

A YES or NO counts beside other words only if these speak of the pair: the same word may answer the medical question, an
earlier instruction, or nobody. The lists are those of English; a sentence in another language speaks of no pair.
"""

import re
from dataclasses import dataclass

from medix.judge.relation import AGREES, DIFFERS
from medix.judge.reply_text import QUOTED

_SAME = (
    r"same\b(?! (?:question|to you|as (?:before|in the|the (?:prior|previous|last))))"
    r"|match(?:es|ed|ing)?|agree[sd]?|in agreement|synonym\w*"
    r"|equivalen\w+|identical\w*|equals?|interchangeable|paraphrases?"
    r"|(?:is|are|was|were) (?:\w+ly )?correct|^correct"
)
_DIFFERENT = (
    r"differ\w*|mismatch\w*|discrepan\w+|contradict\w*|disagree\w*|incorrect\w*|wrong\w*(?! to)|opposites?|unequal"
    r"|conflict\w*"
)
_SAYS = (
    r"says?|states?|stated|names?|named|means?|refers?|describes?|described|denotes?|indicates?|den(?:y|ies)|mentions?"
    r"|reports?|identif(?:y|ies)|gives?|lists?|specif(?:y|ies)|express\w*|point|do|omits?|adds?|contains?|include[sd]?"
)
# In the sentence of a verdict only: elsewhere they may lead to a difference (``both name the lung, the sides differ``)
_AFFIRMS = (
    rf"(?:both|they|the two|these)(?: (?:answers|terms|words|phrases|names|reports|of them))?(?: (?:just|all|also))?"
    rf" (?:{_SAYS}|mean|fit|are (?:the|right|acceptable|synonyms?|equal|normal|positive|negative)|have|show|call|use)"
    r"|(?:correctly|accurately|properly|rightly) \w+|corresponds? to|convey\w*|adds? (?:\w+ )?details?"
    r"|(?:contains?|covers?|includes?|captures?|gives?|lists?|names?) (?:(?:all|each|every\w*|both|the correct)\b"
    r"|the (?:\w+ )?(?:reference|expected)\b)"
    r"|(?:is|are|was) (?:(?:also|just|simply|only|merely) )?(?:an?|the|another|one) (?:[\w-]+ ){0,2}"
    r"(?:names?|terms?|words?|synonyms?|abbreviations?|forms?|spellings?|ways?|translations?|versions?|descriptions?)\b"
    r"|means? \w+|stands? for|abbreviat\w+|also called|known as|(?:is|are) (?:right|true|fine|valid|acceptable)$"
    rf"|{QUOTED}[^\n]{{0,20}}(?:\bis\b(?! not)|=|\bmeans?\b)[^\n]{{0,20}}{QUOTED}"
    r"|[0-9][^.;,\n]{0,20}(?: is (?!not)| = |=| equals? )[^.;,\n]{0,20}[0-9]"
)
_AFFIRMS_OR_BOTH = re.compile(rf"(?<!\w)(?:{DIFFERS}|{AGREES}|{_DIFFERENT}|{_SAME}|{_AFFIRMS})(?!\w)", re.IGNORECASE)
_COMPARES = re.compile(rf"\b(?:{_SAME}|{_DIFFERENT})\b", re.IGNORECASE)
_SPEAKS_OF_BOTH = re.compile(rf"\b(?:{DIFFERS}|{AGREES}|{_DIFFERENT}|{_SAME})(?!\w)", re.IGNORECASE)
# "the answer is left" may answer the medical question
_SIDE = (
    rf"candidate|(?:both|the|two|these) answers|answers(?! the)|(?<!reference )answer (?:does|lacks?|{_SAYS})"
    r"|reports\b(?! (?:a|an|no|the)\b)"
)
_OF_THE_PAIR = re.compile(
    rf"\b(?:{_SAME}|{_DIFFERENT}|{_SIDE}|compar\w+|(?:both(?: terms| words| phrases| names)?)"
    rf" (?:{_SAYS}|fit)|it (?:says?|states?)|both of them|means? the|stands for"
    r"|(?:is|are|was|were) (?:described|mentioned|stated|named|given|listed|omitted)|abbreviat\w+|vs|versus"
    r"|correctly|(?:partially|partly) correct|empty answer)\b"
    r"|(?-i:\b[A-Z][A-Z0-9]+) ?(?:means|=)"
    rf"|(?:is|are) right$|{QUOTED}[^\n]{{0,80}}{QUOTED}|\b(?:is|it[’']s) (?:the other|another)\b"
    r"|[0-9][^.;\n]{0,40}(?:\b(?:is|are|not|vs|versus)\b|[=≠])[^.;\n]{0,40}[0-9]",
    re.IGNORECASE,
)
_OF_THE_CASE = re.compile(
    r"(?:the|this|an?) (?:\w+ )?(?:image|scan|x-ray|radiograph|ct|mri|picture|slide|film|photo|patient)\b",
    re.IGNORECASE,
)
_NAMES_A_SIDE = re.compile(r"\b(?:candidate|reference|answers?)\b", re.IGNORECASE)
_REFERENCE = re.compile(r"\breference\b", re.IGNORECASE)
_VERB = re.compile(rf"\b(?:{_SAYS}|is|are|was|were|has|have|had|does|did|lacks?|fails?|misses|uses?)\b", re.IGNORECASE)
_LACKS = re.compile(rf"\b(?:{DIFFERS})\b", re.IGNORECASE)
_BEGINS = re.compile(r"(?:the|an?|both|they|it|this|these|neither)\b", re.IGNORECASE)
_NOT = re.compile(
    r"\b(?:not|no|never|cannot|neither|nor|nothing|none|without|hardly|rarely|seldom|scarcely|barely|far from"
    r"|anything but|fails? to|too)\b|n[’']t\b",
    re.IGNORECASE,
)
_UNREAL = re.compile(
    r"\b(?:if|would|had|should|could|might|may|must|whether|unless|part(?:ly|ial|ially)|only|though|although|despite"
    r"|even|organ)\b",
    re.IGNORECASE,
)
_HARMLESS = re.compile(
    r"\b(?:word\w*|phras\w+|term\w*|express\w+|spell\w+|verbos\w+|longer|shorter|abbreviat\w+|format\w*|unit|units|scale"
    r"|languages?|order|(?:the|in|other|different) names?|extra|details?|styles?)\b",
    re.IGNORECASE,
)
_ALMOST = re.compile(
    r"\b(?:almost|nearly|part(?:ly|ial|ially)|in part|mostly|largely|somewhat|roughly|to some)\b", re.I
)
_BUT = re.compile(r"\b(?:but|however|except|yet|while|whereas)\b", re.IGNORECASE)
_EXCEPTS = re.compile(
    r"(?:\b(?:but|however|except|apart from|other than)|, not)\b(?! (?:both|mean|they mean))", re.IGNORECASE
)
_OF_WORDING = (
    r"(?:words?|terms?|names?|ways?|details?|wording|phras\w+|languages?|order|units?|spellings?|forms?|expressions?"
    r"|synonym\w*|abbreviation\w*|versions?)\b"
)
_FAULT = re.compile(
    r"\b(?:fail(?:s|ed)|mis(?:identif|interpret|label|locat|nam|read|represent|stat|tak|took|understand|understood|quot"
    r"|diagnos|judg)\w*|confus(?:es|ed)|swap(?:s|ped)|revers(?:es|ed)|mix(?:es|ed) up|off by"
    r"|(?:over|under)(?:estimat|stat|call)\w+|nothing to do with|not (?:even )?close|nowhere near|evasive|vague"
    r"|(?:is|are|was|an) (?:empty|blank)|hallucinat\w+|invent(?:s|ed)|fabricat\w+|made up|off.topic|non-?answer"
    r"|self-contradict\w*|(?:wrong|incorrect) (?:unit|scale|order)s?"
    r"|(?:unit|scale|order)s?\b[^.;\n]{0,30} (?:is|are) (?:wrong|incorrect)"
    r"|(?:additional|extra|further|added) (?:finding|diagnos|item|claim|statement)\w*"
    rf"|(?<!each )(?:an)?other (?!{_OF_WORDING}|than\b|answers?\b|one\b|hand\b)\w+)\b",
    re.IGNORECASE,
)
"""Faults that the prompt names; another number, unit, side, organ or finding among them."""
_TERMS = re.compile(
    r"\b(?:incomplete (?:fracture|abortion|bundle|tear|lesion)s?|deviated (?:septum|nasal \w+)|(?:septal|axis|tracheal)"
    r" deviation|(?:un|poorly|well|moderately)[ -]?differentiated(?: \w+)?|differential diagnos[ie]s|v/?q mismatch"
    r"|false (?:aneurysm|lumen|cord|rib|passage)s?|mismatch(?:ed)? (?:defect|repair)s?|missed abortion|empty sella)\b",
    re.IGNORECASE,
)
"""Medical terms with words that elsewhere state a difference."""
_BOTH_SAY = re.compile(r"(\bboth\b[^.!?,;\n]{0,40}?\b(?:are|say|state|mean)) (?:yes|no)\b", re.IGNORECASE)
_CONCEDES = re.compile(r"(?:even )?(?:although|though|despite|while)\b[^,]*", re.IGNORECASE)
_CLAUSE = re.compile(r"[,;:.!?。！？\n–—]| - ")


def without_terms(text: str) -> str:
    """A reply in which medical terms, and what both sides say (``both answers are no``), stand as quotations."""
    return _BOTH_SAY.sub(rf"\1 {QUOTED}", _TERMS.sub(QUOTED, text))


def speaks_of_pair(text: str, *, is_behind: bool = False) -> bool:
    """Whether a text compares candidate and reference.

    Args:
        text: one sentence.
        is_behind: whether it follows a verdict, so that the reference alone is spoken of to explain it.
    """
    return bool(_OF_THE_PAIR.search(text)) or (is_behind and bool(_REFERENCE.search(text)))


def explains(sentence: str) -> bool:
    """Whether a sentence behind a verdict in capitals may explain it by a fact: it has an English verb or begins so.

    A rule or a quotation alone says nothing else, either.
    """
    return not re.search(r"\w", sentence) or _VERB.search(sentence) is not None or _BEGINS.match(sentence) is not None


def leads_to_verdict(sentence: str) -> bool:
    """Whether a sentence before a verdict compares the pair; one that only names it is a heading."""
    if _OF_THE_CASE.match(sentence) and not _NAMES_A_SIDE.search(sentence):
        return False
    if _COMPARES.search(sentence):
        return True
    return speaks_of_pair(sentence) and bool(_VERB.search(sentence) or _LACKS.search(sentence) or has_fault(sentence))


def says_otherwise(text: str, is_yes: bool) -> bool:
    """Whether the last comparison in a text contradicts the verdict beside it: ``YES. On reflection, they differ``.

    Differences of wording and the like contradict no YES; what would be the same under a condition, or is so only in
    part, contradicts no NO. What is the same in part, or but for something, contradicts a YES, and so does a fault of
    an answer behind the last comparison.
    """
    last = _last_relation(text)
    if last is None:
        return is_yes and has_fault(text)
    if last.is_same == is_yes:
        return is_yes and (_ALMOST.search(last.clause) is not None or last.is_limited or has_fault(text[last.end :]))
    if is_yes:
        return not _HARMLESS.search(last.clause) or has_fault(text)
    sentence = text[max(text.rfind(mark, 0, last.begin) for mark in ".!?\n") + 1 :]
    return not (_UNREAL.search(sentence) or _BUT.search(text, last.end))


def affirms(statement: str) -> bool:
    """Whether a statement says that the candidate is right, or that both say the same, and nothing beside it."""
    last = _last_relation(statement, _AFFIRMS_OR_BOTH)
    if last is None or not last.is_same or last.is_limited or _UNREAL.search(statement) or _BUT.search(statement):
        return False
    words = statement[last.begin : last.end]  # of values that are compared, only the whole sentence tells
    return not re.search(rf"[0-9]|{QUOTED}", words) and not re.search(r"\bleft\b.*\bright$", statement)


def says_so(statement: str, is_yes: bool) -> bool:
    """Whether the statement in one sentence with a verdict can be its ground: ``the sides match: YES``.

    A YES needs agreement, a NO anything else: what a list of words does not hold can only make a verdict unscored.
    """
    last = _last_relation(statement, _AFFIRMS_OR_BOTH)
    if last is None or not is_yes:
        return not is_yes and (last is None or not last.is_same or bool(_UNREAL.search(statement)))
    return last.is_same and not (_ALMOST.search(last.clause) or last.is_limited or has_fault(statement))


def differs_in_wording(statement: str) -> bool:
    """Whether a statement names a difference that is harmless: ``only the spelling is different``."""
    last = _last_relation(statement, _AFFIRMS_OR_BOTH)
    return last is not None and not last.is_same and bool(_HARMLESS.search(last.clause)) and not has_fault(statement)


@dataclass(frozen=True, slots=True)
class _Relation:
    """What a text says of the pair.

    Attributes:
        begin: where its words begin.
        end: where they end.
        is_same: whether it is agreement.
        is_limited: whether something is excepted from it: ``they agree, but not on the side``.
        clause: the clause that holds the words, without them.
    """

    begin: int
    end: int
    is_same: bool
    is_limited: bool
    clause: str


def _last_relation(text: str, words: re.Pattern[str] = _SPEAKS_OF_BOTH) -> _Relation | None:
    last = None
    for last in words.finditer(text):  # noqa: B007 - the last one is wanted
        pass
    if last is None:
        return None
    begin = max((mark.end() for mark in _CLAUSE.finditer(text, 0, last.start())), default=0)
    end = _CLAUSE.search(text, last.end())
    before, behind = text[begin : last.start()], text[last.end() : end.start() if end else len(text)]
    is_same = re.fullmatch(rf"{_SAME}|{AGREES}|{_AFFIRMS}", last[0], re.IGNORECASE) is not None
    if _NOT.search(before) or (not is_same and re.match(r"\s+only\b", behind)):
        is_same = not is_same
    rest = re.split(r"[.!?。！？\n]", text[last.end() :], maxsplit=1)[0]
    is_limited = _EXCEPTS.search(rest) is not None and not _HARMLESS.search(rest)
    return _Relation(last.start(), last.end(), is_same, is_limited, before + behind)


def has_fault(text: str) -> bool:
    """Whether a text names a fault of an answer that the judge was asked to look for, and does not deny it."""
    return any(
        not _NOT.search(text, max((mark.end() for mark in _CLAUSE.finditer(text, 0, found.start())), default=0),
                        found.start())
        for found in _FAULT.finditer(text)
    )  # fmt: skip


def concedes_wording(text: str) -> bool:
    """Whether a text grants a difference of wording and then says that both are the same."""
    found = _CONCEDES.match(text)
    return found is not None and bool(_HARMLESS.search(found[0])) and speaks_of_pair(text[found.end() :])
