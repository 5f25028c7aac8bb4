"""Rows of a data set, from any container, and the place of each for messages."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._util.bounded import read_table
from .._util.elements import read_elements
from .._util.printable import listed, one_line, quoted
from ..errors import CodebudgetError, MachineError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Located = tuple[str, "Mapping[str, Any]"]
"""A row's place, such as `tasks.jsonl:3`, and the row."""

SUFFIXES = (".json", ".json.gz", ".jsonl", ".jsonl.gz", ".parquet")

MAX_ROWS = 100_000
"""Per file."""


def is_data_file(spec: str) -> bool:
    """Whether a text ends like a data file's name."""
    return spec.lower().endswith(SUFFIXES)


def read_file(path: Path) -> Iterator[Located]:
    """Yield a local JSON, JSONL (either also gzipped) or Parquet file's rows, holding none longer than needed.

    Raises:
        UserError: If the file cannot be read, is beyond a bound, or a row is not an object; the message names file and
            line.
    """
    for number, (where, row) in enumerate(_values(path)):
        if not isinstance(row, dict):
            raise UserError(f"{where}: not a JSON object; a row must have named fields")
        if number == MAX_ROWS:
            raise UserError(f"{where}: more than {MAX_ROWS} rows, the limit for a benchmark; choose a smaller one")
        yield where, row


def _values(path: Path) -> Iterator[tuple[str, Any]]:
    if path.name.lower().endswith(".parquet"):
        for number, row in read_table(path):
            yield f"{path}: row {number}", row
    else:
        for where, value, _ in read_elements(path):
            if isinstance(value, dict) and value and all(isinstance(row, dict) for row in value.values()):
                # One object has the rows by their ids.
                yield from ((f"{where}: {quoted(key)}", {"task_id": key, **row}) for key, row in value.items())
            else:
                yield where, value


def read_hub(name: str, config: str | None, split: str | None) -> list[Located]:
    """Read a data set's rows from the Hugging Face hub, or its copy in the local cache.

    Args:
        name: Its id, as in `google-research-datasets/mbpp`.
        config: Its configuration, where it has several.
        split: Its split; where None, `test`, or the only one.

    Raises:
        MachineError: If the hub does not answer and no copy is cached.
        UserError: If there is no such data set, configuration or split.
    """
    import datasets

    label = name if config is None else f"{name}:{config}"
    datasets.disable_progress_bars()
    with _answered_by_hub(label):
        splits = datasets.load_dataset(name, config)
    chosen = split or ("test" if "test" in splits else next(iter(splits)) if len(splits) == 1 else None)
    if chosen is None or chosen not in splits:
        raise UserError(f"{label} has several splits ({listed(splits)}); export one to a local file and give that")
    return [(f"{label}[{chosen}]: row {number}", row) for number, row in enumerate(splits[chosen], 1)]


def read_hub_split(name: str, split: str, revision: str | None = None) -> Iterator[Located]:
    """Yield the rows of one split of a data set on the hub, or of its copy in the local cache; no other is fetched.

    Args:
        name: Its id.
        split: The split.
        revision: A branch, a tag or a commit; the main branch where None.

    Raises:
        MachineError: If the hub does not answer and no copy is cached.
        UserError: If there is no such data set, split or revision.
    """
    import datasets

    label = f"{name}[{split}]"
    datasets.disable_progress_bars()
    with _answered_by_hub(label):
        rows = datasets.load_dataset(name, split=split, revision=revision)
    for number, row in enumerate(rows, 1):
        yield f"{label}: row {number}", row


def fetch_hub_file(name: str, file: str, revision: str | None = None) -> Path:
    """Download a file of a data set on the hub, or find its copy in the local cache.

    Raises:
        MachineError: If the hub does not answer and no copy is cached.
        UserError: If there is no such data set, file or revision.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RevisionNotFoundError

    label = f"{name}/{file}"
    with _answered_by_hub(label):
        try:
            return Path(hf_hub_download(name, file, repo_type="dataset", revision=revision))
        except LocalEntryNotFoundError as error:
            raise _offline(label, error) from None
        except (EntryNotFoundError, RevisionNotFoundError) as error:
            raise UserError(f"{label} is not on the Hugging Face hub ({_one_line(error)}); give a local file") from None


@contextmanager
def _answered_by_hub(label: str) -> Iterator[None]:
    """Say in one line why the hub gave nothing."""
    from datasets.exceptions import DatasetNotFoundError

    try:
        yield
    except CodebudgetError:
        raise
    except DatasetNotFoundError as error:
        if isinstance(error.__cause__, ConnectionError) or "offline" in str(error).lower():
            raise _offline(label, error) from None
        raise UserError(f"no data set {label!r} on the Hugging Face hub; check the id, or give a local file") from None
    except ValueError as error:
        raise UserError(f"{label}: {_one_line(error)}; choose a configuration with ID:CONFIG") from None
    except (OSError, RuntimeError) as error:
        # Every network error of requests, httpx and the hub's client is one of these.
        raise _offline(label, error) from None


def _offline(label: str, error: Exception) -> MachineError:
    return MachineError(
        f"cannot fetch {label} from the Hugging Face hub ({_one_line(error)}); connect this machine, or give a "
        "local .jsonl, .json or .parquet file instead"
    )


def _one_line(error: Exception) -> str:
    lines: Sequence[str] = str(error).strip().splitlines()
    return one_line(lines[0]) if lines else type(error).__name__
