"""Rankers and how they keep the contract, as tables and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .tables import Column, print_facts, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..rankers import Finding
    from ..rankers.registry import RankerDetails, RankerInfo

_RESULTS = {True: "ok", False: "FAILS", None: "-"}


def print_rankers(found: Sequence[RankerInfo]) -> None:
    """Print the installed rankers as a table."""
    rows = [(info.name, info.distribution, ", ".join(info.needs) or "-", info.summary) for info in found]
    print_table((*map(Column, ("ranker", "from", "needs")), Column("what it prefers", folds=True)), rows)


def print_details(links: Sequence[RankerDetails]) -> None:
    """Print what is known of each link of a ranker."""
    for place, link in enumerate(links):
        if place:
            print()
        print(link.description + "\n")
        print_facts(
            {
                "ranker": link.origin.removeprefix("ranker "),
                "version": link.version,
                "needs": ", ".join(link.needs) or "nothing",
                "uses": ", ".join(link.uses) or "nothing else",
                "pointwise": "yes" if link.pointwise else "no: ranked separately in each subset",
                "parameters": ",".join(f"{name}={_typed(value)}" for name, value in link.parameters.items()) or "none",
            }
        )


def findings_as_json(found: Mapping[str, Sequence[Finding]]) -> list[dict[str, object]]:
    """Build one object per ranker, as in `rankers check --json`."""
    return [
        {
            "ranker": typed,
            "ok": all(finding.ok for finding in findings),
            "checks": [finding._asdict() for finding in findings],
        }
        for typed, findings in found.items()
    ]


def print_findings(found: Mapping[str, Sequence[Finding]]) -> None:
    """Print a table of checks per ranker."""
    columns = (Column("check"), Column(""), Column("", folds=True))
    for typed, findings in found.items():
        print(f"{typed}: {'keeps the contract' if all(finding.ok for finding in findings) else 'breaks the contract'}")
        print_table(columns, [(finding.check, _RESULTS[finding.ok], finding.detail) for finding in findings])
        print()


def _typed(value: bool | int | float | str) -> str:
    """Format a parameter's value as typed."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
