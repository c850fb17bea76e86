# ruff: noqa: RUF001 - punctuation of other scripts too
"""What follows a YES or NO that opens a reply, and may turn it into something other than a verdict."""

import re

_CONDITION = re.compile(r"\b(?:if|unless|provided|assuming|supposing|depending|otherwise)\b", re.IGNORECASE)
_AN_IF = re.compile(
    r"(?:but\s)?(?:only\s)?(?:if|unless|provided|assuming|supposing|in case|depending|or)\b", re.IGNORECASE
)
_HEDGE = re.compile(
    r"(?:(?:but|only|at least|very|most|quite)\s)*(?:probabl\w+|possibl\w+|perhaps|maybe|likely|part(?:ly|ially)|mostly"
    r"|largely|somewhat|sort of|kind of|more or less|almost|nearly|arguably|in part|in a way|to some (?:extent|degree)"
    r"|roughly|i (?:think|guess|suppose|believe|assume|would say)|it (?:seems|appears)|seemingly|apparently|technically"
    r"|tentative\w*|uncertain|unsure|not (?:sure|certain)|(?:could|might|may|can) be|and|or)\b",
    re.IGNORECASE,
)
_BUT = re.compile(r"(?:but|however|although|though|except|apart from|yet|still)\b", re.IGNORECASE)
_CHAT = re.compile(
    r"(?:i (?:can(?:not|['’]t)?|could|will|won['’]t|would|am|understand|agree|know|apologi[sz]e|do$"
    r"|do(?:n['’]t| not) know)|i['’](?:m|ll|d|ve)|we (?:can|will)|let me|please|thank\w*|sir|sorry|of course"
    r"|sure|here|what|which|as an|got it|understood|go ahead|nothing to|that['’]s not)\b",
    re.IGNORECASE,
)
_ATTRIBUTED = re.compile(
    r"(?:according to|as (?:the|per|requested|instructed|stated|written|it|told)|per (?:the|its)|sa(?:ys|id)"
    r"|so (?:says|it says)|(?:that|this|it)(?:['’]s|\sis|\swas)\s(?:what|how|the (?:question|task|instruction)))\b"
    r"|.*\b(?:says?|said|writes?|wrote|claims?|states?|(?:tells?|told) (?:me|us)|asks?|asked)[^\w\ufffc]*$",
    re.IGNORECASE,
)
_OF_THE_CASE = re.compile(
    r"there(?:['’]s|\s(?:is|are|was|were|has|appears?|seems?))\b"
    r"|(?:the|this|an?)\s(?:image|scan|x-ray|radiograph|ct|mri|picture|slide|film|photo|patient)\b"
    r"|no\s|in the\b|it(?:['’]s|\s(?:is|was|shows|looks))\b|normal\b"
    r"|.*\b(?:present|absent|visible|seen|noted|identified|detected|evident)\W*$",
    re.IGNORECASE,
)
_COMPARES = re.compile(
    r"\b(?:candidate|reference|answers?|reports?|differ\w*|mismatch\w*|discrepan\w*|contradict\w*|same|match\w*|agree\w*"
    r"|both|disagree\w*|correct|incorrect|wrong|right|equivalent|equal\w*|synonym\w*|identical|opposite|other|another|missing"
    r"|omi\w+)\b",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"\W*+(?:(?:with|at)\s)?(?:confiden\w+|certainty|probability|likelihood|score)?\s?(?:of|is|=|:)?\s?"
    r"[0-9][0-9.,]*+\s?(?:%|percent|/\s?[0-9]+)?\s?(?:sure|confident|certain|likely|confidence|certainty|probability)?\W*",
    re.IGNORECASE,
)
_REVISES = re.compile(
    r"(?:^|[.!?;,–—\n]\s*|\s-\s)(?:wait|actually|hmm+|hold on|sorry|correction|on second thoughts?|scratch that|oops"
    r"|let me re\w+|or rather|no wait)\b",
    re.IGNORECASE,
)
_FOREIGN = re.compile(r"[^\W\d_a-zA-Z]")
_FULL_STOPS = ".!。！\n"
_FIRST_SENTENCE = re.compile(r"[.!;。！；](?=\s|$)|\n")


def qualification_of(text: str, end: int) -> str:
    """What turns a YES or NO that opens a text into something other than a plain verdict; empty if nothing does.

    Args:
        text: the reply, in ``own_words``.
        end: where the word ends.
    """
    word, rest = text[:end][-3:].strip(), text[end:].lstrip(" \t")
    mark, behind = rest[:1], rest[1:].strip()
    is_whole = not mark or mark in _FULL_STOPS
    first = _FIRST_SENTENCE.split(behind, maxsplit=1)[0].strip(" \t()[]")
    if "?" in rest or "？" in rest:
        return "it asks in return"
    if mark == "." and not word.isupper() and behind[:1].isdigit():
        return "its No. is a number"
    if _REVISES.search(rest):
        return "it is revised"
    if (_AN_IF if is_whole else _CONDITION).match(first) or (not is_whole and _CONDITION.search(first)):
        return "it holds on a condition"
    if _HEDGE.match(first) or (_BUT.match(first) and word.casefold().endswith("yes")):
        return "it is hedged"
    if _NUMBERED.fullmatch(first):
        return "a number is attached to it"
    if _CHAT.match(first) or (_ATTRIBUTED.match(first) and not is_whole):
        return "it is said to or by somebody"
    if _OF_THE_CASE.match(first) and not _COMPARES.search(first):
        return "it answers the medical question"
    if not word.isupper() and _FOREIGN.search(first):
        return "it goes on in another language"
    return ""
