"""Rankers as users type them: `NAME[,PARAMETER=VALUE...]`, several joined by `+`."""

from __future__ import annotations

import inspect
from typing import NamedTuple

from ..errors import UserError
from .combine import PARAMETER


class Spec(NamedTuple):
    """One link of a chain: a registered name or `FILE.py:Class`, and its parameters as typed."""

    name: str
    parameters: dict[str, str]


def parse(text: str) -> tuple[Spec, ...]:
    """Parse what was typed into its links, in order.

    Raises:
        UserError: it is malformed.
    """
    return tuple(_link(part, text) for part in text.split("+"))


def _link(text: str, whole: str) -> Spec:
    name, *assignments = (part.strip() for part in text.split(","))
    if not name:
        raise UserError(f"ranker {whole!r}: a name is missing; it is NAME[,PARAMETER=VALUE...], joined by +")
    parameters: dict[str, str] = {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals or not key or not value or key in parameters:
            raise UserError(f"ranker {whole!r}: {assignment!r} is no PARAMETER=VALUE of its own")
        parameters[key] = value
    return Spec(name, parameters)


def without_dedupe(spec: Spec) -> tuple[Spec, bool]:
    """Split off a link's parameter that every ranker has, with its value.

    Raises:
        UserError: it is neither true nor false.
    """
    parameters = dict(spec.parameters)
    text = parameters.pop(PARAMETER, "false")
    dedupe = _converted(text, bool, f"ranker {spec.name!r}: {PARAMETER}={text}")
    return Spec(spec.name, parameters), bool(dedupe)


def parameters_of(factory: type) -> dict[str, bool | int | float | str]:
    """List the parameters of a ranker's class, with their defaults."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(factory).parameters.items()
        if isinstance(parameter.default, (bool, int, float, str))
    }


def arguments_for(factory: type, spec: Spec) -> dict[str, bool | int | float | str]:
    """Make a link's parameters keyword arguments of its class, each with its default's type.

    Raises:
        UserError: the class has no such parameter, or the value is not of its type.
    """
    if not spec.parameters:
        return {}
    known = parameters_of(factory)
    arguments: dict[str, bool | int | float | str] = {}
    for name, text in spec.parameters.items():
        if name not in known:
            offered = ", ".join(f"{key}={default}" for key, default in known.items()) or "none"
            raise UserError(f"ranker {spec.name!r} has no parameter {name!r}; it has: {offered}")
        arguments[name] = _converted(text, type(known[name]), f"ranker {spec.name!r}: {name}={text}")
    return arguments


def _converted(text: str, kind: type, what: str) -> bool | int | float | str:
    if kind is bool:
        if text not in ("true", "false"):
            raise UserError(f"{what} must be true or false")
        return text == "true"
    if kind is str:
        return text
    try:
        return int(text) if kind is int else float(text)
    except ValueError:
        raise UserError(f"{what} must be {'a whole number' if kind is int else 'a number'}") from None
