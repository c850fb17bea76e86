# ruff: noqa: RUF001 - apostrophes of all kinds
"""Which words compare a candidate with a reference, and what they say of the pair.

A YES or NO counts beside other words only if these speak of the pair: the same word may answer the medical question, an
earlier instruction, or nobody. The lists are those of English; a sentence in another language speaks of no pair.
"""

import re

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
_COMPARES = re.compile(rf"\b(?:{_SAME}|{_DIFFERENT})\b", re.IGNORECASE)
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
_BEGINS = re.compile(r"(?:the|an?|both|they|it|this|these|neither)\b", re.IGNORECASE)
_NOT = re.compile(
    r"\b(?:not|no|never|cannot|neither|nor|nothing|none|without|hardly|fails? to)\b|n[’']t\b", re.IGNORECASE
)
_UNREAL = re.compile(
    r"\b(?:if|would|had|should|could|might|may|must|whether|unless|part(?:ly|ial|ially)|only|though|although|despite"
    r"|even|organ)\b",
    re.IGNORECASE,
)
_HARMLESS = re.compile(
    r"\b(?:word\w*|phras\w+|term\w*|express\w+|spell\w+|verbos\w+|longer|shorter|abbreviat\w+|format\w*|unit|units|scale"
    r"|languages?|order|only|names?|extra|details?|styles?)\b",
    re.IGNORECASE,
)
_ALMOST = re.compile(
    r"\b(?:almost|nearly|part(?:ly|ial|ially)|in part|mostly|largely|somewhat|roughly|to some)\b", re.I
)
_BUT = re.compile(r"\b(?:but|however|except|yet|while|whereas)\b", re.IGNORECASE)
_CONCEDES = re.compile(r"(?:even )?(?:although|though|despite|while)\b[^,]*", re.IGNORECASE)
_CLAUSE = re.compile(r"[,;:.!?。！？\n–—]| - ")


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
    return bool(_COMPARES.search(sentence)) or (speaks_of_pair(sentence) and bool(_VERB.search(sentence)))


def says_otherwise(text: str, is_yes: bool) -> bool:
    """Whether the last comparison in a text contradicts the verdict beside it: ``YES. On reflection, they differ``.

    Differences of wording and the like contradict no YES; what would be the same under a condition, or is so only in
    part, contradicts no NO. What is the same in part contradicts a YES.
    """
    last = None
    for last in _COMPARES.finditer(text):  # noqa: B007 - the last one is wanted
        pass
    if last is None:
        return False
    begin = max((mark.end() for mark in _CLAUSE.finditer(text, 0, last.start())), default=0)
    end = _CLAUSE.search(text, last.end())
    before, behind = text[begin : last.start()], text[last.end() : end.start() if end else len(text)]
    is_same = re.fullmatch(_SAME, last[0], re.IGNORECASE) is not None
    if _NOT.search(before) or (not is_same and re.match(r"\s+only\b", behind)):
        is_same = not is_same
    clause = before + behind
    if is_same == is_yes:
        return is_yes and _ALMOST.search(clause) is not None
    if is_yes:
        return not _HARMLESS.search(clause)
    sentence = text[max(text.rfind(mark, 0, last.start()) for mark in ".!?\n") + 1 :]
    return not (_UNREAL.search(sentence) or _BUT.search(text, last.end()))


def concedes_wording(text: str) -> bool:
    """Whether a text grants a difference of wording and then says that both are the same."""
    found = _CONCEDES.match(text)
    return found is not None and bool(_HARMLESS.search(found[0])) and speaks_of_pair(text[found.end() :])
