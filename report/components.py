"""A sweep over components in the terminal, as JSON, as a recipe file and as a page."""

from __future__ import annotations

import base64
import hashlib
import html
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._util.outputs import write_text
from .._util.printable import printable
from .spending import amounts
from .tables import Column, print_table, print_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ..compression.components import Advantage, Choice, PrunedComponents, QuantisedComponents
    from ..experiment.components import Swept
    from ..records import Divergence

_SHADES: Final = 10
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{hash}'">
<title>{title}</title>
<style>{style}</style></head>
<body><h1>{title}</h1>
{body}
</body></html>
"""
_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:80rem}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{padding:.3rem .6rem;text-align:right;border:1px solid #ccc}"
    "th{font-weight:600}"
    + "".join(
        # From a dark colour where little is left to a light one.
        f".s{shade}{{background:hsl(210 60% {35 + 6 * shade}%);color:{'#fff' if shade < 4 else '#000'}}}"
        for shade in range(_SHADES)
    )
)


class Map(NamedTuple):
    """A table of layers x kinds of components; None where a layer has no such component."""

    title: str
    kinds: tuple[str, ...]
    layers: tuple[int, ...]
    values: dict[tuple[int, str], float]
    most: float


def components_as_json(result: Swept) -> dict[str, Any]:
    """Build `codebudget components --json`."""
    bare = result.model_dump(mode="json")
    return {name: bare[name] for name in bare if bare[name] is not None}


def print_components(result: Swept) -> None:
    """Print the maps, what was converted, and how the choices compare."""
    print_text(
        f"{result.model}: {result.prompts} prompts of {result.source}, {result.tokens} tokens each; every component is "
        "compressed alone."
    )
    for title, lines in _sections(result):
        print()
        if isinstance(title, Map):
            _print_map(title)
        for line in lines:
            print_text(line)
    print()
    passes = result.passes
    print_text(
        f"{passes.reads:.0f} reads of all texts took {passes.equivalent:.1f} passes' worth of layers; one pass takes "
        f"{passes.pass_s:.2f} s."
    )
    for part, cost in result.costs.items():
        print_text(f"{part}: {amounts(cost)}")


def write_components_page(result: Swept, path: Path) -> None:
    """Write the maps as a page of its own, which loads nothing and runs nothing.

    Raises:
        UserError: A link or no plain file is there.
        MachineError: The file cannot be written.
    """
    body = []
    for title, lines in _sections(result):
        if isinstance(title, Map):
            body.append(_html_map(title))
        body += [f"<p>{html.escape(line)}</p>" for line in lines]
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    text = _PAGE.format(
        hash=digest,
        style=_STYLE,
        title=html.escape(printable(f"Components of {result.model}")),
        body="\n".join(body),
    )
    write_text(path, text, "`report`")


def _sections(result: Swept) -> Iterator[tuple[Map | None, list[str]]]:
    if result.quantised is not None:
        yield _map(result.quantised, result.tokens), list(_lines_of_conversion(result.quantised))
    for pruned in result.pruned:
        yield _pruned_map(pruned), list(_lines_of_schedule(pruned))


def _map(found: QuantisedComponents, tokens: int) -> Map:
    values = {(score.layer, score.kind): score.fdt.mean for score in found.scores}
    title = f"Mean first divergent token (FDT) with each component alone at {found.recipe}; {tokens} is none:"
    return _mapped(title, values, float(tokens))


def _pruned_map(found: PrunedComponents) -> Map:
    values = {(curve.layer, curve.kind): curve.sparsity for curve in found.curves}
    title = f"Sparsity of each component by {found.method}, at a mean of {found.share:.3f}:"
    return _mapped(title, values, 1.0)


def _mapped(title: str, values: dict[tuple[int, str], float], most: float) -> Map:
    kinds = tuple(dict.fromkeys(kind for _, kind in values))
    return Map(title, kinds, tuple(sorted({layer for layer, _ in values})), values, most)


def _print_map(shown: Map) -> None:
    columns = [Column("layer", right=True), *(Column(kind.replace(".", "\n"), right=True) for kind in shown.kinds)]
    rows = [[str(layer), *(_cell(shown, layer, kind) for kind in shown.kinds)] for layer in shown.layers]
    print_table(columns, rows, shown.title)


def _cell(shown: Map, layer: int, kind: str) -> str:
    value = shown.values.get((layer, kind))
    return "-" if value is None else f"{value:.3g}"


def _html_map(shown: Map) -> str:
    heads = "".join(f"<th>{html.escape(printable(kind))}</th>" for kind in shown.kinds)
    rows = []
    for layer in shown.layers:
        cells = []
        for kind in shown.kinds:
            value = shown.values.get((layer, kind))
            if value is None:
                cells.append("<td>-</td>")
            else:
                shade = min(_SHADES - 1, max(0, int(_SHADES * value / shown.most)))
                cells.append(f'<td class="s{shade}">{value:.3g}</td>')
        rows.append(f"<tr><th>{layer}</th>{''.join(cells)}</tr>")
    table = f"<table><tr><th>layer</th>{heads}</tr>{''.join(rows)}</table>"
    return f"<p>{html.escape(shown.title)}</p>{table}"


def _lines_of_conversion(found: QuantisedComponents) -> Iterator[str]:
    yield _floor(found.floor, found.perplexity)
    if found.target is None:
        return
    last = found.steps[-1]
    yield (
        f"{len(found.converted)} of {len(found.scores)} components are converted, {last.share:.1%} of their weights, "
        f"from the least harmful upward; last: {printable(found.converted[-1])}."
    )
    yield from _lines_of_choices(found.choices, found.advantages, found.floor.tokens)


def _lines_of_schedule(found: PrunedComponents) -> Iterator[str]:
    yield _floor(found.floor, found.perplexity)
    yield f"{found.method}: 75 % of prompts reach token {found.level} with each component alone."
    yield from _lines_of_choices(found.choices, found.advantages, found.floor.tokens)


def _floor(floor: Divergence, perplexity: float) -> str:
    return f"unchanged: FDT {floor.fdt.mean:.2f} of {floor.tokens} (the noise floor), perplexity {perplexity:.4f}"


def _lines_of_choices(choices: Sequence[Choice], advantages: Sequence[Advantage], tokens: int) -> Iterator[str]:
    names = {"fdt": "chosen by FDT", "perplexity": "chosen by perplexity", "uniform": "the same part of every matrix"}
    for choice in choices:
        metrics = choice.divergence
        yield (
            f"{names[choice.order]}: FDT {metrics.fdt.mean:.2f} of {tokens}, SDT {metrics.sdt.mean:.2f}, perplexity "
            f"{choice.perplexity:.4f}, {choice.weight_bytes} bytes"
        )
    for row in advantages:
        verdict = "cannot be separated" if row.low <= 0 <= row.high else "better" if row.difference > 0 else "worse"
        yield (
            f"FDT against {names[row.over]}: {row.difference:+.2f} tokens [{row.low:+.2f}, {row.high:+.2f}], p "
            f"{row.p_value:.3f}: {verdict}"
        )
