"""A table of manifests, as ``shards build`` and ``shards show`` print it."""

from collections.abc import Sequence

from rich.table import Table

from medix.data.manifest import Manifest


def manifest_table(title: str, manifests: Sequence[Manifest]) -> Table:
    """A row for each manifest, their sum, and below them licence and statement."""
    table = Table(title=title, title_justify="left")
    for column in ("manifest", "modality", "shards", "samples", "MB"):
        left = column in ("manifest", "modality")
        table.add_column(column, justify="left" if left else "right", overflow="fold")
    lines = {
        f"data set: {m.dataset}; licence: {m.licence}; de-identification: {m.deidentification}"
        + (f"; rows of the input left out: {m.skipped_rows}" if m.skipped_rows else "")
        for m in manifests
    }  # the rows are those of the whole input, and each of its manifests has their number
    table.caption = "\n".join(sorted(lines))
    table.caption_justify = "left"
    for manifest in manifests:
        table.add_row(
            manifest.path.name,
            manifest.modality,
            f"{len(manifest.shards)}",
            f"{manifest.samples}",
            f"{manifest.bytes / 1e6:.2f}",
        )
    if len(manifests) > 1:
        shards, samples = sum(len(m.shards) for m in manifests), sum(m.samples for m in manifests)
        table.add_section()
        table.add_row("all", "", f"{shards}", f"{samples}", f"{sum(m.bytes for m in manifests) / 1e6:.2f}")
    return table
