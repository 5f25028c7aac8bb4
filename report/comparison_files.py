"""A comparison as files: a page, Markdown for a pull request, or JSON for a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._util.outputs import check_output
from ..errors import UserError
from .as_json import write_json
from .comparison_page import write_comparison_page
from .markdown import write_markdown
from .page import check_plots

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..records import Comparison

FORMATS = {".html": write_comparison_page, ".md": write_markdown, ".json": write_json}


def check_reports(paths: Sequence[Path]) -> None:
    """Refuse reports that cannot be written, before any work is done for them.

    Raises:
        UserError: A file's name does not end in one of `FORMATS`, its folder is missing, or `check_output` refuses it.
        MachineError: A page is wanted but plotly is not installed.
    """
    for path in paths:
        if path.suffix.lower() not in FORMATS:
            raise UserError(f"`report` {path}: name a file that ends in {', '.join(FORMATS)}")
        if not path.absolute().parent.is_dir():
            raise UserError(f"`report` {path}: there is no folder {path.absolute().parent}; make it first")
        check_output(path, "`report`")
        if path.suffix.lower() == ".html":
            check_plots()


def write_reports(comparison: Comparison, paths: Sequence[Path]) -> None:
    """Write a comparison to every file, by its ending.

    Raises:
        UserError: As `check_reports`.
        MachineError: As `check_reports`, or a file cannot be written.
    """
    check_reports(paths)
    for path in paths:
        FORMATS[path.suffix.lower()](comparison, path)
