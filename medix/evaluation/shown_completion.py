"""A completion on the terminal, while it is written."""

from collections.abc import Sequence

from rich.text import Text

from medix.evaluation.completion_parts import CompletionPart, completion_parts
from medix.modality import ModalitySet
from medix.plain_console import PlainConsole

_STYLES = {"modality": "cyan", "reasoning": "dim", "answer": "bold", "text": ""}


class ShownCompletion:
    """Prints the parts of a completion as they grow, each under its name.

    Args:
        console: what is printed on; without colours where that is no terminal.
        modalities: the valid tags.
    """

    def __init__(self, console: PlainConsole, modalities: ModalitySet) -> None:
        self.console = console
        self.modalities = modalities
        self._shown: list[CompletionPart] = []

    def grow(self, completion: str) -> None:
        """Print what is new.

        Args:
            completion: all that is written so far.
        """
        self._show(completion_parts(completion, self.modalities, is_whole=False))

    def end(self, completion: str) -> None:
        """Print the rest.

        Args:
            completion: the whole.
        """
        self._show(completion_parts(completion, self.modalities))
        if self._shown:
            self._print("\n")

    def _show(self, parts: Sequence[CompletionPart]) -> None:
        if not _continues(parts, self._shown):  # another attempt
            self._print("\n(begun again)\n")
            self._shown = []
        for place, part in enumerate(parts):
            known = self._shown[place].text if place < len(self._shown) else None
            if known is None:
                self._print("\n" if place else "")
                self._print(f"{'' if part.kind == 'text' else part.kind:<12} ", "blue")
            self._print(part.text[len(known or "") :], _STYLES[part.kind])
        self._shown = list(parts)

    def _print(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style), end="", soft_wrap=True, highlight=False)


def _continues(parts: Sequence[CompletionPart], shown: Sequence[CompletionPart]) -> bool:
    """Whether all that is shown is the beginning of the parts."""
    if len(parts) < len(shown):
        return False
    pairs = list(zip(parts, shown, strict=False))
    return all(
        part == known or (place == len(shown) - 1 and part.kind == known.kind and part.text.startswith(known.text))
        for place, (part, known) in enumerate(pairs)
    )
