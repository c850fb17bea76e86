"""Placeholders are found by the keys of a configuration, attributes of a processor and names in a vocabulary."""

from types import SimpleNamespace
from typing import Any

from medix.policy.placeholders import placeholder_ids


def test_ids_come_from_configuration_processor_tokenizer_and_vocabulary() -> None:
    """7, 8 by key, 3 by attribute of the processor, 4 by that of the tokenizer, 5, 6 by name; 1 and 9 are text."""
    vocabulary = {"a": 1, "<image>": 3, "<fake>": 4, "<row_1_col_2>": 5, "<|vision_end|>": 6, "<row_1>": 9}
    tokenizer = SimpleNamespace(get_vocab=lambda: vocabulary, fake_image_token="<fake>", video_token="<unknown>")
    processor: Any = SimpleNamespace(tokenizer=tokenizer, image_token="<image>", boi_token=None)
    keys = {"image_token_id": 7, "video_token_index": 8, "pad_token_id": 1, "vision_start_token_id": None}
    config: Any = SimpleNamespace(to_dict=lambda: keys)
    assert placeholder_ids(config, processor) == {3, 4, 5, 6, 7, 8}
