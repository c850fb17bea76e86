"""Cache of the image features of a frozen vision tower.

A frozen tower gives the same features for an image in every pass: rollout, old and reference log-probabilities and
update, in every epoch. They are computed once and kept in main memory, keyed by the contents of the image's tensors.

Each image passes through the tower alone. In a batch, its features would differ by rounding with the other images of
the batch, and so depend on which images were cached before: a resumed run, whose cache is empty, would diverge.
"""

import hashlib
import inspect
import warnings
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn

from medix.policy.digest import digests
from medix.policy.image_layout import LAYOUTS, ImageLayout, features_of_each, features_together, form_of
from medix.policy.shards import holds_parts

_KEPT = ("pooler_output", "deepstack_features")  # what the language models read
_REMEMBERED = 10_000  # keys of evicted images, the most recent ones; more than the images of a step
Key = tuple[str, str, str]
"""Digest of the tower's weights, digest of the image, precision of the pass."""


@dataclass(frozen=True)
class ImageFeatures:
    """The features of one image.

    Attributes:
        output: class of the tower's output.
        forms: for each field of the output, how it holds the features of several images (``form_of``).
        values: the features, by field.
    """

    output: type
    forms: Mapping[str, Any]
    values: Mapping[str, Any]

    @property
    def bytes(self) -> int:
        """Memory of the features."""
        return sum(tensor.nbytes for value in self.values.values() for tensor in _tensors(value))

    def map(self, move: Callable[[Tensor], Tensor]) -> "ImageFeatures":
        """The features with a function applied to each tensor, such as a copy to another device."""
        return replace(self, values={name: _each(value, move) for name, value in self.values.items()})


class VisionFeatures:
    """Least-recently-used cache of image features.

    Several models may share one cache; models with the same tower then share its features.

    Args:
        gigabytes: main memory that the features may take. The images of one step should fit; otherwise the images of
            its first prompts are evicted before the next pass reads them.
    """

    def __init__(self, gigabytes: float) -> None:
        if not gigabytes > 0:
            raise ValueError(f"policy.vision_gigabytes: {gigabytes} must be positive")
        self.gigabytes = gigabytes
        self.bytes = 0
        self.computed = 0  # images that passed through a tower
        self._kept: OrderedDict[Key, ImageFeatures] = OrderedDict()
        self._dropped: deque[Key] | None = deque(maxlen=_REMEMBERED)  # None once the warning was given

    def attach(self, model: Any, vision: Iterable[nn.Parameter]) -> bool:
        """Let the model's passes read image features from this cache; warn where the model does not allow it.

        Args:
            model: the Hugging Face model; ``get_image_features`` of its base model is replaced on the instance.
            vision: parameters that features depend on.

        Returns:
            Whether the model now reads from the cache.
        """
        inner = model.base_model
        reason, layout = _layout_of(model)
        if layout is None:
            warnings.warn(
                f"image features of {type(model).__name__} are computed anew in every pass: {reason}", stacklevel=2
            )
            return False
        inner.get_image_features = _Tower(inner, layout, list(vision), self).replacement()
        return True

    def find(self, keys: Sequence[Key], compute: Callable[[int], ImageFeatures]) -> list[ImageFeatures]:
        """Features of images, in order.

        Args:
            keys: of the images; one may occur several times.
            compute: gives the features of the image at an index of ``keys``.
        """
        missing: dict[Key, int] = {}
        for index, key in enumerate(keys):
            if key not in self._kept:
                missing.setdefault(key, index)
        found = {key: self._kept[key] for key in keys if key in self._kept}
        if missing:
            self._warn_of(missing)
            self.computed += len(missing)
            found.update({key: compute(index) for key, index in missing.items()})
        for key in dict.fromkeys(keys):  # the images of this pass are the last to be evicted
            self._keep(key, found[key])
        return [found[key] for key in keys]

    def _keep(self, key: Key, features: ImageFeatures) -> None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return
        self._kept[key] = features.map(_in_main_memory)
        self.bytes += features.bytes
        while self.bytes > self.gigabytes * 2**30:
            dropped, old = self._kept.popitem(last=False)
            self.bytes -= old.bytes
            if self._dropped is not None:
                self._dropped.append(dropped)

    def _warn_of(self, missing: Iterable[Key]) -> None:
        if self._dropped is not None and not set(missing).isdisjoint(self._dropped):
            warnings.warn(
                f"features of {len(self._kept)} images fill policy.vision_gigabytes={self.gigabytes:g}; evicted images "
                "come back, and the vision tower runs again: give more",
                stacklevel=2,
            )
            self._dropped = None


class _Tower:
    """One model's ``get_image_features``, read through a ``VisionFeatures``."""

    def __init__(self, inner: Any, layout: ImageLayout, vision: list[nn.Parameter], features: VisionFeatures) -> None:
        self.inner = inner
        self.run = inner.get_image_features
        self.layout = layout
        self.vision = vision
        self.features = features
        self.name = ""
        self._version = -1  # of the weights that the name stands for
        self._warned = False

    def replacement(self) -> Callable[..., Any]:
        """A function to call instead of the method, with the same signature."""
        signature = inspect.signature(self.run)

        @wraps(self.run)
        def get_image_features(*arguments: Any, **further: Any) -> Any:
            named = signature.bind(*arguments, **further).arguments
            options = named.pop("kwargs", {})
            inputs = {name: value for name, value in named.items() if value is not None}
            if not options.get("return_dict") or self._must_run():
                return self.run(*arguments, **further)
            return self._output(inputs, options)

        return get_image_features

    def _must_run(self) -> bool:
        """Whether the tower must run in this pass: its weights are trained, or sharded over ranks."""
        if any(parameter.requires_grad for parameter in self.vision):
            return True
        sharded = holds_parts(self.inner)
        if sharded and not self._warned:
            self._warned = True
            warnings.warn(
                "image features are computed anew in every pass: the vision tower's weights are sharded, so all ranks "
                "must run it together",
                stacklevel=3,
            )
        return sharded

    @torch.no_grad()
    def _output(self, inputs: Mapping[str, Tensor], options: Mapping[str, Any]) -> Any:
        images = self.layout.split(inputs)
        device = inputs["pixel_values"].device
        setting = f"{self.vision[0].dtype}/{torch.get_autocast_dtype(device.type) if _autocasts(device) else None}"
        keys = [(self._tower_name(), digest, setting) for digest in digests(images)]
        features = [
            one.map(lambda value: value.to(device))
            for one in self.features.find(keys, lambda index: self._compute(images[index], options))
        ]
        first = features[0]
        return first.output(
            **{
                name: features_together(form, [one.values[name] for one in features])
                for name, form in first.forms.items()
            }
        )

    def _compute(self, image: Mapping[str, Tensor], options: Mapping[str, Any]) -> ImageFeatures:
        output = self.run(**image, **options)
        kept = {name: getattr(output, name) for name in _KEPT if getattr(output, name, None) is not None}
        forms = {name: form_of(value) for name, value in kept.items()}
        values = {name: features_of_each(value, 1)[0] for name, value in kept.items()}
        return ImageFeatures(type(output), forms, values)

    def _tower_name(self) -> str:
        """Digest of the weights; taken again when they change, as when a checkpoint is loaded after the first pass."""
        version = sum(parameter._version for parameter in self.vision)
        if version != self._version:
            self.name = hashlib.sha256("".join(digests([{"weight": one} for one in self.vision])).encode()).hexdigest()
            self._version = version
        return self.name


def _layout_of(model: Any) -> tuple[str, ImageLayout | None]:
    """A reason why features cannot be cached, and the layout of the model's images or None."""
    method = getattr(model.base_model, "get_image_features", None)
    if method is None:
        return "it has no get_image_features", None
    of_text = set(model.get_decoder().modules())
    for name, part in model.base_model.named_modules():
        if part not in of_text and _drops(part):
            return f"its {name} drops activations while training", None
    parameters = inspect.signature(method).parameters.values()
    names = frozenset(one.name for one in parameters if one.kind is not inspect.Parameter.VAR_KEYWORD)
    layout = next((each for each in LAYOUTS if each.names == names), None)
    return f"its images come as {', '.join(sorted(names))}", layout


def _drops(part: nn.Module) -> bool:
    """Whether a module drops activations, as a dropout layer or in its attention."""
    shares = (
        [part.p]
        if isinstance(part, nn.Dropout)
        else [getattr(part, "dropout", 0), getattr(part, "attention_dropout", 0)]
    )
    return any(isinstance(share, float) and share > 0 for share in shares)


def _autocasts(device: torch.device) -> bool:
    return torch.is_autocast_enabled(device.type)


def _in_main_memory(value: Tensor) -> Tensor:
    if value.is_cuda:
        return value.cpu().pin_memory()  # copied back two to four times as fast
    # A view would keep the whole tensor in memory.
    return value.clone() if value.untyped_storage().nbytes() > value.nbytes else value


def _each(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    return [_each(part, change) for part in value] if isinstance(value, list) else change(value)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, list):
        for part in value:
            yield from _tensors(part)
    else:
        yield value
