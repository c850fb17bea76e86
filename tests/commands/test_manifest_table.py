from dataclasses import replace
from pathlib import Path

from rich.console import Console

from medix.commands.manifest_table import manifest_table
from medix.data.manifest import Manifest, ShardEntry


def test_sums_and_statements_stand_once_under_the_rows() -> None:
    entries = (ShardEntry("a.tar", "0" * 64, 1_000_000, 3), ShardEntry("b.tar", "1" * 64, 500_000, 2))
    one = Manifest("m", "CT_SCAN", "CC0-1.0", "nobody is shown", entries, skipped_rows=4, path=Path("m-ct_scan.yaml"))
    two = replace(one, modality="TEXT_ONLY", shards=entries[:1], path=Path("m-text_only.yaml"))
    console = Console(width=80)
    with console.capture() as captured:
        console.print(manifest_table("here", [one, two]))
    shown = captured.get()
    cells = [line.replace("│", " ").split() for line in shown.splitlines()]
    assert ["m-ct_scan.yaml", "CT_SCAN", "2", "5", "1.50"] in cells
    assert ["all", "3", "8", "2.50"] in cells
    assert " ".join(shown.split()).count("rows of the input left out: 4") == 1
