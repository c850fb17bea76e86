import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.files.text_lines import TextFileError, bad_letters, encoding_fault, read_lines

ROW = '{"a": "Café\u2028, \u0085ß"}'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_lines_are_read_in_every_encoding_and_end_at_a_line_feed_alone(
    tmp_path: Path, encoding: str, ending: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(f"{ROW}{ending}{ending}{ROW}".encode(encoding))
    lines = list(read_lines(path))
    assert [line.number for line in lines] == [1, 3]
    assert [json.loads(line.text) for line in lines] == [json.loads(ROW)] * 2
    assert [line.is_ended for line in lines] == [True, False]
    assert all(line.is_decoded for line in lines)


@given(st.lists(st.binary(min_size=1).filter(lambda line: b"\n" not in line), max_size=4))
def test_bytes_of_no_encoding_are_kept_with_their_line(
    tmp_path_factory: pytest.TempPathFactory, rows: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("lines") / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n' + b"\n".join(rows))
    for line in list(read_lines(path))[1:]:
        data = rows[line.number - 2]
        assert line.text.encode("utf-8", "surrogateescape") == data
        try:
            data.decode()
        except UnicodeDecodeError:
            assert not line.is_decoded
        else:
            assert line.is_decoded


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"PAR1\x15\x04", r"this is Parquet, not JSON lines; convert it: pandas\.read_parquet\('FILE'\)\.to_json"),
        (b"PK\x03\x04\x14", "a ZIP archive or an Excel workbook"),
        (b"\xff\xd8\xff\xe0", "a JPEG image, not JSON lines; give the file of rows"),
        (b"\0" * 128 + b"DICM", "a DICOM image"),
        (b"\x1f\x8b\x08", "compressed with gzip, not JSON lines; unpack it: gunzip"),
        (b"\0" * 257 + b"ustar", "a tar archive"),
        (b"id,image\n1,a.png\n", r"a table such as CSV.*read_csv\('FILE'\)\.to_json"),
        (b"id;image\n1;a.png\n", "read_csv.'FILE', sep=';'.*orient='records', lines=True"),
        ("id\timage\n1\ta.png\n".encode("utf-16"), r"sep='\\t'"),
        (b'[{"id": 1},\n {"id": 2}]', r"one JSON list, not JSON lines; write one object a line: jq -c '\.\[\]' FILE"),
        (b'[\n  {\n    "id": 1', "one JSON list"),
        (b'{\n  "id": 1\n}', r"JSON over several lines, not JSON lines; write one object a line: jq -c \. FILE"),
        ('{"a": 1}\n{"b": 2}\n'.encode("utf-16")[:-1], "rows, after line 1: is not UTF-16"),
    ],
)
def test_another_format_is_named_with_a_remedy(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "rows").write_bytes(data)
    with pytest.raises(TextFileError, match=f"rows.*{told}" if "after" not in told else told):
        list(read_lines(tmp_path / "rows"))


@pytest.mark.parametrize("text", ["", "\n", '{"a": 1}\nid,image\n', "not, json\n" + ROW, "{", "[1]\n" + ROW])
def test_faulty_rows_are_left_to_the_reader_of_rows(tmp_path: Path, text: str) -> None:
    (tmp_path / "rows").write_text(text)
    assert len(list(read_lines(tmp_path / "rows"))) == len([line for line in text.split("\n") if line.strip()])


def test_a_half_surrogate_is_found_under_its_key() -> None:
    assert bad_letters({"a": "x", "b": [{"c": "\ud83d"}]}) == ("b", "\ud83d")
    assert bad_letters({"a": "\N{PILE OF POO}"}) == ("", "")


def test_the_fault_says_what_another_encoding_would_mean() -> None:
    assert "in Windows-1252 it is 'Café'" in encoding_fault("Caf\udce9")
    assert "nor is it Windows-1252" in encoding_fault("Caf\udc81")
