"""Lines with a completion, of any of the files in which the commands write them."""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medix.data.sources.table_cell import text_of
from medix.files.text_lines import encoding_fault, read_lines

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CompletionLine:
    """One line of a file of completions, whose values are checked when they are read.

    Attributes:
        where: file and line, for messages.
        number: of the line in its file.
        content: the object.
    """

    where: str
    number: int
    content: Mapping[str, Any]

    @property
    def is_item(self) -> bool:
        """Whether it is of an evaluation, whose samples are items of a task."""
        return "item" in self.content

    @property
    def id(self) -> str:
        """Of the sample or item, also if it is a number; empty if the line does not say."""
        return text_of(self.content.get("item" if self.is_item else "id")) or ""

    def text(self, key: str) -> str | None:
        """A text; None if it is null or absent.

        Raises:
            ValueError: it is of another type.
        """
        value = self.content.get(key)
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{self.where}: {key} is {value!r:.60}, a {type(value).__name__}; write a text or null")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty if it is null or absent.

        Raises:
            ValueError: it is of another type.
        """
        value = self.content.get(key) or []
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise ValueError(f"{self.where}: {key} is {value!r:.60}; write a list of texts")
        return tuple(value)


def read_completion_lines(path: Path) -> Iterator[CompletionLine]:
    """Read the lines of ``predict``, of recorded completions, of ``generations.jsonl``, or any with a completion.

    A last line that was truncated by a crash is left out with a warning.

    Raises:
        TextFileError: the file is of another format.
        ValueError: a line holds no completion.
        OSError: the file cannot be opened.
    """
    for line in read_lines(path):
        where = f"{path}, line {line.number}"
        if not line.is_decoded:
            raise ValueError(f"{where}: {encoding_fault(line.text)}")
        try:
            content = json.loads(line.text)
        except (ValueError, RecursionError) as error:
            if not line.is_ended:
                _LOG.warning("%s is truncated and was left out", where)
                return
            raise ValueError(f"{where}: is not JSON ({error}); write one object a line") from error
        if not isinstance(content, dict) or "completion" not in content:
            raise ValueError(
                f"{where}: has no completion: {line.text[:80]!r}; give a file of predict, of the folder completions of "
                "a run, or generations.jsonl of an evaluation"
            )
        yield CompletionLine(where, line.number, content)
