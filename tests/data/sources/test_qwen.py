import base64
import json
from pathlib import Path
from typing import Any

import pytest

from medix.data.sources.qwen import QwenSource
from medix.data.sources.table_source import Reading
from tests.data.conftest import picture
from tests.support.sources import faults, samples


def source(folder: Path, content: Any, **row: Any) -> QwenSource:
    for name in ("a.png", "b c.png"):
        (folder / name).write_bytes(picture(len(name)))
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": [{"type": "text", "text": "x"}]}]
    (folder / "rows.jsonl").write_text(json.dumps({"messages": messages, "modality": "CT_SCAN"} | row))
    return QwenSource(folder / "rows.jsonl", Reading())


def test_images_stand_where_they_are_in_the_list(tmp_path: Path) -> None:
    inline = f"data:image/png;base64,{base64.b64encode(picture(3)).decode()}"
    content = [
        {"type": "text", "text": "Before: "}, {"type": "image", "image": "a.png"},
        {"type": "text", "text": "After: "}, {"type": "image", "image": f"file://{tmp_path}/b%20c.png"},
        {"type": "image_url", "image_url": {"url": inline}}, {"type": "text", "text": "Better?"},
    ]  # fmt: skip
    (found,) = samples(source(tmp_path, content))
    assert found.question == "Before: <image>\nAfter: <image>\n<image>\nBetter?"
    assert found.images == (picture(5), picture(7), picture(3))
    assert (found.reference, found.modality) == ("x", "CT_SCAN")


def test_texts_with_markers_and_a_list_of_images(tmp_path: Path) -> None:
    (found,) = samples(source(tmp_path, "<image>Which organ?", images=["a.png"]))
    assert (found.question, found.images) == ("<image>Which organ?", (picture(5),))


def test_messages_with_places_and_a_list_of_images(tmp_path: Path) -> None:
    """As chat templates read them, and as data sets of the hub hold them."""
    content = [
        {"type": "text", "text": "Before: "}, {"type": "image"}, {"type": "text", "text": "After: "},
        {"type": "image", "image": None, "text": None}, {"type": "text", "text": "Better?"},
    ]  # fmt: skip
    (found,) = samples(source(tmp_path, content, images=["a.png", "b c.png"]))
    assert found.question == "Before: <image>\nAfter: <image>\nBetter?"
    assert found.images == (picture(5), picture(7))
    (fault,) = faults(source(tmp_path, content, images=["a.png"]))
    assert "2 image markers for 1 image" in fault


@pytest.mark.parametrize(
    ("content", "row", "told"),
    [
        ("q", {"messages": {}}, "messages: {}; give a list of messages"),
        ("q", {"messages": [{"role": "tool", "content": "x"}]}, 'give {"role": "user" or "assistant"'),
        (3, {}, "content: 3; give a text, or a list"),
        ([{"type": "audio"}], {}, "is neither a text nor an image"),
        ([{"type": "video", "video": "a.mp4"}], {}, "videos are not read"),
        (
            [{"type": "image", "image": "https://x/a.png"}],
            {},
            "nothing is fetched while shards are built; fetch it first",
        ),
        ([{"type": "image", "image": "data:image/png;base64,@@"}], {}, "is no base64"),
        ([{"type": "image", "image": "file:///etc/hostname"}], {}, "lies outside of"),
        ([{"type": "image", "image": "file://a.png"}], {}, "file:// takes an absolute path"),
        ([{"type": "image", "image": "file://img/a.png"}], {}, "give a relative one without file://"),
        ([{"type": "image"}, {"type": "text", "text": "q"}], {}, "1 image marker for 0 images"),
        ([{"type": "image", "image": {"path": 3}}], {}, "give a file name"),
        ([{"type": "image", "image": "a.png"}], {"images": ["b c.png"]}, "give them in one of the two"),
    ],
)
def test_rows_of_another_layout(tmp_path: Path, content: Any, row: dict[str, Any], told: str) -> None:
    (found,) = faults(source(tmp_path, content, **row))
    assert told in found
