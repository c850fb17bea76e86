# ruff: noqa: RUF001 - colons of other scripts too
"""Where a judge's reply repeats a text that it was given, so that what follows cannot be told from that text.

The text given to these functions is that of ``own_words``: quotations and code are replaced by one character.
"""

import re

from medix.judge.comparison import leads_to_verdict
from medix.judge.reply_text import QUOTED

_MARK = re.compile(r"\[\[|\]\]")  # of our prompt
_COLON = re.compile(r"[:：](?=\s|$)|：")
_SENTENCE = re.compile(r"[.!?;。！？；](?=\s|$)\s*")
_NAMES = re.compile(
    r"\b(?:candidates?|answers?|references?|repl(?:y|ies)|responses?|texts?|quot\w+|students?|submissions?|statements?"
    r"|messages?|contents?|wording|verbatim|it|model|user|questions?)\b",
    re.IGNORECASE,
)
_SAYS = (
    r"(?:wrote|writes|written|says?|said|reads?|states?|stated|answered|replie[sd]|responds?|responded"
    r"|goes|begins?|quot\w+|follows|following|below|claims?|claimed|argues?|continues?|tells?|told|put it)"
)
_ENDS_IN_SAYING = re.compile(
    rf"\b(?:(?:{_SAYS}|(?:candidate|student|model|user|it|he|she)\s(?:answers|quotes?))"
    r"(?:\s(?:this|that|these|thus|so|me|us|in full|verbatim|as follows|the following|with|by|on))?"
    r"|(?:answers?|repl(?:y|ies)|candidate|reference|response|text)\s(?:is|was)|as follows|the following)\s*$",
    re.IGNORECASE,
)
_BEGINS_ECHO = re.compile(r"(?:here|below|quot\w+|what|this\sis|following|as)\b", re.IGNORECASE)
_FIELD = re.compile(r"(?:[\w'’]+\s){0,3}[\w'’]+(?:\s\([^)]*\))?", re.IGNORECASE)
_LONGEST = 300  # characters before and behind a colon that are looked at
_HEADING = re.compile(
    r"[\s\d.)(]*(?:the\s)?(?:question|candidate|reference|student|model|user)(?:['’]s)?"
    r"(?:\s(?:answers?|reply|response|text|report))?\s*",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|does|do|names?|gives?|means?|uses?|refers?|describes?|contains?|includes?|mentions?"
    r"|adds?)\b",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"\b(?:compar\w+|differ\w*|match\w*|same|similar\w*|(?:in)?correct\w*|wrong\w*|agree\w*|disagree\w*|equivalen\w+"
    r"|contradict\w*|analy\w+|assess\w*|evaluat\w*|reason\w*|explan\w+|explain\w*|because|since|discrepan\w+"
    r"|mismatch\w*|synonym\w*|means|another|other|lacks?|misse[sd]|missing|omits?|fails?|not|my|final|verdict|decision"
    r"|judge?ment|conclusion|grade|grading|score|step)\b",
    re.IGNORECASE,
)
"""Words of a judge that compares or concludes, rather than repeats."""


def may_be_echoed(before: str) -> bool:
    """Whether the text before a verdict begins to repeat another text, which the verdict may then belong to.

    That is so behind a mark of our prompt, behind a heading (``Candidate answer``), and behind a sentence or line with
    a colon that names a text or somebody who says something: ``The candidate wrote:``, ``Quoting the answer:``. A field
    that is filled on its own line (``Candidate: left lung``) ends with the line, unless what it holds compares the pair
    as a judge would; a quotation and a block of code end where they do.
    """
    if _MARK.search(before):
        return True
    lines = before.split("\n")
    next_one = ""
    for number, line in reversed(list(enumerate(lines))):
        if _repeats(line, next_one, is_last=number == len(lines) - 1):
            return True
        next_one = line.strip() or next_one
    return False


def _repeats(line: str, next_one: str, *, is_last: bool) -> bool:
    """Whether a line begins an echo that goes on to the verdict.

    Args:
        line: one line before the verdict.
        next_one: the next one that is not empty; empty if there is none.
        is_last: whether the verdict stands on the line itself.
    """
    is_followed = bool(next_one) and not next_one.startswith(QUOTED)
    if _HEADING.fullmatch(line):
        return is_followed
    for colon in _COLON.finditer(line):
        head = _SENTENCE.split(line[max(0, colon.start() - _LONGEST) : colon.start()])[-1].strip()
        body = line[colon.end() : colon.end() + _LONGEST].strip()
        if not body:
            if is_followed and _introduces(head, at_the_end=True):
                return True
        elif body.startswith(QUOTED) or not (is_last or leads_to_verdict(body)):
            continue
        elif _introduces(head, at_the_end=False):
            return True
    return False


def _introduces(head: str, *, at_the_end: bool) -> bool:
    """Whether what stands before a colon announces a text, and not a comparison or a verdict of the judge's own."""
    if _ENDS_IN_SAYING.search(head) and not re.search(r"\b(?:my|final|verdict)\b", head, re.IGNORECASE):
        return True
    if not _NAMES.search(head) or _OWN.search(head):
        return False
    return at_the_end or bool(_BEGINS_ECHO.match(head)) or (bool(_FIELD.fullmatch(head)) and not _VERB.search(head))
