"""Fields of settings -> flags of the command line, and parameters in the library's messages -> flags."""

from __future__ import annotations

import functools
import inspect
import re
import types
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

import typer

from ..settings import (
    Charting,
    Drawing,
    Grading,
    Planning,
    ProgramLimits,
    Running,
    Selecting,
    Sharding,
    Slicing,
    Sweeping,
)
from .arguments import AskedOnEach

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


def as_flags(message: str) -> str:
    """Replace parameters in backticks in a library's message by the options' names."""
    return re.sub(r"`(\w+)`", lambda found: _flags().get(found[1], found[0]), message)


def parameter_of(name: str, field: FieldInfo) -> inspect.Parameter:
    """Make a command's parameter with its option of a field: name, bounds, default and help."""
    extra: Any = field.json_schema_extra
    kind, least = _kind(field.annotation, field.metadata)
    default = field.get_default(call_default_factory=True)
    is_list = get_origin(kind) is list
    shown = extra["shown"] or (default is not None and not is_list and default is not False)
    flag = flag_of(name, field)
    declared = typer.Option(
        f"{flag}/--no-{flag.removeprefix('--')}" if default is True else flag,
        help=field.description,
        metavar=extra["metavar"],
        min=least,
        show_default=shown,
    )
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        annotation=Annotated[kind | None if default is None or is_list else kind, declared],
        default=None if is_list else default,
    )


def _kind(annotation: Any, metadata: list[Any]) -> tuple[Any, int | float | None]:
    """Get a field's plain type, and its least value if that can be reached."""
    if get_origin(annotation) in (Union, types.UnionType):
        (annotation,) = (one for one in get_args(annotation) if one is not type(None))
    if get_origin(annotation) is Annotated:
        annotation, *rest = get_args(annotation)
        metadata = [*metadata, *(one for item in rest for one in getattr(item, "metadata", [item]))]
    if get_origin(annotation) is list:
        return list[str], None
    return annotation, next((one.ge for one in metadata if hasattr(one, "ge")), None)


def flag_of(name: str, field: FieldInfo) -> str:
    """Return a field's own flag, or its name as one."""
    extra: Any = field.json_schema_extra
    return extra["flag"] or f"--{name.replace('_', '-')}"


@functools.cache
def _flags() -> dict[str, str]:
    """Map all groups' parameters to flags."""
    groups = (
        *(Planning, Drawing, ProgramLimits, Grading, Selecting, Slicing, Charting, Sweeping, Sharding, Running),
        AskedOnEach,
    )
    known = {
        name: flag_of(name, field)
        for group in groups
        for name, field in group.model_fields.items()
        if field.description is not None
    }
    others = (
        *("samples", "k", "out", "model", "report", "plot", "device", "calibration_file", "allow_limits"),
        *("dataset", "push"),
    )
    several = ("ranker_files", "benchmark_files", "models", "fields", "hub_tasks")
    return (
        {name: f"--{name.replace('_', '-')}" for name in others}
        | {name: f"--{name.removesuffix('s').replace('_', '-')}" for name in several}
        | known
    )
