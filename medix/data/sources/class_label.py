"""Numbers that stand for names: the ``ClassLabel`` values of ``datasets``."""

from collections.abc import Mapping
from typing import Any


class Label(int):
    """A number that stands for a name, as the ``ClassLabel`` columns of ``datasets`` hold.

    Attributes:
        name: the name; empty for a number without one, such as the -1 of rows without a label.
    """

    name: str

    def __new__(cls, number: int, names: "tuple[str, ...]") -> "Label":
        """The label of a number."""
        label = super().__new__(cls, number)
        label.name = names[number] if 0 <= number < len(names) else ""
        return label

    def __reduce__(self) -> tuple[Any, ...]:
        """Rows are sent to other processes."""
        return _label, (int(self), self.name)


def _label(number: int, name: str) -> Label:
    label = Label(number, ())
    label.name = name
    return label


def holds_labels(feature: object) -> bool:
    """Whether some part of a feature, as ``labelled`` takes it, is a ``ClassLabel``."""
    if isinstance(feature, Mapping):
        return feature.get("_type") == "ClassLabel" or any(map(holds_labels, feature.values()))
    return isinstance(feature, list) and any(map(holds_labels, feature))


def labelled(value: Any, feature: object) -> Any:
    """A value with a ``Label`` for each number of a ``ClassLabel``, also in lists and objects.

    Args:
        value: as Arrow holds it.
        feature: what ``datasets`` notes of it: ``{"_type": "ClassLabel", "names": […]}``, ``{"_type": "List",
            "feature": …}`` (or another kind of list), ``[…]`` with that of the elements, or those of fields by name.
    """
    if isinstance(feature, list) and feature:
        feature = feature[0]
    elif isinstance(feature, Mapping) and isinstance(feature.get("_type"), str):
        feature = feature.get("feature", feature)
    if isinstance(value, list):
        return [labelled(one, feature) for one in value]
    if not isinstance(feature, Mapping):
        return value
    if isinstance(value, dict):  # a list of objects may be stored as an object of lists
        return {key: labelled(one, feature.get(key)) for key, one in value.items()}
    is_label = feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list)
    return Label(value, tuple(feature["names"])) if is_label and isinstance(value, int) else value
