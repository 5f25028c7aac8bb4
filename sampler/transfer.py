"""Samples from the store to JSON Lines and Parquet, and back."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from .._util.bounded import SampleCount, encodable, is_whole, parse_json, read_table
from .._util.hashing import key_of_files
from .._util.outputs import check_output, replacing, write_rows
from .._util.printable import one_line, quoted
from .._util.progress import notice
from .._util.redaction import redactor
from ..errors import MachineError, UserError
from ..records import Candidate
from .engine import Description
from .files import find_files
from .prompting import Settings
from .rows import Remarks, Row, optional_fields, read_rows, row_of, samples_of
from .series import KIND, Origin, Series, Tally, keys_of_task, stored_tally
from .stored import taken
from .task_names import TaskNames

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ..records import Task
    from .rows import TextField
    from .series import TaskKeys
    from .store import Store

ENDINGS: Final = (".jsonl", ".jsonl.gz", ".parquet")
_GROUP = 5000
"""Rows per group of a Parquet file."""

_MAX_MADE_BY: Final = 1 << 16
"""Characters in a row's account of its making: names, settings."""

_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,17}")


class Imported(NamedTuple):
    """Result of an import: the sets of samples, and their total of samples."""

    series: tuple[Series, ...]
    samples: int


def check_samples_file(path: Path) -> None:
    """Refuse a file whose name hides its type, or that is behind a link or is none.

    Raises:
        UserError: its name ends in none of `ENDINGS`; or as `check_output`.
    """
    if not path.name.endswith(ENDINGS):
        raise UserError(f"{path}: a file of samples must end in {', '.join(ENDINGS)}; use a name such as samples.jsonl")
    check_output(path)


def write_samples(path: Path, sets: Iterable[tuple[Series, Sequence[Candidate]]]) -> int:
    """Write samples to a file, put in place once complete; returns their number.

    Each row has all of its sample: `task_id`, `completion` (the raw text) and `solution` (the program), `index`,
    `seed`, `finish_reason`, `prompt_tokens`, `output_tokens`, `thinking_tokens`, `logprobs`, and under `made_by` what
    made it. A chat answer, which continues no prompt, is under `raw` instead of `completion`.

    Args:
        path: Ends in `.jsonl`, `.jsonl.gz` or `.parquet`.
        sets: Samples with what made them.

    Raises:
        UserError: as `check_samples_file`.
        MachineError: the file cannot be written.
    """
    check_samples_file(path)
    rows = (_row(series, candidate) for series, candidates in sets for candidate in candidates)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(f"cannot write {path} ({error.strerror or error}); choose another with `out`") from None
    if path.suffix != ".parquet":
        return write_rows(path, rows)
    with replacing(path) as file:
        return _write_parquet(file, map(redactor().value, rows))


def import_samples(
    patterns: Sequence[str],
    tasks: Mapping[str, Task],
    benchmark: str,
    store: Store,
    *,
    model: str | None = None,
    precision: str | None = None,
    thinking: bool | None = None,
    beyond: Collection[str] = (),
) -> Imported:
    """Bring samples into the store.

    Rows that say what made them (`write_samples` wrote them) are stored under that, as if drawn here. Others are stored
    as recorded samples of `model`: `completion`, `solution` or lists of `samples`, as in `read_samples`. Importing a
    file again changes nothing.

    Args:
        patterns: Files, folders and globs; a Parquet file is named itself.
        tasks: The benchmark's tasks by their ids.
        benchmark: The benchmark's name.
        store: Where they go.
        model: The model that drew the rows that do not say.
        precision: Of that model.
        thinking: Whether that model was to think; None where that was not said.
        beyond: Ids of the benchmark's other tasks, whose rows are left out.

    Raises:
        UserError: a file or a row is wrong or beyond a bound, or does not say what made it and no model is given.
    """
    files = find_files(patterns)
    try:
        digest = key_of_files(files)
    except OSError as error:
        raise UserError(f"{error.filename}: {error.strerror}; check the file and its permissions") from None
    count = SampleCount(files)
    foreign = (
        None
        if model is None
        else _recorded(model, precision or "unknown", benchmark, digest, Settings(thinking=thinking))
    )
    series: dict[str, Series] = {}
    places: dict[str, int] = {}
    samples: dict[str, Candidate] = {}
    names, remarks = TaskNames(tasks, beyond), Remarks()
    for path in files:
        for where, task, row in _rows(path, names, remarks):
            made_by = _made_by(row, where)
            origin = made_by or foreign
            if origin is None:
                raise UserError(f"{where}: the row does not say which model made it; give one with `model`")
            key = _key(origin, where)
            if key not in series:
                _check_lasting(origin, where)
            series[key] = origin
            keys = keys_of_task(task, origin.origin)
            for text, fields in _texts(row, task, where, made_by is not None, count, remarks):
                index = fields.pop("index", None)
                if index is None:
                    index = places.get(keys.prefix, 0)
                places[keys.prefix] = index + 1
                samples[keys.key(index)] = Candidate(
                    task_id=task.id,
                    arm=f"{origin.model}@{origin.precision}",
                    index=index,
                    raw=encodable(text),
                    program="",
                    **fields,
                )
    for line in remarks.lines:
        notice(line)
    with store.together():
        store.put_candidates(samples)
        # The usage of drawing is known where the samples were drawn, not from rows alone.
        kept = {key: one.model_copy(update={"tally": stored_tally(store, one)}) for key, one in series.items()}
        store.put_records(KIND, {key: one.model_dump(mode="json") for key, one in kept.items()})
    return Imported(tuple(kept.values()), len(samples))


def stored_samples(store: Store, series: Series, tasks: Sequence[Task]) -> tuple[Candidate, ...]:
    """Read the store's samples of a series, tasks in order, then indices."""
    samples: list[tuple[TaskKeys, int]] = []
    for keys in (keys_of_task(task, series.origin) for task in tasks):
        samples += [(keys, index) for index in sorted(_index(key, store) for key in store.keys_under(keys.prefix))]
    return taken(store, samples, series.origin.settings)


def _index(key: str, store: Store) -> int:
    text = key.rpartition("/")[2]
    if not _INDEX.fullmatch(text):
        raise UserError(
            f"{store.path} is damaged (it has a sample {text[:20]!r}); move it away, or choose another store with "
            "`store`"
        )
    return int(text)


def _row(series: Series, candidate: Candidate) -> dict[str, Any]:
    text = "raw" if series.origin.settings.is_chat else "completion"
    logprobs = candidate.logprobs
    return {
        "task_id": candidate.task_id,
        text: candidate.raw,
        "solution": candidate.program,
        "index": candidate.index,
        "seed": candidate.seed,
        "finish_reason": candidate.finish_reason,
        "prompt_tokens": candidate.prompt_tokens,
        "output_tokens": candidate.output_tokens,
        "thinking_tokens": candidate.thinking_tokens,
        # JSON has no infinity; a probability of 0 is none.
        "logprobs": None if logprobs is None else [value if math.isfinite(value) else None for value in logprobs],
        "made_by": series.model_dump(mode="json", exclude={"tally"}),
    }


def _write_parquet(file: BinaryIO, rows: Iterable[dict[str, Any]]) -> int:
    import pyarrow
    import pyarrow.parquet

    text, number = pyarrow.string(), pyarrow.int64()
    fields = dict.fromkeys(("task_id", "completion", "raw", "solution", "finish_reason", "made_by"), text)
    fields |= dict.fromkeys(("index", "seed", "prompt_tokens", "output_tokens", "thinking_tokens"), number)
    schema = pyarrow.schema({**fields, "logprobs": pyarrow.list_(pyarrow.float64())})
    count, group = 0, list[dict[str, Any]]()
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for row in rows:
            group.append({**row, "made_by": json.dumps(row["made_by"])})
            count += 1
            if len(group) == _GROUP:
                writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))
                group = []
        writer.write_table(pyarrow.Table.from_pylist(group, schema=schema))
    return count


def _rows(path: Path, names: TaskNames, remarks: Remarks) -> Iterator[Row]:
    if path.suffix != ".parquet":
        yield from read_rows(path, names, remarks)
        return
    for number, fields in read_table(path):
        row = row_of(f"{path}: row {number}", fields, names, remarks)
        if row is not None:
            yield row


def _made_by(row: Mapping[str, Any], where: str) -> Series | None:
    made_by = row.get("made_by")
    if made_by is None:
        return None
    if isinstance(made_by, str):
        made_by = parse_json(made_by[: _MAX_MADE_BY + 1], f"{where}: made_by cannot be read")
    try:
        return Series.model_validate(made_by)
    except ValidationError as error:
        raise _unread(where, str(error)) from None


def _key(series: Series, where: str) -> str:
    try:
        return series.key
    except PydanticSerializationError as error:
        raise _unread(where, str(error)) from None


def _check_lasting(series: Series, where: str) -> None:
    """Refuse what would not come back unchanged from the store, or is too long for names and settings."""
    try:
        text = series.model_dump_json()
        is_lasting = Series.model_validate_json(text) == series
    except (PydanticSerializationError, ValidationError) as error:
        # Half a surrogate pair, or not a number.
        raise _unread(where, str(error)) from None
    if not is_lasting:
        raise _unread(where, "a setting is not a number")
    if len(text) > _MAX_MADE_BY:
        raise _unread(where, f"longer than {_MAX_MADE_BY} characters")


def _unread(where: str, why: str) -> UserError:
    reason = one_line(why.splitlines()[0])
    return UserError(f"{where}: made_by cannot be read ({reason}); remove it and give `model`")


def _texts(
    row: Mapping[str, Any], task: Task, where: str, is_ours: bool, count: SampleCount, remarks: Remarks
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a row's raw texts, and what else it says of each."""
    if is_ours and isinstance(row.get("raw"), str):
        count.add(1, where)
        yield row["raw"], _fields(row, "samples", task, where, remarks)
        return
    name, samples = samples_of(row, where, remarks, count)
    for text, said in samples:
        if text is not None:
            yield text, _fields(said, name, task, where, remarks, is_ours=is_ours)


def _fields(
    said: Mapping[str, Any], name: TextField, task: Task, where: str, remarks: Remarks, *, is_ours: bool = True
) -> dict[str, Any]:
    fields = optional_fields(said, name, task, where, remarks)
    if is_ours and said.get("index") is not None:
        if not is_whole(said["index"]):
            raise UserError(f"{where}: index is {quoted(said['index'])}; write a whole number or remove it")
        fields["index"] = said["index"]
    return fields


def _recorded(model: str, precision: str, benchmark: str, digest: str, settings: Settings) -> Series:
    """Make a series for samples that do not say theirs."""
    description = Description(
        engine="recorded", engine_version="1", model=model, revision=digest, precision=precision, device="unknown"
    )
    origin = Origin(description=description, settings=settings, seed=0)
    return Series(model=model, precision=precision, benchmark=benchmark, origin=origin, tally=Tally())
