"""Outlier dimensions in the terminal and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .spending import amounts
from .tables import Column, print_table, print_text

if TYPE_CHECKING:
    from ..compression.outliers import Outliers
    from ..experiment.outliers import FoundOutliers

_SHOWN: Final = 12


def outliers_as_json(result: FoundOutliers) -> dict[str, Any]:
    """Build `codebudget outliers --json`."""
    return {
        "model": result.model,
        "source": result.source,
        **result.outliers.model_dump(mode="json"),
        "cost": result.cost.model_dump(),
    }


def print_outliers(result: FoundOutliers) -> None:
    """Print the outlier dimensions, a row per layer, and the sentence."""
    found = result.outliers
    print_text(
        f"{result.model}: {found.positions} tokens of {result.source}, {found.layers} layers, {found.hidden} hidden "
        "dimensions."
    )
    print()
    if found.dimensions:
        columns = [Column("layer", right=True), Column("dimension", right=True), Column("max", right=True)]
        columns += [Column("over median", right=True), Column("positions", right=True), Column("LLM.int8")]
        rows = [
            (
                *(str(row.layer), str(row.index), f"{row.max:.3g}", f"{row.ratio:.1f}x", f"{row.positions:.0%}"),
                "yes" if row.llm_int8 else "no",
            )
            for row in found.dimensions[:_SHOWN]
        ]
        print_table(
            (*columns, Column("inputs of", folds=True)),
            [(*row, ", ".join(dimension.inputs_of)) for row, dimension in zip(rows, found.dimensions, strict=False)],
        )
        if len(found.dimensions) > _SHOWN:
            print_text(f"and {len(found.dimensions) - _SHOWN} more; --json has all of them")
        print()
    _print_layers(found)
    print()
    print_text(found.sentence, bold=True)
    print_text(f"cost: {amounts(result.cost)}")


def _print_layers(found: Outliers) -> None:
    columns = (
        *(Column("layer", right=True), Column("max", right=True), Column("kurtosis", right=True)),
        *(Column("token std", right=True), Column("norm gain std", right=True), Column("attention norm", right=True)),
        *(Column("INT8 error", right=True), Column("outliers kept", right=True)),
    )
    rows = []
    for layer in range(found.layers):
        inside = [row for row in found.activations if row.layer == layer]
        errors = [row for row in found.int8 if row.layer == layer]
        worst = max(errors, key=lambda row: row.relative)
        spectral = [row.value for row in found.attention if row.layer == layer]
        gains = [row.std for row in found.norms if f".{layer}." in row.name]
        rows.append(
            (
                str(layer),
                *(_most([row.max for row in inside]), _most([row.kurtosis for row in inside])),
                *(_most([row.token_std for row in inside]), _most(gains), _most(spectral)),
                *(f"{worst.relative:.2%}", f"{worst.relative_kept:.2%}"),
            )
        )
    print_table(columns, rows, "The largest of each layer:")


def _most(values: list[float]) -> str:
    return f"{max(values):.3g}" if values else "-"
