"""Records of judged completions, tables and reports from them."""

from medix.reporting.record import CompletionRecord, ComponentRecord, read_records, record_completion, write_records
from medix.reporting.render import Example, Report
from medix.reporting.table import Table

__all__ = [
    "CompletionRecord",
    "ComponentRecord",
    "Example",
    "Report",
    "Table",
    "read_records",
    "record_completion",
    "write_records",
]
