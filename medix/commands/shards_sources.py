"""The input of ``shards build``: which kind it is, and how its rows are read."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

from medix.commands.parser import CommandParser
from medix.commands.shards_dicom import add_dicom, dicom
from medix.data.sources.csv_file import CsvSource
from medix.data.sources.hub import HubSource
from medix.data.sources.jsonl import JsonlSource
from medix.data.sources.llava import LlavaSource
from medix.data.sources.parquet import ParquetSource
from medix.data.sources.phantom_reports import PhantomReportSource
from medix.data.sources.phantoms import PhantomSource
from medix.data.sources.qwen import QwenSource
from medix.data.sources.source import Source
from medix.data.sources.table_schema import read_table_data
from medix.data.sources.table_source import Reading
from medix.data.sources.webdataset import WebDatasetSource
from medix.modality import PAPER_MODALITIES

KINDS = {
    "hub": "data set of the Hugging Face hub, or a folder laid out like one",
    "parquet": "Parquet file or folder, with images in it or beside it",
    "csv": "CSV or TSV file with file names of images",
    "jsonl": "JSON lines with file names of images",
    "llava": "conversations as LLaVA has them, in JSON or JSON lines",
    "qwen": "messages as Qwen-VL has them, in JSON or JSON lines",
    "webdataset": "tars with json, txt or cls; listed as they are, not rewritten",
    "dicom": "folder of DICOM files, or a table of questions on those in --root",
}
"""Kinds of ``--from``."""

_FILES: dict[str, Callable[[Path, Reading], Source]] = {
    "parquet": ParquetSource, "csv": CsvSource, "jsonl": JsonlSource, "llava": LlavaSource, "qwen": QwenSource,
}  # fmt: skip
_TABLES = ("hub", "parquet", "csv", "jsonl", "webdataset", "dicom")
_READ_BY = {
    "columns": _TABLES, "question": _TABLES, "answer_from": _TABLES,
    "root": ("hub", "parquet", "csv", "jsonl", "llava", "qwen", "dicom"),
    "modality_column": (*_TABLES, "llava", "qwen"),
    "rewrite": ("webdataset",),
    "salt": ("dicom",), "frames": ("dicom",), "window": ("dicom",), "pixels_clean": ("dicom",),
    "ignore_patient_ids": ("dicom",),
    "split": ("hub", "phantoms"), "config": ("hub",), "revision": ("hub",), "size": ("phantoms",),
    "reports": ("phantoms",),
}  # fmt: skip
"""Kinds that read an option; with others it is an error, not passed over."""


def add_sources(parser: CommandParser) -> None:
    """Add the arguments."""
    group = parser.add_argument_group("input")
    origin = group.add_mutually_exclusive_group(required=True)
    origin.add_argument("--from", nargs=2, metavar=("KIND", "PATH"), dest="origin", help=f"one of {', '.join(KINDS)}")
    origin.add_argument("--jsonl", type=Path, metavar="FILE", help="the same as --from jsonl FILE")
    origin.add_argument("--phantoms", type=int, metavar="N", help="N generated phantoms of five modalities")
    group.add_argument(
        "--columns",
        type=Path,
        metavar="FILE",
        help="YAML file that says which columns mean what, as the data of a task, or the name of one (specs/tasks); "
        "without it, columns of well-known data sets are recognised by their names (problem and solution, question and "
        "answer, …)",
    )
    group.add_argument("--question", default="", metavar="TEXT", help="asked of every row, where no column asks")
    group.add_argument(
        "--answer-from",
        default="",
        metavar="FIELD",
        help="column of the answer to --question; of DICOM: modality, or a field of the header",
    )
    group.add_argument(
        "--root", type=Path, metavar="DIR",
        help="folder that images must lie in (default: the input's); a name is relative to the input's folder, or "
        "where that has no such file, to this one",
    )  # fmt: skip
    modality = group.add_mutually_exclusive_group()
    modality.add_argument("--modality", metavar="TAG", help="of every row with images, such as CT_SCAN")
    modality.add_argument("--modality-column", default="", metavar="NAME", help="column of the modality")
    group.add_argument("--modalities", nargs="+", metavar="TAG", default=PAPER_MODALITIES, help="another set of tags")
    group.add_argument("--aliases", type=Path, metavar="FILE", help="YAML file with synonyms: reference: [text, …]")
    group.add_argument("--skip-bad", action="store_true", help="leave faulty rows out and count them")
    group.add_argument("--rewrite", action="store_true", help="write the samples of --from webdataset as new shards")
    group.add_argument("--workers", type=int, metavar="N", help="processes (default: one per core, up to 16)")
    add_dicom(parser)
    hub = parser.add_argument_group("hub and phantoms")
    hub.add_argument("--split", help="split of the hub, or name of phantoms that share no picture (default: train)")
    hub.add_argument("--config", default="", help="configuration of the data set")
    hub.add_argument("--revision", default="", help="commit, branch or tag of the data set")
    hub.add_argument("--size", type=int, default=64, help="side of a phantom in pixels")
    hub.add_argument("--reports", action="store_true", help="phantoms that ask for a report, not for one word")
    parser.set_defaults(unset={name: parser.get_default(name) for name in _READ_BY})


def named_input(arguments: argparse.Namespace) -> tuple[str, str]:
    """Kind and path of the input.

    Raises:
        ValueError: there is no such kind.
    """
    if arguments.phantoms is not None:
        return "phantoms", f"phantoms-{arguments.split or 'train'}"
    kind, path = ("jsonl", str(arguments.jsonl)) if arguments.jsonl is not None else arguments.origin
    if kind not in KINDS:
        raise ValueError(f"--from {kind}: there is no such kind; kinds: {', '.join(KINDS)}")
    return kind, path


def default_name(kind: str, path: str) -> str:
    """The beginning of file names for an input."""
    is_name = kind == "phantoms" or (kind == "hub" and not Path(path).is_dir())
    name = path if is_name else Path(path).resolve().name
    name = Path(path).stem if Path(path).is_file() else name
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-") or kind


def source_of(arguments: argparse.Namespace) -> Source:
    """The rows.

    Raises:
        ValueError: arguments contradict each other, are of another kind, or a file of theirs cannot be read.
    """
    kind, path = named_input(arguments)
    for name, kinds in _READ_BY.items():
        if kind not in kinds and getattr(arguments, name) != arguments.unset[name]:
            option = f"--{name.replace('_', '-')}"
            raise ValueError(f"{option} is for {', '.join(kinds)}, and {kind} does not read it; leave it out")
    has_answers = arguments.columns is not None and kind != "dicom"
    if bool(arguments.question.strip()) != bool(arguments.answer_from) and (arguments.answer_from or not has_answers):
        raise ValueError("--question and --answer-from belong together; give both or neither")
    if kind == "phantoms":
        drawn = PhantomReportSource if arguments.reports else PhantomSource
        return drawn(arguments.phantoms, arguments.seed, arguments.split or "train", arguments.size)
    if kind != "hub" and "://" in path:
        raise ValueError(
            f"--from {kind} {path}: is an address, of which a build reads nothing; fetch it, and give its path"
        )
    reading = Reading(
        data=None if arguments.columns is None else read_table_data(arguments.columns),
        modalities=tuple(arguments.modalities),
        root=arguments.root,
        question=arguments.question,
        answer_from=arguments.answer_from,
        modality_column=arguments.modality_column,
    )
    if kind == "hub":
        return HubSource(path, reading, arguments.split or "train", arguments.config, arguments.revision)
    if kind == "webdataset":
        return WebDatasetSource(path, reading)
    if kind == "dicom":
        return dicom(arguments, path, reading)
    return _FILES[kind](Path(path), reading)
