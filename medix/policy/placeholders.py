"""Which tokens stand for images and videos, and are never sampled."""

import re
from typing import Any

_ID = re.compile(r"(image|video|vision|audio|boi|eoi|boa|eoa)(_\w+)?_(token_id|token_index)|(image|video)_token")
_TOKENS = ("image_token", "video_token", "fake_image_token", "global_image_token", "boi_token", "eoi_token",
           "vision_start_token", "vision_end_token")  # fmt: skip
_NAME = re.compile(r"<row_\d+_col_\d+>|<\|(vision|image|video)_\w+\|>")


def placeholder_ids(config: Any, processor: Any) -> set[int]:
    """Placeholders that configuration, processor and tokenizer of a model name."""
    ids = {value for key, value in config.to_dict().items() if _ID.fullmatch(key) and isinstance(value, int)}
    vocabulary = processor.tokenizer.get_vocab()
    for holder in (processor, processor.tokenizer):
        tokens = (getattr(holder, name, None) for name in _TOKENS)
        ids |= {vocabulary[token] for token in tokens if isinstance(token, str) and token in vocabulary}
    return ids | {id_ for token, id_ in vocabulary.items() if _NAME.fullmatch(token)}
