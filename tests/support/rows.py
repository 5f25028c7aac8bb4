"""Rows of JSON, one a line, as benchmarks and samples are kept in."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def jsonl(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write_rows(path: Path, *rows: Mapping[str, Any]) -> Path:
    """Write rows, compressed where the file is called `.gz`."""
    data = jsonl(rows).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read what `write_rows` writes."""
    data = path.read_bytes()
    return [json.loads(line) for line in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()]


def bodies(samples: Iterable[tuple[str, str]], **fields: Any) -> str:
    """Samples as JSONL, from task ids and function bodies."""
    return jsonl({"task_id": name, "completion": f"    {body}\n"} | fields for name, body in samples)


def humaneval_row(name: str, body: str, tests: Iterable[str], example: tuple[object, object]) -> dict[str, str]:
    """A task of HumanEval's shape, a function of `x`: its body, its tests of `candidate`, its visible example."""
    x, y = example
    return {
        "task_id": name,
        "prompt": f'def {name}(x):\n    """{name.title()} x.\n\n    >>> {name}({x})\n    {y}\n    """\n',
        "entry_point": name,
        "canonical_solution": f"    {body}\n",
        "test": "def check(candidate):\n" + "".join(f"    assert {test}\n" for test in tests),
    }
