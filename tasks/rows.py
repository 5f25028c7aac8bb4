"""Rows of a data set, from any of its containers, and the place of each for messages."""

from __future__ import annotations

import gzip
import json
import tempfile
import zlib
from typing import TYPE_CHECKING, Any

from ..errors import MachineError, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

Located = tuple[str, "Mapping[str, Any]"]
"""A row's place, such as `tasks.jsonl:3`, and the row."""

SUFFIXES = (".json", ".json.gz", ".jsonl", ".jsonl.gz", ".parquet")


def is_data_file(spec: str) -> bool:
    """Whether a text names a data file by its ending."""
    return spec.lower().endswith(SUFFIXES)


def read_file(path: Path) -> list[Located]:
    """The rows of a local JSON, JSONL (either also gzipped) or Parquet file.

    Raises:
        UserError: If the file cannot be read or a row is not an object; the message names file and line.
    """
    if path.name.lower().endswith(".parquet"):
        return _read_parquet(path)
    try:
        data = path.read_bytes()
        if path.name.endswith(".gz"):
            data = gzip.decompress(data)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the path") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: broken gzip ({error}); copy or compress the file again") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}; check the path and its permissions") from None
    return _parse_json(path, text)


def _parse_json(path: Path, text: str) -> list[Located]:
    if text.lstrip().startswith("["):
        try:
            rows = json.loads(text)
        except (ValueError, RecursionError) as error:
            place = error.lineno if isinstance(error, json.JSONDecodeError) else 1
            raise UserError(f"{path}:{place}: broken JSON ({error}); mend the file") from None
        located = [(f"{path}: row {number}", row) for number, row in enumerate(rows, 1)]
    else:
        located = []
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            try:
                located.append((f"{path}:{number}", json.loads(line)))
            except (ValueError, RecursionError) as error:
                raise UserError(f"{path}:{number}: broken JSON ({error}); one object per line is read") from None
    for where, row in located:
        if not isinstance(row, dict):
            raise UserError(f"{where}: not an object; a row has named fields")
    return located


def _read_parquet(path: Path) -> list[Located]:
    if not path.is_file():
        raise UserError(f"{path}: no such file; check the path")
    from datasets import Dataset, disable_progress_bars
    from datasets.exceptions import DatasetGenerationError

    disable_progress_bars()
    try:
        # The copy that `datasets` makes for itself is not wanted beyond this read.
        with tempfile.TemporaryDirectory() as cache:
            table = Dataset.from_parquet(str(path), cache_dir=cache, keep_in_memory=True)
            rows = list(table)
    except (DatasetGenerationError, ValueError, OSError) as error:
        raise UserError(f"{path}: not a readable Parquet file ({_one_line(error)}); write it again") from None
    return [(f"{path}: row {number}", row) for number, row in enumerate(rows, 1)]


def read_hub(name: str, config: str | None, split: str | None) -> list[Located]:
    """The rows of a data set on the Hugging Face hub, or of its copy in the local cache.

    Args:
        name: Its id, as in `google-research-datasets/mbpp`.
        config: Its configuration, where it has several.
        split: Its split; where None, `test`, or the only one.

    Raises:
        MachineError: If the hub does not answer and no copy is cached.
        UserError: If there is no such data set, configuration or split.
    """
    import datasets
    from datasets.exceptions import DatasetNotFoundError

    label = name if config is None else f"{name}:{config}"
    datasets.disable_progress_bars()
    try:
        splits = datasets.load_dataset(name, config)
    except DatasetNotFoundError as error:
        if isinstance(error.__cause__, ConnectionError) or "offline" in str(error).lower():
            raise _offline(label, error) from None
        raise UserError(f"no data set {label!r} on the Hugging Face hub; check the id, or name a local file") from None
    except ValueError as error:
        raise UserError(f"{label}: {_one_line(error)}; name a configuration as ID:CONFIG") from None
    except (OSError, RuntimeError) as error:
        # Every network error of requests, httpx and the hub's client is one of these.
        raise _offline(label, error) from None
    chosen = split or ("test" if "test" in splits else next(iter(splits)) if len(splits) == 1 else None)
    if chosen is None or chosen not in splits:
        raise UserError(f"{label}: which split? it has {', '.join(splits)}; export one to a local file and name that")
    return [(f"{label}[{chosen}]: row {number}", row) for number, row in enumerate(splits[chosen], 1)]


def _offline(label: str, error: Exception) -> MachineError:
    return MachineError(
        f"cannot fetch {label} from the Hugging Face hub ({_one_line(error)}); "
        "connect this machine, or name a local .jsonl, .json or .parquet file instead"
    )


def _one_line(error: Exception) -> str:
    lines: Sequence[str] = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__
