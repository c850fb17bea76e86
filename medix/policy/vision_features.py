"""What a frozen vision tower makes of an image, kept for the run.

The tower of a policy whose vision is frozen gives the same vectors for an image in every pass: rollout, old, reference
and update, in every epoch. They are computed once and kept in main memory, under what was in the image's tensors.
"""

import hashlib
import inspect
import warnings
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, wraps
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule

from medix.policy.digest import digests
from medix.policy.image_layout import LAYOUTS, ImageLayout, features_of_each, features_together, form_of

_KEPT = ("pooler_output", "deepstack_features")  # what the language models read
_REMEMBERED = 10_000  # dropped images, the last ones; more than a step has
Key = tuple[str, str, str]
"""Tower, image, and the precision in which they met."""


@dataclass(frozen=True)
class ImageFeatures:
    """What a tower made of one image.

    Attributes:
        output: what it returned them in.
        forms: how each of its fields held the features of several images, as ``features_together`` wants it.
        values: the features, by field.
    """

    output: type
    forms: Mapping[str, Any]
    values: Mapping[str, Any]

    @property
    def bytes(self) -> int:
        """What the features take."""
        return sum(tensor.nbytes for value in self.values.values() for tensor in _tensors(value))

    def at(self, place: Callable[[Tensor], Tensor]) -> "ImageFeatures":
        """The same features elsewhere."""
        return replace(self, values={name: _each(value, place) for name, value in self.values.items()})


class VisionFeatures:
    """Features of images, those that were not used for longest left out when there is no room.

    Several models may share one object; models with the same tower then share its features.

    Args:
        gigabytes: of main memory that the features may take. The images of one step should fit: with fewer, those of
            the first prompts are gone when the next pass comes to them.
    """

    def __init__(self, gigabytes: float) -> None:
        if not gigabytes > 0:
            raise ValueError(f"policy.vision_gigabytes: {gigabytes} must be positive")
        self.gigabytes = gigabytes
        self.bytes = 0
        self.computed = 0  # images that passed through a tower
        self._kept: OrderedDict[Key, ImageFeatures] = OrderedDict()
        self._dropped: deque[Key] | None = deque(maxlen=_REMEMBERED)  # None once it was said that there is too little

    def attach(self, model: Any, vision: Iterable[nn.Parameter]) -> bool:
        """Let the model's passes take features from here. A model where they cannot is left as it is, with a warning.

        Args:
            model: the Hugging Face model; its ``get_image_features`` is replaced on the instance without its head.
            vision: parameters that features depend on.

        Returns:
            Whether it was done.
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

    def find(
        self, keys: Sequence[Key], compute: Callable[[Sequence[int]], Sequence[ImageFeatures]]
    ) -> list[ImageFeatures]:
        """Features of images, in order.

        Args:
            keys: of the images; one may come several times.
            compute: gives the features of the images at some places.
        """
        places: dict[Key, int] = {}
        for place, key in enumerate(keys):
            if key not in self._kept:
                places.setdefault(key, place)
        found = {key: self._kept[key] for key in keys if key in self._kept}
        if places:
            self._warn_of(places)
            self.computed += len(places)
            found.update(zip(places, compute(list(places.values())), strict=True))
        for key in dict.fromkeys(keys):  # those of this pass are the last to be left out
            self._keep(key, found[key])
        return [found[key] for key in keys]

    def _keep(self, key: Key, features: ImageFeatures) -> None:
        if key in self._kept:
            self._kept.move_to_end(key)
            return
        self._kept[key] = features.at(_in_main_memory)
        self.bytes += features.bytes
        while self.bytes > self.gigabytes * 2**30:
            dropped, old = self._kept.popitem(last=False)
            self.bytes -= old.bytes
            if self._dropped is not None:
                self._dropped.append(dropped)

    def _warn_of(self, missing: Iterable[Key]) -> None:
        if self._dropped is not None and not set(missing).isdisjoint(self._dropped):
            warnings.warn(
                f"features of {len(self._kept)} images fill policy.vision_gigabytes={self.gigabytes:g}; images whose "
                "features were dropped come back, and the vision tower runs again: give more",
                stacklevel=2,
            )
            self._dropped = None


class _Tower:
    """One model's ``get_image_features``, through a ``VisionFeatures``."""

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
        """To call in place of the method, with its signature."""
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
        """Whether the features may not be taken from memory in this pass."""
        if any(parameter.requires_grad for parameter in self.vision):
            return True
        shared = any(isinstance(part, FSDPModule) for part in self.inner.modules()) or hasattr(self.vision[0], "ds_id")
        if shared and not self._warned:
            self._warned = True
            warnings.warn(
                "image features are computed anew in every pass: ranks have shares of the vision tower's weights, and "
                "must run it together",
                stacklevel=3,
            )
        return shared

    @torch.no_grad()
    def _output(self, inputs: Mapping[str, Tensor], options: Mapping[str, Any]) -> Any:
        images = self.layout.split(inputs)
        device = inputs["pixel_values"].device
        setting = f"{self.vision[0].dtype}/{torch.get_autocast_dtype(device.type) if _autocasts(device) else None}"
        keys = [(self._tower_name(), digest, setting) for digest in digests(images)]
        features = [
            one.at(lambda value: value.to(device))
            for one in self.features.find(keys, partial(self._compute, images, options))
        ]
        first = features[0]
        return first.output(
            **{
                name: features_together(form, [one.values[name] for one in features])
                for name, form in first.forms.items()
            }
        )

    def _compute(
        self, images: Sequence[Mapping[str, Tensor]], options: Mapping[str, Any], places: Sequence[int]
    ) -> list[ImageFeatures]:
        output = self.run(**self.layout.join([images[place] for place in places]), **options)
        kept = {name: getattr(output, name) for name in _KEPT if getattr(output, name, None) is not None}
        forms = {name: form_of(value) for name, value in kept.items()}
        each = {name: features_of_each(value, len(places)) for name, value in kept.items()}
        return [ImageFeatures(type(output), forms, {name: each[name][n] for name in kept}) for n in range(len(places))]

    def _tower_name(self) -> str:
        """What the weights are, found again when they change: a checkpoint may be loaded after the first pass."""
        version = sum(parameter._version for parameter in self.vision)
        if version != self._version:
            self.name = hashlib.sha256("".join(digests([{"weight": one} for one in self.vision])).encode()).hexdigest()
            self._version = version
        return self.name


def _layout_of(model: Any) -> tuple[str, ImageLayout | None]:
    """The layout of a model's images; without one, the reason."""
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
    """Whether a module has dropout, as a layer or as a share of its attention."""
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
    # A part of a larger tensor would keep all of it.
    return value.clone() if value.untyped_storage().nbytes() > value.nbytes else value


def _each(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    return [_each(part, change) for part in value] if isinstance(value, list) else change(value)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, list):
        for part in value:
            yield from _tensors(part)
    else:
        yield value
