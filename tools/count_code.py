"""Count lines of code: without comments, docstrings and blank lines, tests excluded.

    python -m tools.count_code

One row for each folder without its sub-folders, and the total. A line counts if it contains a token of a statement; a
string that is a statement of its own is a docstring. Links to folders are not followed.
"""

import argparse
import ast
import io
import os
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("medix", "callbacks", "specs", "tools")
_NO_CODE = frozenset(
    (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
)


def lines_of_code(source: str) -> int:
    """Number of lines of a module that contain code."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {line for token in tokens if token.type not in _NO_CODE for line in range(token.start[0], token.end[0] + 1)}
    return len(code - set(_docstring_lines(ast.parse(source))))


def _docstring_lines(tree: ast.Module) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            assert node.end_lineno is not None
            yield from range(node.lineno, node.end_lineno + 1)


def count(root: Path) -> Counter[str]:
    """Lines of code by folder, relative to the root of a checkout."""
    lines: Counter[str] = Counter()
    for top in FOLDERS:
        for folder, _, names in os.walk(root / top):
            for name in names:
                if name.endswith(".py"):
                    path = Path(folder) / name
                    lines[str(path.parent.relative_to(root))] += lines_of_code(path.read_text(encoding="utf-8"))
    return lines


def main() -> None:
    """Run the command."""
    argparse.ArgumentParser(
        prog="python -m tools.count_code", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    lines = count(ROOT)
    for folder in sorted(lines):
        print(f"{lines[folder]:7,}  {folder}")
    print(f"{sum(lines.values()):7,}  total")


if __name__ == "__main__":
    main()
