"""Benchmarks: the sources of tasks."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UserError
from .benchmark import BYTES_PER_TOKEN, Benchmark
from .examples import visible_examples

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BYTES_PER_TOKEN", "NAMES", "Benchmark", "load_benchmark", "visible_examples"]

NAMES = ("humaneval", "mbpp", "nano")
"""Benchmarks that need no path."""


def load_benchmark(spec: str, fields: Mapping[str, str] | None = None) -> Benchmark:
    """Load a benchmark by name, file or id.

    Args:
        spec: `humaneval`, `mbpp`, `nano`, a local `.json`, `.jsonl`, `.json.gz`, `.jsonl.gz` or `.parquet` file, or a
            data set on the Hugging Face hub, `OWNER/NAME[:CONFIG]`.
        fields: The row field for each part of a task, as in `{"prompt": "text"}`.

    Raises:
        UserError: If there is no such benchmark, or a row or the mapping is wrong.
        MachineError: If a package or the hub is out of reach.
    """
    from .datasets_loader import load_dataset_benchmark
    from .rows import is_data_file

    name = spec.strip().lower()
    if name == "humaneval":
        if fields:
            raise UserError("humaneval has its own fields; leave out `fields`, or give a file")
        from .named import load_humaneval

        return load_humaneval()
    if name == "nano":
        if fields:
            raise UserError("nano has its own fields; leave out `fields`, or give a file")
        from .named import load_nano

        return load_nano()
    if name == "mbpp":
        from .named import load_mbpp

        return load_mbpp(fields)
    if Path(spec).expanduser().is_dir():
        raise UserError(f"{spec} is a folder; give one of its .jsonl, .json or .parquet files")
    if is_data_file(spec) or "/" in spec.strip("/"):
        return load_dataset_benchmark(spec, fields)
    near = difflib.get_close_matches(name.replace("-", "").replace("_", ""), NAMES, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(NAMES)}"
    raise UserError(
        f"unknown benchmark {spec!r}: {hint}, or give a .jsonl, .json or .parquet file, or a hub id OWNER/NAME"
    )
