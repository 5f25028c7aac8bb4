"""`codebudget models`: the models whose cost is known without a download."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..report.tables import Column, print_facts, print_table
from .arguments import Json
from .progress import print_json

if TYPE_CHECKING:
    from ..budgets.models import Model

app = typer.Typer(no_args_is_help=True, help="List the models whose cost is known without a download.")


@app.command("list")
def list_models(
    family: Annotated[str | None, typer.Option(help="List only this family.")] = None,
    as_json: Json = False,
) -> None:
    """List the packaged models by family."""
    from ..budgets.models import families, find_family

    chosen = families() if family is None else (find_family(family),)
    if as_json:
        rows = [_as_json(model) for known in chosen for model in known.models]
        print_json({"models": rows})
        return
    print_table(
        (
            *(Column("family"), Column("alias"), Column("name"), Column("parameters", right=True)),
            *(Column("precision"), Column("Hugging Face id", folds=True)),
        ),
        [
            (
                known.name,
                model.alias or "",
                model.name,
                f"{model.architecture.parameter_count():,}" + ("\nunverified" if model.unverified else ""),
                model.default_precision or "",
                model.hf_id or "",
            )
            for known in chosen
            for model in known.models
        ],
    )


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A name, an alias of the family, a Hugging Face id or a local path.")],
    family: Annotated[
        str, typer.Option(help="Model family in which short names such as 7b are looked up.")
    ] = "codellama",
    as_json: Json = False,
) -> None:
    """Show one model: its shape, its parameters, and their source."""
    from ..budgets.memory import effective_bits, kv_bytes_per_token
    from ..budgets.models import find_model
    from ..budgets.notation import format_amount

    model = find_model(name, family)
    if as_json:
        print_json(_as_json(model))
        return
    facts: dict[str, str] = {"name": model.name}
    for label, value in (("family", model.family), ("Hugging Face id", model.hf_id)):
        if value is not None:
            facts[label] = value
    facts["parameters"] = f"{model.architecture.parameter_count():,}"
    facts["active per token"] = f"{model.architecture.active_parameter_count():,}"
    facts["precision"] = model.default_precision or "not stated"
    if model.default_precision is not None:
        bits = effective_bits(model.architecture, model.default_precision)
        facts["effective bits"] = f"{bits:.4g} per weight of attention and FFN"
    facts["KV cache per token"] = format_amount("memory", kv_bytes_per_token(model.architecture)) + " at 16 bits"
    facts |= {field.replace("_", " "): str(value) for field, value in _shape(model).items()}
    facts["source"] = model.source + (", unverified" if model.unverified else "")
    print_facts(facts)


def _as_json(model: Model) -> dict[str, object]:
    from ..budgets.memory import effective_bits, kv_bytes_per_token

    fields = model.model_dump(exclude={"architecture"})
    shape, precision = model.architecture, model.default_precision
    return {
        **fields,
        "parameters": shape.parameter_count(),
        "active_parameters": shape.active_parameter_count(),
        "kv_bytes_per_token": int(kv_bytes_per_token(shape)),
        "precision": precision,
        "effective_bits": None if precision is None else effective_bits(shape, precision),
        "architecture": _shape(model),
    }


def _shape(model: Model) -> dict[str, Any]:
    """Describe the architecture, without the fields at their default."""
    fields = model.architecture.model_dump(exclude_defaults=True)
    if "unquantised" in fields:
        fields["unquantised"] = dict(fields["unquantised"])
    return fields
