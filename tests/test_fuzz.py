"""Bytes and texts of strangers, at random: each reader gives a result or its own error, and ends.

Few examples here; SECURITY.md has the command that runs them for minutes.
"""

import io
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from medix.data.manifest import Manifest, ManifestError
from medix.data.record import RecordError, decode, split_name
from medix.data.sources.jsonl import JsonlSource
from medix.data.sources.source import RowError
from medix.data.sources.table_file import TableError
from medix.data.tar_samples import TarLayoutError, tar_samples
from medix.data.tar_walk import tar_faults
from medix.files.text_lines import TextFileError
from medix.grammar import parse
from medix.judge.serving.chat_reply import ChatReply
from medix.judge.verdict import Score01Rule, YesNoRule
from medix.modality import ModalitySet
from medix.rollout.serving.stream import ChoiceStream, StreamError
from medix.yaml_text import read_yaml, write_yaml
from tests.support.tar_headers import header

TAGS = ("<X_RAY>", "<think>", "</think>", "<thinking>", "<answer>", "</answer>", "<", ">", "</", "<|im_end|>", "\ud800")
WORDS = ("YES", "NO", "no.", "**Yes**", "`yes`", "> no", "not", '{"score": 1}', '{"score":', "```", "'", '"', "\n", " ")
COMPLETIONS = st.lists(st.sampled_from(TAGS) | st.text(max_size=5), max_size=30).map("".join)
REPLIES = st.lists(st.sampled_from((*TAGS, *WORDS)) | st.text(max_size=5), max_size=30).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def changed(data: bytes, draw: st.DrawFn) -> bytes:
    """The bytes with some places overwritten, and perhaps cut."""
    found = bytearray(data)
    for place, byte in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=8)):
        found[place] = byte
    return bytes(found[: draw(st.just(len(data)) | st.integers(0, len(data)))])


@contextmanager
def file_of(data: bytes) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        yield Path(file.name)


@given(COMPLETIONS, st.booleans())
def test_a_completion_is_read(text: str, expects_tag: bool) -> None:
    parsed = parse(text, ModalitySet(), expects_tag=expects_tag)
    assert not parsed.is_well_formed or (parsed.answer and parsed.answer in text)


@given(REPLIES, st.booleans())
def test_a_reply_has_a_verdict_or_a_reason(reply: str, is_cut: bool) -> None:
    for rule in (YesNoRule(), Score01Rule()):
        read = rule.read(reply, is_cut=is_cut)
        assert (read.credit is None) == bool(read.reason)
        assert read.credit is None or 0 <= read.credit <= 1


@st.composite
def shards(draw: st.DrawFn) -> bytes:
    names = st.sampled_from(["000000000.json", "000000000.0.png", "000000001.json", "../x", "0.txt", "a.py", ""])
    kinds = st.sampled_from([b"0", b"0", b"0", b"5", b"x", b"g", b"L", b"K", b"S", b"1", b"2", b"\0"])
    sizes = st.integers(0, 40) | st.sampled_from([-512, -1, 512, 2**40, 2**63, 2**80])
    data = b""
    for _ in range(draw(st.integers(0, 6))):
        size = draw(sizes)
        data += header(draw(names), size, draw(kinds))
        data += draw(st.binary(max_size=40)).ljust(512, b"\0") if 0 < size <= 512 else b""
    return changed(data + bytes(1024), draw)


@given(shards())
def test_a_shard_is_read_within_its_file(data: bytes) -> None:
    try:
        found = tar_samples(io.BufferedReader(io.BytesIO(data)), split_name)  # type: ignore[arg-type]
    except (TarLayoutError, RecordError):
        found = []
    places = [place for sample in found for place in sample.members.values()]
    assert all(0 <= start <= start + size <= len(data) for start, size in places)
    with file_of(data) as path:
        assert len(list(tar_faults(path))) <= 1


@given(st.dictionaries(st.sampled_from(["json", "0.png", "1.jpg", "txt", "a.txt"]), st.binary(max_size=60)), JSON)
def test_the_members_of_a_sample_are_read(members: dict[str, bytes], content: Any) -> None:
    fields = {"id": "1", "question": "q", "reference": "r"}
    document = {**fields, **content} if isinstance(content, dict) else content
    for text in (members.get("json", b""), write_json(document), write_json({**fields, "images": content})):
        with suppress(RecordError):
            decode({**members, "json": text})


MANIFEST = write_yaml(
    {
        "name": "a", "dataset": "d", "modality": "X_RAY", "licence": "CC0", "deidentification": "none needed",
        "shards": [{"url": "a.tar", "sha256": "0" * 64, "bytes": 1, "samples": 1}],
    }
)  # fmt: skip
YAML = (
    "*a",
    "&a ",
    "!!int ",
    "!!bool ",
    "!!timestamp ",
    "[",
    "{",
    "<<: ",
    "? ",
    "- ",
    "'",
    '"\\U',
    "|",
    "%",
    "0x_",
    ": ",
)


@st.composite
def manifests(draw: st.DrawFn) -> str:
    parts = [*MANIFEST]
    for place in draw(st.lists(st.integers(0, len(parts) - 1), max_size=6)):
        parts[place] = draw(st.sampled_from(YAML) | st.text(max_size=4))
    return "".join(parts)


@given(manifests())
def test_a_manifest_is_read(text: str) -> None:
    with file_of(text.encode("utf-8", "surrogatepass")) as path, suppress(ManifestError):
        Manifest.read(path)


@given(manifests())
def test_yaml_is_read(text: str) -> None:
    try:
        content = read_yaml(text)
    except yaml.YAMLError:
        return
    assert repr(read_yaml(write_yaml(content))) == repr(content)


@given(st.lists(st.binary(max_size=30) | JSON.map(lambda content: write_json({"id": content}) + b"\n"), max_size=5))
def test_rows_are_read_or_have_their_fault(parts: list[bytes]) -> None:
    with file_of(b"".join(parts)) as path:
        try:
            rows = [row for _, row in JsonlSource(path).cells()]
        except (TableError, TextFileError):
            return
    assert all(isinstance(row, dict | RowError) for row in rows)


CHOICE = st.fixed_dictionaries(
    {},
    optional={
        "message": st.fixed_dictionaries({}, optional={"content": JSON, "reasoning_content": JSON}) | JSON,
        "finish_reason": JSON, "logprobs": st.fixed_dictionaries({}, optional={"content": JSON}) | JSON,
        "index": JSON, "token_ids": JSON, "weight_versions": JSON, "text": JSON, "refusal": JSON,
    },
)  # fmt: skip
ANSWERS = st.fixed_dictionaries({}, optional={"choices": st.lists(CHOICE | JSON) | JSON, "error": JSON, "status": JSON})


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    data = write_json(draw(ANSWERS))
    return data if draw(st.booleans()) else changed(data, draw)


@given(answers())
def test_an_answer_of_a_judge_is_read_or_refused(data: bytes) -> None:
    try:
        reply = ChatReply.read(data)
    except ValueError:
        return
    assert isinstance(reply.text, str)
    assert all(isinstance(token.data, bytes) for token in reply.tokens)
    reply.text.encode()  # no lone surrogates


@given(answers())
def test_an_answer_of_a_rollout_server_is_read_or_refused(data: bytes) -> None:
    try:
        found = list(ChoiceStream(2, 10**6).feed(b"data: " + data + b"\n\n"))
    except StreamError:
        return
    assert all(isinstance(token, int) for choice in found for token in choice.token_ids)


def write_json(content: Any) -> bytes:
    return json.dumps(content).encode()
