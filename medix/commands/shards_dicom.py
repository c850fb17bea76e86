"""The input of ``shards build --from dicom``."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from medix.commands.parser import CommandParser
from medix.data.sources.dicom_burned_in import BurnedInText
from medix.data.sources.dicom_window import FILE, NAMED, WindowChoice
from medix.data.sources.source import Source
from medix.data.sources.table_source import Reading
from medix.visible_text import tell


def add_dicom(parser: CommandParser) -> None:
    """Add the arguments."""
    group = parser.add_argument_group("DICOM")
    group.add_argument("--salt", type=Path, metavar="FILE", help="secret of the pseudonyms (written if absent)")
    group.add_argument(
        "--frames",
        default="middle",
        metavar="CHOICE",
        help="of files of several frames and of volumes: middle (default), all, or N evenly spaced ones",
    )
    group.add_argument(
        "--window",
        default=FILE,
        metavar="CHOICE",
        help=f"{FILE} (default), CENTER/WIDTH, or for CT one of {', '.join(NAMED)}",
    )
    group.add_argument(
        "--pixels-clean",
        default="",
        metavar="WHO",
        help="who looked at the pixels for burned-in text; without it, images that may have some are refused",
    )
    group.add_argument(
        "--ignore-patient-ids",
        action="store_true",
        help="PatientIDs are placeholders and are not used; the table then needs a column of cases or patients, filled "
        "in every row. Without this option, images with the same PatientID are one case",
    )


def dicom(arguments: argparse.Namespace, path: str, reading: Reading) -> Source:
    """The rows.

    Raises:
        ValueError: arguments contradict each other, or pydicom is not installed.
    """
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise ValueError("--from dicom needs pydicom; pip install 'medix-rl[dicom]'") from error
    from medix.data.sources.dicom import DicomSource
    from medix.data.sources.dicom_pseudonyms import Pseudonyms
    from medix.data.sources.dicom_questions import table_of
    from medix.data.sources.dicom_series import FrameChoice
    from medix.data.sources.table_file import SUFFIXES

    if arguments.salt is None:
        raise ValueError("--salt FILE is missing; identifiers become pseudonyms, and every build needs their secret")
    given = Path(path)
    table = None if given.is_dir() else table_of(given)
    if table is None and not given.is_dir():
        raise ValueError(f"--from dicom {path}: is neither a folder nor a table ({', '.join(SUFFIXES)})")
    pseudonyms = Pseudonyms.read(arguments.salt)
    if pseudonyms.is_new:  # at once: the next build, also of the same input, finds it
        tell(
            f"medix shards build: a new secret is in --salt {arguments.salt}. Keep it, apart from the data, and give "
            "it to every other build of this collection: only then has a patient one pseudonym in all splits",
            sys.stderr,
        )
    return DicomSource(
        arguments.root or (given if table is None else given.parent),
        pseudonyms,
        None if table is None else table(given, replace(reading, question="", answer_from="")),
        arguments.question,
        arguments.answer_from,
        FrameChoice.parse(arguments.frames),
        WindowChoice.parse(arguments.window),
        BurnedInText(arguments.pixels_clean.strip()),
        arguments.modality,
        arguments.ignore_patient_ids,
    )
