# ruff: noqa: RUF001 - quotation marks of all kinds are what is looked for
"""The judge's own words in a reply: without reasoning, quotations, code, block quotes and markup."""

import re
from collections.abc import Iterator

QUOTED = "\ufffc"
"""Stands in the place of a quotation, so that the words around it do not meet."""

_TAGS = "think|thinking|thought|thoughts|reason|reasoning|analysis|reflection|scratchpad|rationale"
REASONING = re.compile(
    rf"[<◁]\|?(/|end_of_|)(?:begin_of_|\w{{1,20}}[:_])?(?:{_TAGS})(?:\s[^<>]{{0,100}})?\|?[>▷]|\[(/?)think\]",
    re.IGNORECASE | re.ASCII,
)
"""Opening and closing tags of reasoning."""

# Formats that name each part of a reply: that of gpt-oss, the same without its control tokens, and that of Ollama
_CHANNEL = re.compile(r"(?:<\|start\|>assistant)?<\|channel\|>\s*(\w*)[^<\n]{0,100}<\|message\|>")
_NAMED_PARTS = (
    (_CHANNEL, _CHANNEL),
    (re.compile(r"(analysis)(?=[A-Z\"'])"), re.compile(r"assistant(final)")),
    (re.compile(r"(Thinking)\.\.\.\s"), re.compile(r"\.\.\.(done) thinking\.\s", re.IGNORECASE)),
)
_LAST_PARTS = frozenset(("final", "done"))

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe0f\ufeff]")
_END_TOKEN = re.compile(r"(?:<\|[^|<>\s]{1,40}\|>|<｜[^｜<>\s]{1,40}｜>|\[/INST\]|</s>|<eos>|<end_of_turn>)\Z")
_CONTROL = re.compile(r"(?:<\|start\|>assistant)?<\|channel\|>\s*\w*[^<\n]{0,100}<\|message\|>|<\|\w{1,40}\|>")
_LONGEST_END_TOKEN = 44
_TICK = re.compile(
    r"\A[✅✔☑👍] ?(?=yes\b)|(?<=yes) ?[✅✔☑👍]\Z|\A[❌✖👎] ?(?=no\b)|(?<=\bno) ?[❌✖👎]\Z", re.IGNORECASE
)
_FENCE = re.compile(r"[^\S\n]*(```+|~~~+)")
_BLOCK_QUOTE = re.compile(r"^[^\S\n]*>.*$", re.MULTILINE)
_BULLET = re.compile(r"^[^\S\n]*(?:[-–•+]|\*(?!\*))[^\S\n]+", re.MULTILINE)
_EMPHASIS = re.compile(r"\*+|(?<![A-Za-z0-9])_+|_+(?![A-Za-z0-9])|^[^\S\n]*#+", re.MULTILINE)
_SPACES = re.compile(r"[^\S\n]+")
_EMPTY_LINES = re.compile(r"\n(?: ?\n)+")
_SINGLE = "'’"
_CLOSING = {'"': '"', "“": "”", "„": "“", "«": "»", "`": "`", "'": _SINGLE, "‘": _SINGLE}
# A single quote opens a quotation only at the start of a word: the apostrophe of "doesn't" does not.
_OPENER = re.compile(r"[\"“„«`]|(?<!\w)['‘]")
_CLOSERS = {marks: re.compile(f"[{marks}]") for marks in set(_CLOSING.values())}
_WORD_CHARACTER = re.compile(r"\w")


def split_reasoning(reply: str) -> tuple[str | None, str]:
    """The text outside reasoning (``<think>`` and the like), and that inside; None for the former if it does not end.

    A closing tag without an opening one ends reasoning that the chat template opened.
    """
    named = _named_parts(reply)
    if named is not None:
        return named
    outside: list[str] = []
    inside: list[str] = []
    is_inside, start = False, 0
    for tag in REASONING.finditer(reply):
        part = reply[start : tag.start()]
        if tag[1] or tag[2]:
            if not is_inside and not inside:
                outside, part = [], "".join([*outside, part])
            inside.append(part)
            is_inside = False
        else:
            (inside if is_inside else outside).append(part)
            is_inside = True
        start = tag.end()
    rest = reply[start:]
    explanation = "\n".join(filter(None, map(str.strip, inside)))
    if is_inside:
        return None, "\n".join(filter(None, (explanation, rest.strip())))
    return "".join([*outside, rest]), explanation


def _named_parts(reply: str) -> tuple[str | None, str] | None:
    """As ``split_reasoning``, of a reply that names its parts; None if it does not.

    The last part must be the only one that is called final, and the first must begin the reply: what stands elsewhere
    may be quoted.
    """
    for first, further in _NAMED_PARTS:
        begin = first.search(reply) if first is _CHANNEL else first.match(reply.lstrip())
        if begin is None:
            continue
        marks = list(further.finditer(reply))
        lasts = [mark for mark in marks if mark[1].casefold() in _LAST_PARTS]
        if len(lasts) != 1 or lasts[0] is not marks[-1] or (first is _CHANNEL and reply[: begin.start()].strip()):
            return None, reply
        reasoning = _CONTROL.sub("\n", reply[: lasts[0].start()]).strip()
        return reply[lasts[0].end() :], reasoning
    return None


def before_lone_ends(reply: str) -> Iterator[str]:
    """The text before each closing tag of reasoning without an opening one."""
    is_inside, start = False, 0
    for tag in REASONING.finditer(reply):
        is_end = bool(tag[1] or tag[2])
        if is_end and not is_inside and reply[start : tag.start()].strip():
            yield reply[start : tag.start()]
        is_inside, start = not is_end, tag.end()


def own_words(text: str) -> str:
    """The text with each quotation, code block and block quote replaced by ``QUOTED``, without markup.

    Invisible characters and the end tokens of chat templates at the end are dropped; emphasis, heading marks and
    bullets are markup. Linear in the length.
    """
    text = _INVISIBLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).rstrip()
    while found := _END_TOKEN.search(text, max(0, len(text) - _LONGEST_END_TOKEN)):
        text = text[: found.start()].rstrip()
    text = _BLOCK_QUOTE.sub(QUOTED, _without_code(text))
    text = _EMPHASIS.sub("", _BULLET.sub("", text))
    text = "\n".join(line and _without_quotations(line) for line in text.split("\n")).strip()
    # long runs of white space would make patterns that look for it take quadratic time
    return _TICK.sub("", _EMPTY_LINES.sub("\n\n", _SPACES.sub(" ", text)))


def _without_code(text: str) -> str:
    """A block of code ends at a fence of its kind, or with the text."""
    if "```" not in text and "~~~" not in text:
        return text
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if fence:
            fence = "" if found and found[1].startswith(fence) else fence
        elif found:
            fence = found[1]
            lines.append(QUOTED)
        else:
            lines.append(line)
    return "\n".join(lines)


def _without_quotations(line: str) -> str:
    """A quotation ends within its line."""
    parts, start = [], 0
    ahead: dict[str, int] = {}  # next closing mark of each kind, so that it is searched for once
    for opener in _OPENER.finditer(line):
        at = opener.start()
        if at < start:
            continue
        marks = _CLOSING[opener[0]]
        if ahead.get(marks, -1) <= at:
            found = _CLOSERS[marks].search(line, at + 1)
            ahead[marks] = found.start() if found else len(line)
        end = ahead[marks]
        if end == len(line) or (marks == _SINGLE and _WORD_CHARACTER.match(line, end + 1)):
            continue
        parts += [line[start:at], QUOTED]
        start = end + 1
    return "".join([*parts, line[start:]])
