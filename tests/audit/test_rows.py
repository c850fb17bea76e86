"""The rows of an audit."""

from medix.audit.picture_table import PictureTable
from medix.audit.rows import read_rows, split_names
from tests.data.conftest import Writer


def test_splits_of_one_name_in_two_folders_are_told_apart(write: Writer) -> None:
    one, other = write({"CT_SCAN": 1, None: 1}, folder="one"), write({"CT_SCAN": 1}, folder="other")
    assert split_names(one) == ["made", "made"]
    assert split_names([*one, *other]) == [f"made ({manifest.path.parent})" for manifest in (*one, *other)]


def test_rows_have_their_split_and_the_numbers_of_their_images(write: Writer) -> None:
    manifests = write({"CT_SCAN": 2, None: 1})
    table = PictureTable()
    told: list[int] = []
    rows = list(read_rows(manifests, table, is_against=True, advance=told.append))
    table.finish()
    assert [(row.name, row.modality, row.pictures) for row in rows] == [
        ("made: row.0", "CT_SCAN", (0,)), ("made: row.1", "CT_SCAN", (1,)), ("made: row.2", "TEXT_ONLY", ()),
    ]  # fmt: skip
    assert all(row.is_against and not row.sample.images and row.sample.dataset == "made" for row in rows)
    assert told == [1, 1, 1]
