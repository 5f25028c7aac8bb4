"""The examination of a launcher, as tables and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .tables import Column, print_table

if TYPE_CHECKING:
    from ..sandbox.conformance import Conformance


def conformance_as_json(found: Conformance) -> dict[str, object]:
    """Build the object of `sandbox check --json`."""
    return {
        "sandbox": found.launcher,
        "environment": found.environment,
        "corpus": found.corpus,
        "ok": found.count("ok"),
        "not_promised": found.count("not promised"),
        "failed": found.count("FAILED"),
        "result_hash": found.result_hash,
        "wall_s": round(found.wall_s, 3),
        "results": [result.model_dump(mode="json") for result in found.results],
    }


def print_conformance(found: Conformance) -> None:
    """Print a table per group of the corpus, then the counts and the result hash."""
    columns = (Column("program"), Column("expected", folds=True), Column("got"), Column("outcome"))
    for group in dict.fromkeys(result.group for result in found.results):
        rows = [result for result in found.results if result.group == group]
        cells = [
            (row.name.partition("/")[2], " ".join(row.expected), " ".join(dict.fromkeys(row.got)) or "-", row.outcome)
            for row in rows
        ]
        print(f"\n{group}")
        print_table(columns, cells)
        for row in rows:
            if row.detail:
                print(f"  {row.name.partition('/')[2]}: {row.detail}")
    print(
        f"\n{found.launcher}: {found.count('ok')} ok, {found.count('not promised')} not promised, "
        f"{found.count('FAILED')} failed in {found.wall_s:.0f} s"
    )
    print(f"result hash {found.result_hash}")
