"""Characters that nobody sees, which files, web pages and clipboards put in front of texts."""

INVISIBLE = (
    " \t\x00\x07\x1b\x7f\x9b\u00a0\u00ad\u034f\u061c\u115f\u17b5\u180b\u180e\u180f\u200b\u200e\u200f\u202a\u202b"
    "\u202c\u202d\u202e\u2060\u2064\u2066\u2067\u2068\u2069\u206a\u3000\u3164\ufe00\ufe0f\ufeff\uffa0\ufff9"
    "\U000e0001\U000e0041\U000e0100"
)
"""White space, controls, marks of direction, joiners, fillers, variation selectors and tags."""
