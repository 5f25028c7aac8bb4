"""Parameters that an error of the library names, as the flags that they are on the command line."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import CodebudgetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A value may have backticks of its own.
_NAMED = re.compile(r"`([a-z_]+)(?:=(.*?))?`(?=[\s:;,)]|\.?$)")


def with_flags(message: str, flags: Mapping[str, str]) -> str:
    """A message in which `name` and `name=value` are the flag and what it takes.

    Args:
        message: Of the library; names in backticks that are not among `flags` are left as they are.
        flags: By parameter, such as "--out DIR".
    """

    def flag(found: re.Match[str]) -> str:
        name, value = found[1], found[2]
        if name not in flags:
            return found[0]
        return flags[name] if value is None else f"{flags[name].split()[0]} {value}"

    return _NAMED.sub(flag, message)


@contextmanager
def named_by_flags(flags: Mapping[str, str]) -> Iterator[None]:
    """Errors inside name flags in the place of parameters."""
    try:
        yield
    except CodebudgetError as error:
        message = with_flags(str(error), flags)
        if message == str(error):
            raise
        raise type(error)(message) from error
