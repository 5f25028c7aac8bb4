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

NAMES = (
    "humaneval",
    "humaneval+",
    "mbpp",
    "mbpp+",
    "apps-introductory",
    "apps-interview",
    "apps-competition",
    "livecodebench",
    "codecontests",
    "bigcodebench",
    "bigcodebench-hard",
    "nano",
)
"""Benchmarks that need no path."""


def load_benchmark(
    spec: str,
    fields: Mapping[str, str] | None = None,
    *,
    release: str | None = None,
    since: str | None = None,
    until: str | None = None,
    variant: str | None = None,
    clean: bool = False,
) -> Benchmark:
    """Load a benchmark by name, file or id.

    Tasks that cannot grade anything are left out: `Benchmark.left_out` says why, and a notice does.

    Args:
        spec: One of `NAMES`; a board's name and a local file in its own format, as in `livecodebench:test6.jsonl`; a
            local `.json`, `.jsonl`, `.json.gz`, `.jsonl.gz` or `.parquet` file of HumanEval's, MBPP's or EvalPlus'
            shape; or a data set on the Hugging Face hub, `OWNER/NAME[:CONFIG]`.
        fields: The row field for each part of a task, as in `{"prompt": "text"}`.
        release: The release of a board's data set, such as `release_v5` of LiveCodeBench or `v0.1.3` of BigCodeBench;
            of others a revision on the hub.
        since: The first contest day, such as `2024-08-01`.
        until: The last contest day.
        variant: The form of BigCodeBench's prompts, `complete` or `instruct`.
        clean: Leave out the tasks that the board itself lists as bad.

    Raises:
        UserError: If there is no such benchmark or choice, or a row or the mapping is wrong.
        MachineError: If a package or the hub is out of reach.
    """
    from .boards import choice_of, load_board, refuse, split_spec
    from .datasets_loader import load_dataset_benchmark
    from .rows import is_data_file

    choice = choice_of(release=release, since=since, until=until, variant=variant, clean=clean)
    board = split_spec(spec)
    if board is not None:
        return load_board(*board, choice, fields)
    name = spec.strip().lower()
    refuse(name if name in NAMES else spec, choice)
    if name in ("humaneval", "nano"):
        from .named import load_humaneval, load_nano

        if fields:
            raise UserError(f"{name} has its own fields; leave out `fields`, or give a file")
        return load_humaneval() if name == "humaneval" else load_nano()
    if name == "mbpp":
        from .named import load_mbpp

        return load_mbpp(fields)
    if Path(spec).expanduser().is_dir():
        raise UserError(f"{spec} is a folder; give one of its .jsonl, .json or .parquet files")
    if is_data_file(spec) or "/" in spec.strip("/"):
        return load_dataset_benchmark(spec, fields)
    bare = {known.replace("-", ""): known for known in NAMES}
    near = difflib.get_close_matches(name.replace("-", "").replace("_", ""), bare, n=1, cutoff=0.5)
    hint = f"did you mean {bare[near[0]]!r}?" if near else f"choose from {', '.join(NAMES)}"
    raise UserError(
        f"unknown benchmark {spec!r}: {hint}, or give a .jsonl, .json or .parquet file, or a hub id OWNER/NAME"
    )
