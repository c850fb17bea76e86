# ruff: noqa: RUF001 - punctuation of other scripts too
"""What follows a YES or NO that opens a reply, and may turn it into something other than a verdict."""

import re

from medix.judge.comparison import (
    affirms,
    concedes_wording,
    differs_in_wording,
    explains,
    says_otherwise,
    says_so,
    speaks_of_pair,
)
from medix.judge.relation import is_not_understood

_CONDITION = re.compile(r"\b(?:if|unless|provided|assuming|supposing|depending|otherwise)\b", re.IGNORECASE)
_AN_IF = re.compile(
    r"(?:but\s)?(?:only\s)?(?:if|unless|provided|assuming|supposing|in case|depending|or)\b", re.IGNORECASE
)
_HEDGE = re.compile(
    r"(?:(?:but|only|at least|very|most|quite)\s)*(?:probabl\w+|possibl\w+|perhaps|maybe|likely|part(?:ly|ially)|mostly"
    r"|largely|somewhat|sort of|kind of|more or less|almost|nearly|arguably|in part|in a way|to some (?:extent|degree)"
    r"|roughly"
    r"|by and large|i (?:think|guess|suppose|believe|assume|would say)|it (?:seems|appears)"
    r"|seemingly|apparently|technically"
    r"|tentative\w*|uncertain|unsure|not (?:sure|certain)|(?:could|might|may|can) be|and|or)\b",
    re.IGNORECASE,
)
_BUT = re.compile(r"(?:but|however|although|though|except|apart from|yet|still)\b", re.IGNORECASE)
_CHAT = re.compile(
    r"(?:i (?:can(?:not|['’]t)?|could|will|won['’]t|would|am|understand|agree|know|apologi[sz]e|do$|have (?:read|seen)"
    r"|do(?:n['’]t| not) know)|i['’](?:m|ll|d|ve)|we (?:can|will)|agreed?|compar(?:e|ing)|send"
    r"|give me|provide|show me|tell me"
    r"|let me|let us|let['’]?s|please|thank\w*|sir|sorry|of course"
    r"|sure|ready|here|what|which|as an|got it|understood|go ahead|nothing to|that['’]s (?:not|all))\b"
    r"|.*\bi(?:['’]m| am)\b",
    re.IGNORECASE,
)
UNSURE = re.compile(
    r"\b(?:un(?:sure|certain|clear|decided)|not (?:\w+ )?(?:sure|certain|clear)|ambiguous|borderline|reservations?"
    r"|caveats?|low (?:\w+ )?(?:confidence|certainty)|(?:confidence|certainty)\W{1,3}(?:is )?(?:very )?(?:low|[0-9])"
    r"|(?:as|so) far as i|best of my|if i['’]m not|in a sense|loosely|assumption|depends|hard to|difficult to"
    r"|50/50|either way|(?:can(?:not|['’]t)|could not|couldn['’]t|impossible to|unable to|not able to|insufficient"
    r"|not enough) (?:\w+ )?(?:be|determine\w*|judge\w*|decide\w*|tell|say|assess\w*|compare\w*|evaluate\w*|grade\w*"
    r"|information|context|data|access\w*|see|view|answer|help))\b"
    r"|\b(?:(?:is|was|are|were) (?:not|never) (?:\w+ )?(?:provided|available|supplied|accessible|shown to)"
    r"|(?:no|without|not have) access|not provided|unavailable|waiting for|please"
    r"|(?:is|was|are|were) not (?:sent|received|included)|(?:candidate|reference|answers?) (?:is|are|was|were) "
    r"(?:missing|needed|required|absent)(?! \w)|no (?:candidate|answers?)|(?:do|did)(?:n['’]t| not) (?:have|see|get)"
    r"|(?:might|may|could) be (?:wrong|mistaken|incorrect)|grain of salt|refuse\w*|won['’]t (?:answer|grade|judge))\b",
    re.IGNORECASE,
)
"""Doubt about a verdict, or that none is possible."""

_ATTRIBUTED = re.compile(
    r"(?:according to|as (?:the|per|requested|instructed|stated|written|it|told)|per (?:the|its)|sa(?:ys|id)"
    r"|so (?:says|it says)|(?:that|this|it)(?:['’]s|\sis|\swas)\s(?:what|how|the (?:question|task|instruction)))\b"
    r"|.*\b(?:says?|said|writes?|wrote|claims?|states?|(?:tells?|told) (?:me|us)|asks?|asked)[^\w\ufffc]*$",
    re.IGNORECASE,
)
_OBEYS = re.compile(
    r"(?:just |exactly )?(?:as|like) (?:the |its? )?(?:\w+ )?"
    r"(?:candidate|answer|reply|text|prompt|user|task|it|he|she|they)\b(?:['’]s)? ?(?:answer |itself )?"
    r"(?:demand|request|instruct|ask|want|sa(?:ys|id)|told|tells|wrote|writes|claim|order|require|insist|suggest|propose|wish)\w*[^\w]*$",
    re.IGNORECASE,
)
_NAMES_ONE = re.compile(
    r"(?:(?:that|this|it|which)(?:['’]s| is| was) )?(?:(?:quoted|taken|copied|repeated) )?(?:(?:from|by|in|as|of) )?"
    r"(?:the )?(?:candidate|reference)(?:['’]s)?(?: (?:answer|reply|text|report))?",
    re.IGNORECASE,
)
"""What only says whose the word is: ``NO - that is the reference``."""
_NEXT_WORD = re.compile(r"[.()\n]|[,;] (?=(?:yes|no)\b)", re.IGNORECASE)
_OF_THE_CASE = re.compile(
    r"there(?:['’]s|\s(?:is|are|was|were|has|appears?|seems?))\b"
    r"|(?:the|this|an?)\s(?:image|scan|x-ray|radiograph|ct|mri|picture|slide|film|photo|patient)\b"
    r"|no\s|in the\b|it(?:['’]s|\s(?:is|was|shows|looks))\b|normal\b"
    r"|.*\b(?:present|absent|visible|seen|noted|identified|detected|evident)\W*$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"\W*+(?:(?:with|at)\s)?(?:confiden\w+|certainty|probability|likelihood|score)?\s?(?:of|is|=|:)?\s?"
    r"[0-9][0-9.,]*+\s?(?:%|percent|/\s?[0-9]+)?\s?(?:sure|confident|certain|likely|confidence|certainty|probability)?\W*",
    re.IGNORECASE,
)
_REVISES = re.compile(
    r"(?:^|[.!?;,–—\n]\s*|\s-\s)(?:wait|actually|hmm+|hold on|sorry|correction|on second thoughts?|scratch that|oops"
    r"|let me (?:re|double|check|look)\w*|or rather|no wait|(?:up)?on (?:\w+ )?(?:reflection|inspection|review|reading"
    r"|consideration|examination|look)|(?:my|a) (?:mistake|error|bad)|strike that|edit|update|revised?"
    r"|never mind|disregard|i take (?:that|it) back|i (?:changed|was|made|must correct|misread|misjudged|retract)"
    r"|looking (?:again|closer)|after all|apologies)\b",
    re.IGNORECASE,
)
_FOREIGN = re.compile(r"[^\W\d_a-zA-Z]")
_COUNTERFACTUAL = re.compile(r"if (?:it|the (?:candidate|answer|candidate['’]?s? answer))\b.*\bwould\b", re.IGNORECASE)
_DEFINES = re.compile(r"(?:means?|stands for|if|when)\b", re.IGNORECASE)
_PARTLY_CORRECT = re.compile(r"(?:only )?part(?:ly|ially) (?:correct|right|matching|equivalent)\b", re.IGNORECASE)
_CERTAIN = re.compile(
    r"(?:definite(?:ly)?|absolutely|exact(?:ly)?|clear(?:ly)?|certain(?:ly)?|explanation|reason"
    r"|reasoning|confidence: high|(?:yes|no)\W*$)",
    re.IGNORECASE,
)
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
    is_last = len(behind) <= len(first) + 2  # what both have in common may lead to a difference
    is_yes = word.casefold().endswith("yes")
    if "?" in rest or "？" in rest:
        return "it asks in return"
    if mark == "." and not word.isupper() and behind[:1].isdigit():
        return "its No. is a number"
    if is_revised(rest):
        return "it is revised"
    if doubt := _limit(first, is_yes, is_whole):
        return doubt
    if mark in {":", "："} and _DEFINES.match(first):
        return "it explains what the word stands for"
    if UNSURE.search(rest):
        return "it is unsure"
    if _NUMBERED.fullmatch(first):
        return "a number is attached to it"
    if _CHAT.match(first) or (_ATTRIBUTED.match(first) and not is_whole):
        return "it is said to or by somebody"
    if _OBEYS.match(first) or _NAMES_ONE.fullmatch(_NEXT_WORD.split(first, maxsplit=1)[0].strip()):
        return "it is said to or by somebody"
    if says_otherwise(rest, is_yes):
        return "what follows contradicts it"
    if not is_whole and is_not_understood(first):
        return "what it says of candidate and reference is not understood"
    return _other_subject(first, word, is_whole) or _contradiction(first, is_yes, is_whole, is_last)


def _contradiction(first: str, is_yes: bool, is_whole: bool, is_last: bool) -> str:
    """Whether the rest of the sentence of a verdict is no ground for it, or all that follows a NO affirms."""
    if is_whole and not is_yes and is_last and affirms(first):
        return "what follows contradicts it"
    if not first or is_whole or _CERTAIN.match(first) or says_so(first, is_yes):
        return ""
    if is_yes and (differs_in_wording(first) or concedes_wording(first)):
        return ""
    return "the rest of its sentence does not say so"


def is_revised(behind: str) -> bool:
    """Whether what follows a verdict takes it back, or may: ``Wait``, ``On reflection``."""
    return _REVISES.search(behind) is not None


def _limit(first: str, is_yes: bool, is_whole: bool) -> str:
    """Whether the first sentence limits the verdict: by a condition, a hedge, or a difference."""
    is_counterfactual = not is_yes and is_whole and _COUNTERFACTUAL.match(first)
    is_conditional = _AN_IF.match(first) if is_whole else _CONDITION.search(first)
    if is_conditional and not is_counterfactual:
        return "it holds on a condition"
    if _HEDGE.match(first) and (is_yes or not _PARTLY_CORRECT.match(first)):
        return "it is hedged"
    return "it is hedged" if is_yes and _BUT.match(first) and not concedes_wording(first) else ""


def _other_subject(first: str, word: str, is_whole: bool) -> str:
    """Whether the first sentence speaks of something else than candidate and reference."""
    is_of_pair = speaks_of_pair(first, is_behind=True)
    if _OF_THE_CASE.match(first) and not is_of_pair:
        return "it answers the medical question"
    if not word.isupper() and _FOREIGN.search(first):
        return "it goes on in another language"
    # after a full stop YES and NO as they were asked for may be explained by facts, such as what a word stands for
    if not first or (is_whole and word.isupper() and explains(first)) or is_of_pair or _CERTAIN.match(first):
        return ""
    if word.casefold() == "no" and _BUT.match(first):
        return ""
    return "what follows does not speak of candidate and reference"
