# ruff: noqa: RUF001 - punctuation of other scripts too
"""What the words around a verdict say of it: whether it is the judge's own verdict on the pair.

The text given to these functions is that of ``own_words``: quotations and code are replaced by one character.
"""

import re
from collections.abc import Iterator

from medix.judge.comparison import has_fault, leads_to_verdict, says_so, speaks_of_pair
from medix.judge.echo import may_be_echoed
from medix.judge.qualification import UNSURE
from medix.judge.relation import is_not_understood
from medix.judge.reply_text import QUOTED

_LEAD = r"(?:so|therefore|thus|hence|overall|consequently|accordingly|finally|in conclusion|in summary|in short)"
_NOUN = r"(?:verdict|decision|judge?ment|conclusion|ruling|grade|grading|assessment|evaluation|determination)"
_WEAK = r"(?:answer|result|reply|response)"  # words for what is graded, too: the judge's own only with an adjective
_ABOUT = (
    r"(?:\s(?:on|for)\s(?:the|this)\s(?:candidate(?:\sanswer)?|answer|pair|comparison|match)"
    r"|\sof\s(?:the|this)\s(?:pair|comparison|match))?"
)
_SAME = r"(?:same(?:\smeaning)?|match|equivalent|equivalence|agreement)"
_LABEL = re.compile(
    rf"(?:{_LEAD},?\s)?(?:"
    rf"(?:(?:the|my|our|this)\s)?(?:(?:final|overall|own)\s)?{_NOUN}{_ABOUT}"
    rf"|(?:(?:the|my|our)\s)?final\s{_WEAK}|(?:my|our)\s{_WEAK}|{_SAME}|{_LEAD}"
    r"|(?:you asked for\s)?yes\s?(?:or|/)\s?no"
    r"|最终答案|结论|判定|判断)",
    re.IGNORECASE,
)
_ANSWER = re.compile(r"(?:the\s)?answer|result|答案", re.IGNORECASE)
_WEAK_LABEL = re.compile(rf"(?:{_LEAD},?\s)?(?:the\s)?(?:answer|result)|答案|{_LEAD}", re.IGNORECASE)
_LED = re.compile(rf"(?:^|(?<=[.!?;,\s])){_LEAD},?\s*$", re.IGNORECASE)
_GROUNDS = re.compile(r"(?:based on|given|since|because|as|after|considering)\b", re.IGNORECASE)
_HERE = re.compile(
    rf"(?:(?:sure|okay|certainly|of course)[,!.]?\s)?here(?:\sis|'s|’s)\s(?:the|my)\s(?:final\s)?"
    rf"(?:grading\s|json\s)?(?:{_NOUN}|{_WEAK}|score|json|object)|(?:(?:the|my|final)\s)*(?:score|json)|json",
    re.IGNORECASE,
)
_LINK = re.compile(r"\s*(?:[:：=→]|=>|->|(?<=\s)[-–—]|(?<=\s)is\s*[:：]?)\s*$", re.IGNORECASE)
_LINKED = re.compile(r"\s*(?:[:：=→]|=>|->|(?<=\s)[-–—]|\sis\b:?)\s*", re.IGNORECASE)
_VERDICT_WORD = re.compile(
    rf"(?:^|[.!?;,:\n–—]|\b(?:so|therefore|thus|hence|and|but)\b)\s*(?:{_LEAD},?\s)?(?:(?:the|my|our|this)\s)?"
    rf"(?:(?:final|overall|own|correct|revised|right|actual|true|new)\s)*(?:{_NOUN}|{_WEAK})\s?"
    r"(?:[:：=→]|=>|->|is\b|should be\b|must be\b):?\s?(yes|no)\b(?! (?!because|since|as|so|and|but)\w)",
    re.IGNORECASE,
)
_COLON_OR_DASH = re.compile(r"\s*(?:[:：]|(?<=\s)[-–—])\s*$")
_SENTENCE = re.compile(r"[.!?;。！？；\n]\s*")
_SENTENCE_END = re.compile(rf"[.!;。！；)）{QUOTED}]$")
_NO_SENTENCE = re.compile(
    r"(?:(?:^|[\s(])(?:i\.e|e\.g|vs|cf|etc|approx|incl|resp|fig|dr)\.|^(?:\w+\s?)?\d+\.|(?:^|\s)\(?\w{1,2}\))$",
    re.IGNORECASE,
)
_ECHO = re.compile(
    r"^[^\S\n]*(?:the\s)?(?:question|reference|candidate|expected|correct|given|ground truth|student|model|user)"
    r"(?:['’]s)?(?:\s(?:answer|reply|report))?\s*[:：]",
    re.IGNORECASE | re.MULTILINE,
)
_FIELD = re.compile(r"[^\n:：]{1,60}[:：]\s*\S[^\n]*$")

# Function words that make a sentence conditional, reported or doubtful, and nouns for what a judge is told to write.
_DOUBT = re.compile(
    r"\b(?:if|unless|whether|when|whenever|in case|as long as|which|what|how|who|why|suppos\w+|assum\w+|provided"
    r"|otherwise|else|or|would|could|should|might|may|must|shall|can|cannot|never|there|tell\w*|told|ask\w*|instruct\w*"
    r"|order\w*|command\w*|want\w*|request\w*|require\w*|demand\w*|say|says|said|saying|writ\w+|wrote|reads?|print\w*"
    r"|output\w*|repl(?:y|ies|ied)|respond\w*|quot\w+|claim\w*|suggest\w*|propos\w*|expect\w*|label\w*"
    r"|mark\w*|follow\w*|according|please|verdicts?|prompts?|questions?|tasks?|messages?|notes?|words?|options?|examples?"
    r"|formats?|ground truth|true answer|correct answer|right answer|probabl\w+|possibl\w+|perhaps|maybe|likely|seem\w*"
    r"|appear\w*|guess\w*|think\w*|believ\w*|unsure|unclear|uncertain\w*|hard|difficult|impossible|wish\w*|hop\w+"
    r"|i|me|we|us)\b"
    r"|\?|？",
    re.IGNORECASE,
)
_DENIES = re.compile(r"\b(?:do|does|did)(?:\s+not|n['’]t)\s+\w+", re.IGNORECASE)
_STATES = (
    r"is|are|was|has|have|lacks?|match(?:es|ed)?|agrees?|disagrees?|differs?|differed|contradicts?|equals?|fits?"
    r"|means?|names?|describes?|denotes?|gives?|mentions?|misse[sd]|omits?|omitted|adds?|contains?|includes?|covers?"
    r"|corresponds?|refers?|conflicts?|uses?|were|does|do"
)
_STATEMENT = re.compile(rf"^(?!(?:{_STATES}|had|can|did)\b)\S.*?\s(?:{_STATES})\b", re.IGNORECASE)
_WHOLE_ALONE = re.compile(r"\b(?:match(?:es)?|agrees?|disagrees?|differs?|fits?)$", re.IGNORECASE)
_INCOMPLETE = re.compile(
    rf"\b(?:{_STATES}|not|the|a|an|to|of|for|with|as|at|in|on|by|from|than|and|be|been|being|that|this)$", re.IGNORECASE
)
_ONE_SIDE = re.compile(
    r"\b(?:reference|patient|image|scan|radiograph|x-ray)\b"
    r"|\b(?:present|absent|visible|seen|noted|identified|detected|evident)$",
    re.IGNORECASE,
)
_PAIR = re.compile(r"\b(?:candidate|answers?|both|they|it|same|reports?)\b", re.IGNORECASE)
_ANNOUNCES = re.compile(
    r"\b(?:following|follows|below|next|this|one|the)(?:\s(?:single\s)?(?:word|line|output|verdict|text|reply))?\W*$"
    r"|[:：]\W*$",
    re.IGNORECASE,
)
_MARKS = ".!;。！；)） " + QUOTED
_REFUSES = re.compile(
    r"(?:sorry|i['’]m sorry|i apologi|apologies|unfortunately|i can(?:not|['’]t)|as an ai)\b", re.IGNORECASE
)
_INTERJECTION = re.compile(r"(?:no problem|sure|ok(?:ay)?|certainly)", re.IGNORECASE)
_REPORTS = re.compile(
    r"\b(?:instruct\w*|told|tells?|ask\w*|reply|respond|tasks?|guess|if|whether|would|should|please|below|here is"
    r"|output|following|probabl\w+|possibl\w+|perhaps|maybe|likely|seem\w*|appear\w*|may|might|could"
    r"|i (?:think|guess|believe|suppose|assume|feel)|claims?|asserts?|insists?|argues?"
    r"|says? (?:that )?(?:they|both|it|the)|according to"
    r"|in the \w+['’]s (?:words|view|opinion))\b",
    re.IGNORECASE,
)
_ATTRIBUTED = re.compile(r"(?!reason|explanation|comparison|note|meaning|verdict)\w+: ", re.IGNORECASE)
_INSTRUCTS = re.compile(
    r"(?:^|[.!?;:\n])\s*(?:(?:please|now|always|just|only|simply|you must)\s)*"
    r"(?:ignore|disregard|forget|override|grade|mark|rate|reply|respond|output|print|return"
    r"|say|write|choose|pick|treat|accept|count|pretend"
    r"|assume|suppose|imagine|repeat|believe|trust|consider)\b(?!\s*(?:(?:on|for|of|is)\b|[:=→\n-]|$))",
    re.IGNORECASE,
)
_FRAGMENT = re.compile(
    r"(?:only\s)?(?:if|unless|assuming|supposing|provided|when|in case|were|had)\b[^,]*$", re.IGNORECASE
)


def is_own(before: str, whole: str, *, is_object: bool = False, is_yes: bool | None = None) -> bool:
    """Whether a verdict behind this text, at the end of a line, is the judge's own.

    It is: alone; on a line or in a sentence of its own, behind a sentence that compares the pair (for a JSON object:
    any sentence that does not announce somebody's words); behind a label for a verdict (``Verdict:``, ``so the final
    answer is``), where ``Answer:`` and ``therefore`` need such a sentence before; or behind a plain statement about
    the pair and a colon or dash that the verdict can grade by (``comparison.says_so``: ``the sides differ: NO``).
    Nothing else is, and nothing behind an instruction, behind what may be an echo of the candidate
    (``echo.may_be_echoed``), or in or behind a sentence whose relation of the pair is not understood
    (``relation.is_not_understood``).

    Args:
        before: the text before the verdict.
        whole: the text in full.
        is_object: whether the verdict is a JSON object, which has labels of its own (``Here is my evaluation:``).
        is_yes: the verdict, of a word; None for an object.
    """
    if _INSTRUCTS.search(before) or may_be_echoed(before):
        return False
    above, _, line = before.rpartition("\n")
    line = line.rstrip(" \t([").lstrip()
    if not line:
        return not above.strip() or _leads_to_line(above.rstrip(), whole, is_object)
    if _SENTENCE_END.search(line):
        return _leads_to_sentence(line, is_object) and (is_yes is not False or says_so(_last_sentence(line), False))
    if _announced(above):
        return False
    return _is_label_and_link(above, line, whole, is_object) or _is_statement_and_link(line, is_yes)


def opening_label(text: str) -> int:
    """The length of a label for a verdict (``Verdict:``) that the text begins with; 0 if there is none."""
    line = text[:100].partition("\n")[0]
    for label in (_LABEL, _ANSWER):
        found = label.match(line)
        linked = _LINKED.match(line, found.end()) if found else None
        if linked and (label is _LABEL or not _ECHO.search(text)):
            return linked.end()
    return 0


def announced_words(text: str) -> Iterator[str]:
    """Every YES and NO that a label in front of it calls a verdict (``so the answer is YES because``)."""
    for word in _VERDICT_WORD.finditer(text):
        yield word[1].upper()


def _leads_to_line(above: str, whole: str, is_object: bool) -> bool:
    """Whether the lines above a verdict on a line of its own leave it the judge's own."""
    higher, _, last = above.rpartition("\n")
    last = last.strip()
    bare = last.rstrip(":： ")
    if _is_label(bare, higher, whole, is_object):
        return not _announced(higher)
    if _SENTENCE_END.search(last):
        return _leads_to_sentence(last, is_object)
    is_field = bool(_FIELD.fullmatch(last)) and bare == last and not _DOUBT.search(last.partition(":")[2])
    return is_field and (is_object or speaks_of_pair(last))


def _leads_to_sentence(line: str, is_object: bool) -> bool:
    """Whether what ends in a sentence leaves the next one the judge's own: a word needs a sentence on the pair."""
    if _NO_SENTENCE.search(line):
        return False
    sentence = _last_sentence(line)
    if not is_object and is_not_understood(sentence):
        return False
    if _ANNOUNCES.search(sentence) or _FRAGMENT.match(sentence) or _REFUSES.match(sentence) or UNSURE.search(sentence):
        return False
    if is_object or not sentence or _INTERJECTION.fullmatch(sentence):
        return True
    return leads_to_verdict(sentence) and not _ATTRIBUTED.match(sentence) and not _REPORTS.search(sentence)


def _last_sentence(line: str) -> str:
    return _SENTENCE.split(line.rstrip(_MARKS))[-1]


def _leads(above: str, is_object: bool) -> bool:
    """Whether the text above a label that others use too (``Answer:``) leaves it the judge's own."""
    last = above.rstrip(" \t\n,;–—-").rpartition("\n")[2].strip()
    return not last or _leads_to_sentence(last, is_object)


def _announced(above: str) -> bool:
    """Whether the line above ends with a colon, so that what follows is somebody's words."""
    last = above.rstrip().rpartition("\n")[2].strip()
    return last.endswith((":", "：")) and not _is_label(last.rstrip(":： "), "", above, False)


def _is_label(text: str, above: str, whole: str, is_object: bool) -> bool:
    if _WEAK_LABEL.fullmatch(text):
        return _leads(above, is_object) and not (_ANSWER.fullmatch(text) and _ECHO.search(whole))
    return _LABEL.fullmatch(text) is not None or (is_object and _HERE.fullmatch(text) is not None)


def _is_label_and_link(above: str, line: str, whole: str, is_object: bool) -> bool:
    led = _LED.search(line)
    if led is not None:
        return _leads(f"{above}\n{line[: led.start()]}", is_object)
    link = _LINK.search(line)
    if link is None:
        return False
    sentence = _SENTENCE.split(line[: link.start()])[-1]
    above = f"{above}\n{line[: link.start() - len(sentence)]}"
    lead, _, clause = sentence.rpartition(",")
    clause = clause.strip()
    if not lead:
        return _is_label(clause, above, whole, is_object)
    if _GROUNDS.match(lead.strip()):
        is_ground = leads_to_verdict(lead) or "compar" in lead.casefold()
        return is_ground and not _DOUBT.search(lead) and _is_label(clause, "", whole, is_object)
    if not re.match(_LEAD, clause, re.IGNORECASE):
        return _is_label(sentence.strip(), above, whole, is_object)
    return _is_label(clause, lead, whole, is_object) and not _DOUBT.search(lead)


def _is_statement_and_link(line: str, is_yes: bool | None) -> bool:
    link = _COLON_OR_DASH.search(line)
    if link is None:
        return False
    sentence = _SENTENCE.split(line[: link.start()])[-1].strip()
    if is_yes is not None and (has_fault(sentence) or not says_so(sentence, is_yes)):
        return False  # ``the candidate is evasive: NO`` may be an item of a list of faults
    sentence = _DENIES.sub("lacks", sentence)
    if ":" in sentence or not _STATEMENT.match(sentence) or _DOUBT.search(sentence):
        return False
    if is_not_understood(sentence) or (_INCOMPLETE.search(sentence) and not _WHOLE_ALONE.search(sentence)):
        return False
    return not _ONE_SIDE.search(sentence) or bool(_PAIR.search(sentence))
