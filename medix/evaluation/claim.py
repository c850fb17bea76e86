# ruff: noqa: RUF001 - typographic apostrophes and quotes
"""Whether a text says that a choice is the answer, or only speaks of it, denies, doubts, or takes it back.

A place counts where what stands before and after it is known to state an answer in English; words that deny or doubt
are looked for on top. Strict on purpose: a claim that is taken for a doubtful one costs a question to a judge, the
reverse a wrong verdict.
"""

import re
from collections.abc import Sequence
from typing import Literal

from medix.evaluation.spoken_choices import Place, blanked

Standing = Literal["claimed", "denied", "unclear"]

_WINDOW = 400  # characters around a place that may say something of it
_NEGATED = (
    r"\b(?:not|no|never|cannot|incorrect|wrong|false|unlikely|less likely|exclude[sd]?|rul(?:es?|ed)[\s-]+out"
    r"|rather than|instead of|unlike|without|neither|nor|against|absen(?:t|ce)|lack(?:s|ed|ing)?|fail(?:s|ed)"
    r"|eliminat\w+|reject\w*|dismiss\w*|discard\w*|refut\w+|contradict\w*|implausib\w+|improbable|inconsistent"
    r"|incompatible|inappropriate|irrelevant|unsupported|distractors?|exceptions?|traps?|mistaken?|misconceptions?)\b"
    r"|n['’]t\b"
)
_COMPARED = rf"{_NEGATED}|\b(?:except|or|versus|vs)\b"
_DENIED = re.compile(_COMPARED, re.IGNORECASE)
# a condition, a guess, or what somebody thought before
_DOUBTED = (
    r"\b(?:if|unless|otherwise|could|might|may|maybe|perhaps|possibly|suppos\w+|assum\w+|doubt\w*|either|unsure"
    r"|uncertain|torn|tentativ\w*|provisional\w*|preliminar\w*|at first|first guess|initial\w*|thought|least|tempt\w+"
    r"|(?:hard|difficult) to (?:say|tell|choose|decide|know|determine|select|pick))\b|\b(?:hard|difficult) to\s*$"
)
_CONTRASTED = r"\b(?:but|however|although|though|yet|whereas)\b"
_DOUBT = re.compile(_DOUBTED, re.IGNORECASE)
_DOUBT_OR_CONTRAST = re.compile(rf"{_DOUBTED}|{_CONTRASTED}", re.IGNORECASE)
_NO_STATEMENT = re.compile(
    rf"{_COMPARED}|{_DOUBTED}|{_CONTRASTED}|\b(?:would|should|hardly|questionable|less|better|differential)\b",
    re.IGNORECASE,
)
_TURN = re.compile(
    r"\W*(?:but|however|or|unless|otherwise|hmm+|yet|though|although|nevertheless|still|hardly|rather|instead"
    r"|then again|even so|not|never|no(?=\s*[,.!?:;–—-]|\s*$)"
    r"|(?:(?:this|that|it|the|which)\s+(?:\w+\s+){1,3})?(?:incorrect|wrong|false|excluded|eliminated|ruled\s+out)"
    r"(?=\s*[,.!;)]|\s*$|\s+(?:because|since|as|by|due)\b))\b"
    r"|\W*[✗✘❌✖]",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(r"\W*(?=(?:this|that|it|which)(?:\b|['’]s\b))", re.IGNORECASE)
_CAPITAL = re.compile(r"\b[A-Z]\b")
_NEGATED_ANYWHERE = re.compile(rf"{_NEGATED}|\berror\b", re.IGNORECASE)
_TAKEN_BACK = re.compile(
    r"\b(?:wait|actually|correction|corrected|on reflection|second thoughts?|reconsider\w*|sorry|i mean|mistake"
    r"|scratch that|i was wrong|re-?(?:evaluat|examin|assess|think|visit|check)\w*|double[- ]check\w*|disagree\w*"
    r"|(?:closer|second|another|further) (?:look|inspection|examination|thought)|look\w* again|oops|apolog\w+|my bad"
    r"|make that|overlooked|hold on|edit|update|revis\w+)\b",
    re.IGNORECASE,
)
_CONNECTED = r"[.!?;:\n]|\b(?:because|since|as|so|therefore|thus|hence)\b"
_CONNECTION = re.compile(_CONNECTED)
_CLAUSE = re.compile(rf"{_CONNECTED}|,|\bwhich\b")
_NEXT_CLAUSE = re.compile(rf"{_CONNECTED}|\(|,(?!\s*(?:which|that)\b)")  # "A, which is wrong" is one
_END = re.compile(r"[.!?;\n]+(?=\s|$)|\n+")
_LIKELY = r"most|very|likely|probable|probably|clearly|definitely|therefore|thus|indeed"
# before an answer: "So, in this case, the best answer is", "I would go with"; whose answer it is matters
_LEAD = re.compile(
    r"(?:\W|(?<=['’])(?:s|d|ll)\b|\b(?:and|but|so|then|hence|finally|overall|in|this|case|conclusion|summary|we|you"
    r"|i(?!\s*\n|\s*[^\w\s'’])"  # not the first of "I, III"
    r"|would|will|should|must|can|think|believe|conclude|say|is|are|be|it|that|which|the|a|an|my|our|best|only|single"
    r"|final|correct|right|appropriate|accurate|suitable|go|going|with|for|to|have|has|answers?|options?|choices?|letter|choose|select"
    rf"|pick|diagnosis|diagnoses|impression|patient|{_LIKELY})\b)*",
    re.IGNORECASE,
)
_SO = re.compile(r"[;\n]|\b(?:because|since|as|so|therefore|thus|hence|but|which)\b", re.IGNORECASE)
_GIVEN = re.compile(r"\W*(?:given|based on|considering|due to)\b[^,]*,", re.IGNORECASE)
# "The most likely cause of her pain is the", "The finding on this image is"; not "Another cause is"
_STATES = re.compile(
    r"(?:\bmost (?:likely\b|probabl[ey]\b|(?=consistent\b))|^\W*the (?:finding|name|cause|organ|structure|abnormality)"
    r"\b).*\b(?:is|be|has|due to|caused by|consistent with)\s+"
    rf"(?:(?:to be|due to|caused by|consistent with|the|an?|option|choice|{_LIKELY})\s+)*[\"“'‘(]*$",
    re.IGNORECASE | re.DOTALL,
)
_NOT_FIRST = re.compile(r"\b(?:next|second|third|other|another|also)\b", re.IGNORECASE)
# after it; a sentence that begins with a choice and goes on after it may say anything of it
_CLOSED = (
    r"[\"”'’)\]]*(?:\s*\([A-Z]{2,6}\))?(?:\s*(?:$|\n|[.!]|[–—]|-\s)"
    r"|,?\s+(?:because|since|as(?! well)|due|given|based|according|in this|is (?:the )?(?:most likely |only |best )?"
    r"(?:correct|right|answer|diagnosis|best|likely)|is (?:seen|shown|present))\b"
)
_ENDS = re.compile(rf"{_CLOSED})")
_ENDS_OR_GOES_ON = re.compile(rf"{_CLOSED}|\s*[()]|\s*,\s+(?:which|it)\b|\s+which\b)")
_ANNOUNCES = re.compile(r"\b(?:answer|option|choice|diagnosis|impression)\b", re.IGNORECASE)
_ITEM_END = re.compile(r"\n|[.!?;](?=\s|$)|\s[–—-]\s")  # in a list of any form
_EXPLAINED = r"[\W_]*(?:\Z|(?:explanation|reason(?:s|ing)?|rationale|justification|because|since|due to"
_ENDS_REPLY = re.compile(rf"{_EXPLAINED})\b)", re.IGNORECASE)
_GOES_ON = re.compile(rf"{_EXPLAINED}|it|this|that|these|there)\b)", re.IGNORECASE)


class Claims:
    """What a text says of the choices that it names.

    Args:
        text: the answer.
        places: where the texts of choices stand in it.
    """

    def __init__(self, text: str, places: Sequence[Place] = ()) -> None:
        self.text = text
        self.places = places
        # "A: no change" denies nothing where "no change" is a choice
        self._blanked = blanked(text, places)
        self._taken_back = max((match.start() for match in _TAKEN_BACK.finditer(text)), default=-1)

    def standing(self, start: int, end: int) -> Standing:
        """Whether the text claims what it names from ``start`` to ``end``.

        ``denied`` if a word of its clause denies or compares. ``unclear`` if its sentence asks, sets a condition or
        holds a contrast after it, if the next sentence turns against it, or if a later one takes something back.
        """
        around = _sentence_before(self._blanked, start), self._blanked[end : end + _WINDOW]
        clauses = _CLAUSE.split(around[0])[-1], _NEXT_CLAUSE.split(around[1].lstrip(":"), maxsplit=1)[0]
        if any(map(_DENIED.search, clauses)):
            return "denied"
        before, after = _sentence_before(self.text, start), self.text[end : end + _WINDOW].lstrip(":")
        stop = _END.search(after)
        sentence = after if stop is None else after[: stop.end()]
        is_weak = "?" in sentence or _DOUBT.search(before) or _DOUBT_OR_CONTRAST.search(sentence)
        return "unclear" if is_weak or self._turns(end + len(sentence)) else "claimed"

    def is_statement(self, sentence: str, end: int) -> bool:
        """Whether a sentence that ends at a place states what it holds, wherever in it that stands."""
        return "?" not in sentence and not _NO_STATEMENT.search(sentence) and not self._turns(end)

    def is_announced(self, start: int) -> bool:
        """Whether nothing but words that announce an answer stands before a place, in its clause."""
        before = _SO.split(_sentence_before(self.text, start))[-1]
        return _is_lead(before)

    def is_stated(self, start: int, end: int) -> bool:
        """Whether what stands from ``start`` to ``end`` is said to be the answer, and nothing around it denies it."""
        return self.is_said(start, end) and self.standing(start, end) == "claimed"

    def is_said(self, start: int, end: int) -> bool:
        """Whether what stands from ``start`` to ``end`` is said to be the answer, by what is before and after it."""
        return self._is_said(_sentence_before(self.text, start), self._with_bracket(start, end))

    def is_answer(self, start: int, end: int) -> bool:
        """Whether the text of a choice that stands from ``start`` to ``end`` is said to be the whole answer.

        A bare text has to be all that is said, but for reasons that are called so: else it may be one line of a list.
        After "the answer is" or the like what follows may also be a sentence such as "It is enlarged."
        """
        end = self._with_bracket(start, end)
        before = _sentence_before(self.text, start)
        is_announced = _ANNOUNCES.search(before) or _STATES.search(before)
        if not self.is_said(start, end) or not (is_announced or _LEAD.fullmatch(self.text, 0, start)):
            return False
        stop = _ITEM_END.search(self.text, end)
        after = _GOES_ON if is_announced else _ENDS_REPLY
        return stop is None or bool(_ENDS_REPLY.match(self.text, end) or after.match(self.text, stop.start()))

    def _with_bracket(self, start: int, end: int) -> int:
        """The end with the closing bracket of what stands there: a place ends with its last word."""
        is_open = self.text.count("(", start, end) > self.text.count(")", start, end)
        return end + 1 if is_open and self.text.startswith(")", end) else end

    def _is_said(self, before: str, end: int) -> bool:
        if _STATES.search(before):
            is_first = not _NO_STATEMENT.search(before) and not _NOT_FIRST.search(before)
            return is_first and _ENDS_OR_GOES_ON.match(self.text, end) is not None
        closed = _ENDS_OR_GOES_ON if re.search(r"\w", before) else _ENDS
        return _is_lead(before) and closed.match(self.text, end) is not None

    def _turns(self, end: int) -> bool:
        """Whether what follows a sentence turns against it."""
        if self._taken_back >= end or _TURN.match(self.text, end) is not None:
            return True
        begin = _POINTS_BACK.match(self.text, end)
        if begin is None:
            return False
        # "That's not right.", but not "It is not B.", which speaks of another choice
        sentence = _END.split(self.text[begin.end() :], maxsplit=1)[0]
        reach = range(begin.end(), begin.end() + len(sentence))
        is_of_others = _CAPITAL.search(sentence) or any(place.start in reach for place in self.places)
        return not is_of_others and _NEGATED_ANYWHERE.search(sentence) is not None


def _is_lead(before: str) -> bool:
    given = _GIVEN.match(before)
    return _LEAD.fullmatch(before, given.end() if given else 0) is not None


def _sentence_before(text: str, start: int) -> str:
    return _END.split(text[max(0, start - _WINDOW) : start])[-1]
