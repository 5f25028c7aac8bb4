"""Notices to the user while something runs: the logger `codebudget`, which prints to standard error by default."""

from __future__ import annotations

import logging

_LOGGER = logging.getLogger("codebudget")


def notice(line: str) -> None:
    """Log a line at level WARNING."""
    _LOGGER.warning("%s", line)
