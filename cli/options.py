"""A command's options, built from settings: names, bounds, defaults and help come from the fields.

`@options` on a command gives each of its parameters that is a group of settings one option per field:

    @options
    def plan(arms: Arms, planning: Planning, running: Annotated[Running, only("family")]) -> None: ...
"""

from __future__ import annotations

import functools
import inspect
import re
import types
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Union, get_args, get_origin

import typer

from ..settings import Charting, Drawing, Grading, Planning, ProgramLimits, Running, Selecting, Settings, option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pydantic.fields import FieldInfo

    from ..tasks import Benchmark

Arms = Annotated[
    list[str],
    typer.Argument(
        metavar="ARM...", help="Model, with @PRECISION and :K (a number or greedy) if wanted: 70b:1 13b@int4:5 7b"
    ),
]
SampleFiles = Annotated[
    list[str],
    typer.Argument(
        metavar="FILES", help="JSON Lines or other JSON, plain or .gz; a folder or glob stands for its files."
    ),
]
Samples = Annotated[
    list[str] | None,
    typer.Option("--samples", metavar="ARM=FILES", help="Recorded generations: a file, folder or glob. Repeatable."),
]
JSON: Any = option(False, "Print one JSON object.", flag="--json")
Json = Annotated[bool, typer.Option("--json", help=JSON.description)]
Ks = Annotated[
    str | None, typer.Option("--k", metavar="K,K,...", help="Sample counts to score at.", show_default="1,10,100")
]


class Asked(Settings):
    """The tasks to ask; for the command line only, since Python code loads a benchmark itself."""

    benchmark: str | None = option(
        None, "Benchmark to use.", metavar="NAME|FILE|ID", shown="humaneval, or the family's own: nano"
    )
    field: list[str] = option(
        [], "Field of the benchmark's rows that holds a part of a task. Repeatable.", metavar="PART=FIELD"
    )
    tasks: int | None = option(None, "Use only the benchmark's first N tasks.", metavar="N")

    def load(self, family: str) -> Benchmark:
        """Load the benchmark.

        Raises:
            UserError: There is no such benchmark or family, or `field` cannot be read.
            MachineError: A package or the hub is out of reach.
        """
        from ..experiment.planning import load_tasks

        return load_tasks(self.benchmark, family, fields=pairs("field", self.field), tasks=self.tasks)


class Only(NamedTuple):
    """Fields of a group that a command has options for."""

    names: tuple[str, ...]


def only(*names: str) -> Only:
    """Give a command options for only these fields of a group."""
    return Only(names)


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Replace each group of settings among a command's parameters by one option per field."""
    hints = inspect.signature(command, eval_str=True).parameters
    groups = {name: group for name, hint in hints.items() if (group := _group(hint.annotation)) is not None}
    parameters = []
    for name, parameter in hints.items():
        if name not in groups:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        kind, names = groups[name]
        parameters += [one.parameter for one in _options(kind) if names is None or one.path[0] in names]

    @functools.wraps(command)
    def run(**values: Any) -> Any:
        made = {name: _made(kind, names, values) for name, (kind, names) in groups.items()}
        return command(**values, **made)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del run.__wrapped__
    return run


def pairs(name: str, options: list[str]) -> dict[str, str] | None:
    """Map `LEFT=RIGHT` options; None if there are none.

    Raises:
        UserError: One is not of that form.
    """
    from ..errors import UserError

    split = [text.partition("=") for text in options]
    for (left, _, right), text in zip(split, options, strict=True):
        if not left or not right:
            raise UserError(f"`{name}` {text}: write it PART=FIELD, such as prompt=text")
    return {left: right for left, _, right in split} or None


def samples_by_arm(options: list[str] | None) -> dict[str, list[str]]:
    """Map `--samples ARM=FILES` by arm.

    Raises:
        UserError: One is not of that form.
    """
    from ..errors import UserError

    files: dict[str, list[str]] = {}
    for text in options or ():
        name, _, pattern = text.partition("=")
        if not name or not pattern:
            raise UserError(f"`samples` {text}: write it ARM=FILES, such as 7b=samples.jsonl")
        files.setdefault(name, []).append(pattern)
    return files


def parse_ks(text: str | None, default: tuple[int, ...]) -> list[int]:
    """Parse `--k 1,10,100`: ascending numbers, each once.

    Raises:
        UserError: It is not of that form.
    """
    from ..errors import UserError

    if text is None:
        return list(default)
    try:
        ks = sorted({int(part) for part in text.split(",")})
    except ValueError:
        ks = [0]
    if ks[0] < 1:
        raise UserError(f"`k` {text}: write whole numbers from 1, such as `k` {','.join(map(str, default))}")
    return ks


def as_flags(message: str) -> str:
    """Replace parameters in backticks in a library's message by the options' names."""
    return re.sub(r"`(\w+)`", lambda found: _flags().get(found[1], found[0]), message)


class _Option(NamedTuple):
    """An option, and the names that lead from its group to its field."""

    parameter: inspect.Parameter
    path: tuple[str, ...]


def _group(annotation: Any) -> tuple[type[Settings], tuple[str, ...] | None] | None:
    names = None
    if get_origin(annotation) is Annotated:
        annotation, *rest = get_args(annotation)
        names = next((one.names for one in rest if isinstance(one, Only)), None)
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation, names
    return None


@functools.cache
def _options(group: type[Settings]) -> tuple[_Option, ...]:
    return tuple(_walk(group, ()))


def _walk(group: type[Settings], path: tuple[str, ...]) -> Iterator[_Option]:
    for name, field in group.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Settings):
            yield from _walk(kind, (*path, name))
        elif field.description is not None:
            yield _Option(_parameter(name, field), (*path, name))


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    extra: Any = field.json_schema_extra
    kind, least = _kind(field.annotation, field.metadata)
    default = field.get_default(call_default_factory=True)
    is_list = get_origin(kind) is list
    shown = extra["shown"] or (default is not None and not is_list and default is not False)
    declared = typer.Option(
        _flag(name, field), help=field.description, metavar=extra["metavar"], min=least, show_default=shown
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


def _flag(name: str, field: FieldInfo) -> str:
    extra: Any = field.json_schema_extra
    return extra["flag"] or f"--{name.replace('_', '-')}"


def _made(group: type[Settings], names: tuple[str, ...] | None, values: dict[str, Any]) -> Settings:
    """Make a group of options' values, removing these."""
    chosen: dict[str, Any] = {}
    for one in _options(group):
        if names is not None and one.path[0] not in names:
            continue
        value = values.pop(one.parameter.name)
        if value is None or value == one.parameter.default:
            continue
        inner = chosen
        for step in one.path[:-1]:
            inner = inner.setdefault(step, {})
        inner[one.path[-1]] = value
    return group(**chosen)


@functools.cache
def _flags() -> dict[str, str]:
    """Map all groups' parameters to flags."""
    groups = (Planning, Drawing, ProgramLimits, Grading, Selecting, Charting, Running, Asked)
    known = {
        name: _flag(name, field)
        for group in groups
        for name, field in group.model_fields.items()
        if field.description is not None
    }
    others = ("samples", "k", "out", "model", "report", "plot", "device", "calibration_file", "allow_limits")
    several = ("ranker_files", "benchmark_files", "models", "fields")
    return (
        {name: f"--{name.replace('_', '-')}" for name in others}
        | {name: f"--{name.removesuffix('s').replace('_', '-')}" for name in several}
        | known
    )
