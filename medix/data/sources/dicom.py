"""DICOM files: images and volumes, with questions from a table or one that is asked of each."""

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from medix.data.image_markers import expanded, pieces
from medix.data.index import CASE_NAMES
from medix.data.partition import PATIENT_FIELDS, named_unit
from medix.data.picture import png
from medix.data.sources.dicom_burned_in import NOBODY_LOOKED, BurnedInText
from medix.data.sources.dicom_decode import PIXELS, decode
from medix.data.sources.dicom_file import check_image, read_header
from medix.data.sources.dicom_folder import DicomEntry, DicomFolder
from medix.data.sources.dicom_header import DicomHeader
from medix.data.sources.dicom_metadata import answer_from, check_answer_field, has_square_pixels, metadata_of
from medix.data.sources.dicom_modality import DicomModality
from medix.data.sources.dicom_patients import IGNORE, NOBODY, DicomPatients, Name, Named
from medix.data.sources.dicom_picture import DicomPicture, DicomRenderer
from medix.data.sources.dicom_pseudonyms import Pseudonyms
from medix.data.sources.dicom_questions import DicomQuestions
from medix.data.sources.dicom_series import MIDDLE, FrameChoice, Place, Slot, places
from medix.data.sources.dicom_window import OF_FILE, WindowChoice
from medix.data.sources.source import RowError, Source, SourceRow, stamps
from medix.data.sources.table_source import TableSource
from medix.types import Sample


@dataclass(frozen=True, slots=True)
class DicomRow:
    """What a sample is made of.

    Attributes:
        places: frames of files, in the order in which they are shown.
        sample: the sample without images; without a reference where the header has it.
        named: what says whose it is, by all headers and not only those of the frames shown.
        missing: number of slices of its volume that are left out.
        answers: what the headers of all slices state of the field that the reference is taken from, each once.
        case: its case, by the rows of the whole build.
        patient: its patient, likewise.
        counts: what was decided about the row of the table that asks.
    """

    places: tuple[Place, ...]
    sample: Sample
    named: Named
    missing: int = 0
    answers: tuple[str, ...] = ()
    case: Name = field(default=NOBODY, repr=False)
    patient: Name = field(default=NOBODY, repr=False)
    counts: Counter[str] = field(default_factory=Counter)


class _File(NamedTuple):
    """What is known of a file whose frames were decoded."""

    header: DicomHeader
    modality: DicomModality
    burned_in: str
    pixels: int


class DicomSource(Source):
    """Samples of DICOM files below a folder. Needs the extra ``dicom``.

    Questions come from a table whose image column names files, folders or SeriesInstanceUIDs below the root, or one
    question is asked of every image and every volume. Files of one frame that are slices of one volume (see
    ``Slot.of``) are one sample; of volumes and of files of several frames, the frames of ``frames`` are its images. A
    marker in a question (``<image>``) stands for all frames of what it names. Images are shown as ``DicomRenderer``
    says and stored as PNG.

    Of the headers, only what ``dicom_metadata`` lists goes on, where the table has no value of that name, and
    pseudonyms: of the case (``DicomPatients``), and of the patient where the table has such a column; the ids of
    samples are those of images or series, or of the rows.

    Args:
        root: the folder; no file outside of it is read.
        pseudonyms: replace identifiers.
        questions: the table; None to ask ``question``.
        question: asked of every image and volume.
        answer: where its reference comes from: ``modality``, or a field of the header (``dicom_metadata``).
        frames: which frames are taken.
        window: which values are black and white.
        burned_in: decides which images may be used.
        modality: of every image; None takes what the table or the header says. ``answer`` is what the header says.
        ignores_patient_ids: a column of cases or patients alone says whose images are.

    Raises:
        ValueError: the folder is none, the field is none that is taken, the question has markers of several images,
            both or neither of ``questions`` and ``question`` are given, or there is no table to name patients.
    """

    def __init__(
        self,
        root: Path,
        pseudonyms: Pseudonyms,
        questions: TableSource | None = None,
        question: str = "",
        answer: str = "",
        frames: FrameChoice = MIDDLE,
        window: WindowChoice = OF_FILE,
        burned_in: BurnedInText = NOBODY_LOOKED,
        modality: str | None = None,
        ignores_patient_ids: bool = False,
    ) -> None:
        if (questions is None) == (not question.strip()) or bool(question.strip()) != bool(answer):
            raise ValueError(
                "--from dicom needs questions: give a table of them (CSV, JSON lines, Parquet) and --root, or a folder "
                "and --question TEXT with --answer-from modality|FIELD"
            )
        if ignores_patient_ids and questions is None:
            raise ValueError(f"{IGNORE}: only a table of questions can name patients instead; leave it out")
        pieces(Sample("--question", question, "", None, (b"",)))
        self.pseudonyms = pseudonyms
        self.questions = questions
        self.question = question.strip()
        self.answer = check_answer_field(answer) if answer else ""
        self.folder = DicomFolder(root, burned_in, modality, self.answer)
        self.frames = frames
        self.renderer = DicomRenderer(window)
        self.ignores_patient_ids = ignores_patient_ids

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_patients"}

    @property
    def has_ids(self) -> bool:
        """Whether rows have ids: those of images and series, or of a column of the table."""
        return self.questions is None or self.questions.has_ids

    @property
    def salt_digest(self) -> str:
        """Of the secret of the pseudonyms."""
        return self.pseudonyms.digest

    def rows(self) -> Iterator[SourceRow]:
        """The rows; reads the headers of all files, or of those that the table names."""
        patients = self._patients
        for row in self._rows():
            content = row.content
            try:
                if isinstance(content, DicomRow):
                    case, patient = patients.case(content.named), patients.patient(content.named)
                    content = replace(content, case=case, patient=patient)
            except RowError as error:
                content = error
            yield SourceRow(row.where, content)

    def sample(self, row: SourceRow) -> Sample:
        """The sample of a row."""
        content: DicomRow = row.content
        stated = content.sample
        files: list[_File] = []
        images: list[bytes] = []
        windows: dict[str, None] = {}
        for path, group in itertools.groupby(content.places, key=lambda place: place.path):
            file, pictures = self._read(path, [place.frame for place in group], sum(one.pixels for one in files))
            files.append(file)
            images += [png(picture.image) for picture in pictures]
            windows |= {picture.window or picture.kind: None for picture in pictures}
        answers = (stated.reference, *stated.aliases)
        if not stated.reference:
            answers = answer_from(content.answers, self.answer)
        tag = self._modality(stated.modality, files)
        shown = {
            "frames": ",".join(str(place.number) for place in content.places),
            "window": " | ".join(windows),
            "burned_in_text": " | ".join(dict.fromkeys(file.burned_in for file in files)),
            **({"slices_left_out": str(content.missing)} if content.missing else {}),
        }
        self.counts.update(content.counts)
        self.counts["volumes shortened"] += content.missing > 0
        self.counts["slices left out"] += content.missing
        return replace(
            stated,
            reference=answers[0],
            aliases=answers[1:],
            modality=tag,
            images=tuple(images),
            case=self._pseudonym(content.case),
            metadata={
                **metadata_of([file.header for file in files]),
                **shown,
                **stated.metadata,
                **dict.fromkeys(_patient_fields(stated), self._pseudonym(content.patient)),
                **self._case_names(content),
            },
        )

    def fingerprint(self) -> str:
        """Hash of the files below the root, of the table and of the settings."""
        files = [self.folder.root / name for name in self.folder.names()]
        parts = [
            stamps(*(path for path in files if path.exists())), self.question, self.answer, repr(self.frames),
            repr(self.renderer), repr(self.folder.burned_in), self.folder.modality, self.pseudonyms.digest,
            "" if self.questions is None else self.questions.fingerprint(), self.ignores_patient_ids,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()

    def total(self) -> int:
        """Number of rows; reads the headers, which are then known."""
        return self._patients.number

    def notes(self, counts: Counter[str]) -> list[str]:
        """What was decided without being told."""
        sentences = {
            "burned_in not stated": "images that do not say whether text is burned into their pixels: {}; look at some",
            "burned_in looked at": "images that are accepted only because somebody looked at their pixels: {}",
            "modality unknown": "images of no modality that is known, whose tag is OTHER: {}",
            "modality sop_class": "images that state no modality, whose tag is that of their SOP class: {}",
            "modality differs": "rows of another modality than the header of one of their images states: {}",
            "raw": "images of raw data (PresentationIntentType FOR PROCESSING), which is not made to be looked at: {}",
            "not square": "images of pixels that are not square, stored as they are: {}",
            "window range": "images without a window, shown over their range of values: {}",
            "window blank": "images whose pixels differ but are shown in a single shade: {}; see --window",
        }
        columns = [] if self.questions is None else self.questions.notes(counts)
        if counts["volumes shortened"]:
            columns.append(
                f"volumes without slices that are left out: {counts['volumes shortened']}, without "
                f"{counts['slices left out']} slices; their metadata have slices_left_out"
            )
        if self.folder.unread:
            columns.append(
                f"files whose series is unknown, because their headers cannot be read: {self.folder.unread}; if one "
                "belongs to a volume, its slices are incomplete"
            )
        columns += self._patients.notes()
        return [*columns, *(text.format(counts[key]) for key, text in sentences.items() if counts[key])]

    @cached_property
    def _patients(self) -> DicomPatients:
        found = (row.content for row in self._rows())
        named = (content.named if isinstance(content, DicomRow) else Named() for content in found)
        return DicomPatients(named, self.ignores_patient_ids)

    # Rows -------------------------------------------------------------------------------------------------------------

    def _rows(self) -> Iterator[SourceRow]:
        return self._of_table(DicomQuestions(self.questions)) if self.questions is not None else self._of_each()

    def _of_each(self) -> Iterator[SourceRow]:
        volumes: dict[str, list[DicomEntry]] = {}
        missing: Counter[str] = Counter()
        for entry in self.folder.entries():
            missing[entry.series] += entry.lacks_image
            key = entry.slot.stack if entry.slot is not None and entry.slot.stack else f"file {entry.path}"
            volumes.setdefault(key, []).append(entry)
        names: dict[str, list[str]] = {}
        for key, (first, *_) in volumes.items():
            if first.slot is not None and first.slot.stack:
                names.setdefault(first.series, []).append(self.pseudonyms.of("series", key))
        for key, entries in volumes.items():
            first = entries[0]
            where = first.path if len(entries) == 1 else f"{first.path} and {len(entries) - 1} other slices"
            if first.fault is not None:
                lacking = names.get(first.series, []) if first.lacks_image else []
                yield SourceRow(where, _lacking(first.fault, lacking))
                continue
            lost = missing[first.series] if first.slot is not None and first.slot.stack else 0
            name = ("series", key) if first.slot is not None and first.slot.stack else ("image", first.image or key)
            try:
                taken = self._places(entries)
            except RowError as error:
                yield SourceRow(where, error)
                continue
            asked = Sample(self.pseudonyms.of(*name), expanded(self.question, [len(taken)]), "", None)
            answers = tuple(dict.fromkeys(entry.answer for entry in entries))
            yield SourceRow(where, DicomRow(tuple(taken), asked, self._named(asked, entries), lost, answers))

    def _of_table(self, questions: DicomQuestions) -> Iterator[SourceRow]:
        for found in questions:
            if isinstance(found, tuple):
                yield SourceRow(*found)
                continue
            try:
                named = [self.folder.find(name) for name in found.names]
                taken = [self._places(entries) for entries in named]
            except RowError as error:
                yield SourceRow(found.where, error)
                continue
            asked = replace(
                found.sample,
                id=found.sample.id if self.has_ids else self.pseudonyms.of("row", found.sample.id),
                question=expanded(found.sample.question, [len(places) for places in taken]),
            )
            shown = tuple(itertools.chain.from_iterable(taken))
            entries = itertools.chain.from_iterable(named)
            yield SourceRow(found.where, DicomRow(shown, asked, self._named(asked, entries), counts=found.counts))

    def _named(self, asked: Sample, entries: Iterable[DicomEntry]) -> Named:
        headers = () if self.ignores_patient_ids else dict.fromkeys(entry.patient for entry in entries)
        patient = next(filter(None, (named_unit(asked.metadata[name]) for name in _patient_fields(asked))), "")
        return Named(tuple(headers), asked.case, patient)

    def _places(self, entries: Sequence[DicomEntry]) -> list[Place]:
        """Frames of each volume and of each file that stands alone; raises the fault of a file that has one."""
        groups: dict[str, list[Slot]] = {}
        for entry in entries:
            if entry.fault is not None:
                raise entry.fault
            if entry.slot is not None:
                groups.setdefault(entry.slot.stack or f"file {entry.path}", []).append(entry.slot)
        return [place for group in groups.values() for place in places(group, self.frames)]

    # Samples ----------------------------------------------------------------------------------------------------------

    def _read(self, path: str, indices: Sequence[int], before: int) -> tuple[_File, list[DicomPicture]]:
        """A file and the pictures of its frames.

        Args:
            path: relative to the root.
            indices: of the frames.
            before: pixels of the sample that are decoded already.
        """
        file = self.folder.path(path)
        header = read_header(file, with_pixels=True)
        own, burned_in = self.folder.examined(header)
        tag = self.folder.modality or own.tag
        pixels = check_image(header, len(indices), before)
        pictures = []
        for frame in decode(file, header, indices):
            framed = DicomHeader(header.dataset, frame.index)
            pictures.append(self.renderer.render(framed, frame.values, frame.photometric, tag))
            self.counts[f"window {pictures[-1].kind}"] += 1
            self.counts["window blank"] += pictures[-1].is_blank
        self.counts[f"burned_in {burned_in}"] += len(indices)
        self.counts[f"modality {own.by}"] += 0 if self.folder.modality else len(indices)
        self.counts["raw"] += len(indices) if header.code("PresentationIntentType") == "FOR PROCESSING" else 0
        self.counts["not square"] += 0 if has_square_pixels(header) else len(indices)
        for keyword in PIXELS:  # what is decoded is no longer needed; a sample may have hundreds of files
            header.dataset.pop(keyword, None)
        return _File(header, own, burned_in, pixels), pictures

    def _modality(self, stated: str | None, files: Sequence[_File]) -> str:
        tags = dict.fromkeys(file.modality.tag for file in files)
        stated = stated or self.folder.modality  # if both are given and differ, the build refuses the row
        if stated is not None:
            known = {file.modality.tag for file in files if file.modality.by != "unknown"}
            self.counts["modality differs"] += bool(known - {stated})
            return stated
        if len(tags) > 1:
            remedy = "the images are of several modalities; say which counts in a column modality, or by --modality"
            raise RowError("modality", " and ".join(tags), remedy, "several_modalities")
        return next(iter(tags))

    def _case_names(self, content: DicomRow) -> dict[str, str]:
        """What other builds, with other rows, may call its case: pseudonyms of its patients and of the table's name."""
        names = [self._pseudonym(name) for name in content.named.names if name != content.case]
        return {CASE_NAMES: " ".join(names)} if names else {}

    def _pseudonym(self, name: Name) -> str:
        return self.pseudonyms.of(*name) if name != NOBODY else ""


def _patient_fields(asked: Sample) -> list[str]:
    """The fields of its metadata in which a table names the patient."""
    return [name for name in PATIENT_FIELDS if name in asked.metadata]


def _lacking(fault: RowError, volumes: Sequence[str]) -> RowError:
    """The fault of a slice, with the ids of the volumes that it may belong to."""
    remedy = f"{fault.remedy}; volume {' or '.join(volumes)} is without it" if volumes else fault.remedy
    return RowError(fault.key, fault.value, remedy, fault.kind, fault.refused)
