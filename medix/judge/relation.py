# ruff: noqa: RUF001 - apostrophes of all kinds
"""Whether a sentence that states a relation between candidate and reference is understood.

A list of words can never hold all that are written for agreement and difference. A sentence beside a verdict that
states a relation in words that are not understood may contradict the verdict, which is then none.
"""

import re

_SIDES = r"(?:candidate|reference|expected|ground truth|correct answer|gold|each other|one another|the other)"
_STRONG = r"(?:consistent|compatible|aligned|congruent|consonant|in line|in keeping|in accord(?:ance)?)"
AGREES = rf"{_STRONG}(?:(?: in \w+)? with (?:\w+ ){{0,2}}{_SIDES}\b| (?:with|to) (?:it|that)\b|(?=[^\w\s]|$))" + (
    r"|accurate|(?:is |are )?supported by the (?:\w+ )?reference|(?:aligns?|squares|lines up)(?: \w+)? with"
    r"|(?:is|are|was) acceptable"
)
"""Agreement in words that compare a pair only where it is known that they are about one."""
DIFFERS = (
    r"(?:in|un|mis|ir|dis|non-?)(?:consistent|compatible|aligned|congruent|consonant|accurate|supported|related|relevant"
    r"|acceptable|complete|specific|faithful|similar|true)\w*"
    r"|at (?:odds|variance)|(?:deviat|diverg|depart)\w+|far from|unlike|distinct|opposed|false|inaccurac\w+"
    r"|omits?|omitted|misse[sd]|missing|lacks?|lacking|overlooks?|ignores?|leaves out|left out|neglects?|forgets?"
)
"""Difference, with the negative forms of words for agreement, and loss."""

_UNDERSTOOD = re.compile(
    r"\b(?:same|match\w*|agree\w*|synonym\w*|equivalen\w+|identical\w*|equals?|paraphrase\w*|correct\w*|differ\w*"
    r"|mismatch\w*|discrepan\w+|contradict\w*|disagree\w*|incorrect\w*|wrong\w*|opposites?|conflict\w*|similar\w*"
    r"|correspond\w*|refers?|compar\w+|than|version|form|term|name|way|addition|part|close\w*|related|belongs?|maps?"
    r"|conforms?|adheres?|amounts?|relates?|reduces?|attribut\w+|copied|taken|found|present|both|words?|wording"
    r"|equal|respect|regard\w*|interchangeable|answers? to|due|identif\w+|limited|according|described?|mentioned|stated"
    rf"|given|listed|specific\w*|detailed|vague|broad\w*|narrow\w*|general|(?:{AGREES})|(?:{DIFFERS}))\b",
    re.IGNORECASE,
)
_SUBJECT = r"\b(?:candidate|answers?|reply|report|diagnosis|finding|meaning|it|they|this|these|two)(?:['’]s)?\b"
_OBJECT = rf"(?:with|to|from|by|against|off|beyond|for|of|into|in)\s(?:\w+\s){{0,2}}{_SIDES}\b"
_FACT = r"(?:says?|states?|names?|means?|gives?|lists?|contains?|includes?|uses?|has|have|does|do|did)\b"
_RELATES = re.compile(rf"{_SUBJECT}(?!\s(?:\w+\s)?{_FACT})\s[^\n]{{0,80}}?\b{_OBJECT}", re.IGNORECASE)
_OF_FACT = re.compile(
    r"\b(?:convey\w*|captur\w+|cover\w*|reflect\w*|express\w*|restat\w+|repeat\w*|summari[sz]\w+|provid\w+|mention\w*"
    r"|describ\w+|denot\w+|indicat\w+|point\w*|identif\w+|specif\w+|report\w*|contain\w*|includ\w+|nam\w+|giv\w+"
    r"|list\w*|preserv\w+|retain\w*|sa(?:y|ys|id)|stat(?:e|es|ed|ing)|show\w*|add\w*|keep\w*|shar\w+|reproduc\w+"
    r"|us\w+|(?:is|are|was) (?:an?|the|also|just|simply|not))\b",
    re.IGNORECASE,
)
_OF_BOTH = re.compile(
    r"\b(?:(?:the|these) (?:two )?|two )(?:answers|replies|reports) (?:are|were|\w+)[^.;\n]*$|"
    r"^they are [^.;\n]*$",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[,;:.!?。！？\n–—]| - |\b(?:but|while|whereas|so|therefore|hence|thus)\b")


def is_not_understood(sentence: str) -> bool:
    """Whether a clause relates candidate and reference in words that are not understood.

    ``It strays from the reference`` does. What one of them says is a fact and no relation, and in clauses of their own
    both may say something.
    """
    return any(_is_dark(clause.strip()) for clause in _CLAUSE.split(sentence))


def _is_dark(clause: str) -> bool:
    if _UNDERSTOOD.search(clause) or _OF_FACT.search(clause):
        return False
    return bool(_RELATES.search(clause) or _OF_BOTH.search(clause))
