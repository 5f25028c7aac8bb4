"""Checked reading of a `config.json`'s fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._util.printable import quoted
from ...errors import UserError

Config = Mapping[str, object]
"""A parsed `config.json`, or the part of it that describes the decoder."""

Fields = dict[str, Any]
"""Fields of an `Architecture`."""

MAX_LAYERS = 10_000
MAX_SIZE = 1 << 31
"""A hundred times the sizes of any existing model, so that nothing computed from them overflows."""


def layer_count(config: Config, key: str = "num_hidden_layers") -> int:
    """Read a number of layers."""
    return _whole(config, key, 1, MAX_LAYERS)


def size(config: Config, key: str) -> int:
    """Read a whole number of at least 1."""
    return _whole(config, key, 1)


def count(config: Config, key: str) -> int:
    """Read a whole number of at least 0."""
    return _whole(config, key, 0)


def _whole(config: Config, key: str, least: int, most: int = MAX_SIZE) -> int:
    value = config.get(key)
    if value is None:
        raise UserError(f"config.json lacks {key}")
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UserError(f"config.json: {key} must be a whole number of at least {least}, not {quoted(value)}")
    if value > most:
        raise UserError(f"config.json: {key} is {quoted(value)}, above the limit of {most}; fix the file")
    return value


def flag(config: Config, key: str, default: bool = False) -> bool:
    """Read true or false; the default if it is absent or null."""
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise UserError(f"config.json: {key} must be true or false, not {quoted(value)}")
    return value


def size_or(config: Config, key: str, default: int | None) -> int | None:
    """Read a size; the default if it is absent or null."""
    return default if config.get(key) is None else size(config, key)


def whole_numbers(config: Config, key: str) -> list[int]:
    """Read a list of whole numbers, empty if it is absent or null."""
    found = config.get(key) or []
    if not isinstance(found, list) or any(isinstance(item, bool) or not isinstance(item, int) for item in found):
        raise UserError(f"config.json: {key} must be a list of whole numbers, not {quoted(found)}")
    return found


def kinds(config: Config, key: str, known: tuple[str, ...], layers: int) -> list[str] | None:
    """Read the kind of every layer; None if it is absent or null.

    Raises:
        UserError: It is not a list of `layers` kinds, all of them `known`.
    """
    found = config.get(key)
    if found is None:
        return None
    if not isinstance(found, list) or len(found) != layers or any(kind not in known for kind in found):
        raise UserError(
            f"config.json: {key} must list one of {', '.join(known)} for each of the {layers} layers, "
            f"not {quoted(found)}"
        )
    return found


def part(config: Config, key: str) -> Fields:
    """Read a nested object, empty if it is absent or null."""
    found = config.get(key)
    if found is not None and not isinstance(found, dict):
        raise UserError(f"config.json: {key} must be an object, not {quoted(found)}")
    return dict(found or {})
