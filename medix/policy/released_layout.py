"""The layout of weights in a saved folder, where transformers would write another one than it was released in.

transformers keeps the experts of Qwen3-VL-MoE transposed, reads both layouts by their shapes, and saves its own. vLLM
reads the released layout only.
"""

from typing import Any

from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import Transpose


def keep_released_layout(model: Any) -> None:
    """Have ``save_pretrained``, exports and engines get weights in the layout in which the model was released.

    Args:
        model: a Hugging Face model, just loaded or just built.
    """
    conversions = getattr(model, "_weight_conversions", None)
    if conversions is None:
        conversions = get_model_conversion_mapping(model, add_legacy=False)
    operations = [operation for one in conversions for operation in getattr(one, "operations", ())]
    by_shape = [operation for operation in operations if isinstance(operation, Transpose) and operation.check_dims]
    for operation in by_shape:
        operation.check_dims = False  # saving reverses it: always, not only if the shapes differ
    if by_shape:
        model._weight_conversions = conversions
