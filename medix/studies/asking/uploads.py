"""Pictures that a browser sends."""

import base64
import re
import tempfile
from pathlib import Path
from typing import Any

from medix.data.picture import PictureError, PictureReader, png
from medix.data.sources.single_picture import read_picture
from medix.evaluation.single_question import SingleQuestion

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}\Z")


def uploaded(name: str, data: bytes) -> bytes:
    """The encoded picture of a file, as ``ask --image`` reads it.

    Args:
        name: of the file; its ending tells DICOM files without a mark.
        data: of the file.

    Raises:
        PictureError: it is no picture, or cannot be decoded; the message holds the name alone.
    """
    suffix = _SUFFIX.search(name)
    with tempfile.TemporaryDirectory(prefix="medix-ask-") as folder:
        path = Path(folder) / f"picture{suffix[0] if suffix else ''}"
        path.write_bytes(data)
        try:
            return read_picture(path)
        except (PictureError, ValueError) as error:
            raise PictureError(str(error).replace(str(path), name or "the file")) from error


def preview(picture: bytes) -> bytes:
    """A picture as the model's processor gets it, as PNG."""
    return png(PictureReader().read(picture))


def question_of(body: Any) -> tuple[SingleQuestion, tuple[str, ...]]:
    """The question that a page sends, and its reference if it has one.

    Args:
        body: an object with ``question``, ``pictures`` (``name`` and ``data`` in base64 of each) and ``reference``.

    Raises:
        ValueError: it is not such an object, or a picture cannot be read.
    """
    try:
        text, reference = body["question"], body["reference"]
        sent = [(one["name"], base64.b64decode(one["data"], validate=True)) for one in body["pictures"]]
        if not all(isinstance(value, str) for value in (text, reference, *(name for name, _ in sent))):
            raise TypeError("names, question and reference are texts")
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError("this is no question of this page; load it again") from error
    pictures = tuple(uploaded(name, data) for name, data in sent)
    return SingleQuestion(text, pictures), (reference,) if reference.strip() else ()
