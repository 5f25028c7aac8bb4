"""The packaged catalogue of models, and how a name on the command line becomes a model."""

from __future__ import annotations

import difflib
import functools
import json
import os
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..records import Record
from .architecture import Architecture
from .precision import NAMED_PRECISIONS

DEFAULT_FAMILY = "codellama"

_TORCH_DTYPES = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


class Model(Record):
    """One model whose cost can be computed.

    `alias` is its short name within `family`; `hf_id` its Hugging Face repository; `path` its folder (or config file)
    where it is local. `published_parameters` is the total that its publisher gives, and `source` says where shape and
    total come from. `default_precision` is None where a local config.json does not say.
    """

    name: str
    architecture: Architecture
    source: str
    alias: str | None = None
    family: str | None = None
    hf_id: str | None = None
    path: str | None = None
    published_parameters: int | None = None
    default_precision: str | None = None


class Family(Record):
    """Models of one design in several sizes."""

    name: str
    default_precision: str
    models: tuple[Model, ...]


@functools.cache
def families() -> tuple[Family, ...]:
    """All families of the packaged catalogue, by name."""
    folder = resources.files(__package__) / "catalogue"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".toml")), key=lambda file: file.name)
    return tuple(_family(tomllib.loads(file.read_text(encoding="utf-8"))) for file in files)


def find_family(name: str) -> Family:
    """The family of that name, in any case.

    Raises:
        UserError: There is none.
    """
    by_name = {family.name: family for family in families()}
    found = by_name.get(name.lower())
    if found is None:
        raise UserError(f"unknown family {name!r}; {_did_you_mean(name, by_name)}known: {', '.join(by_name)}")
    return found


def find_model(name: str, family: str = DEFAULT_FAMILY) -> Model:
    """The model that a name stands for.

    Args:
        name: An alias in `family` (`13b`), a catalogue name (`codellama-13b`), a Hugging Face id of the catalogue, in
            any case; or else a local path: a folder that holds `config.json`, or such a file. A folder that is named
            like a model is meant by `./NAME`.
        family: Where aliases are looked up; other names do not depend on it.

    Raises:
        UserError: Nothing fits, or the local `config.json` cannot be used.
    """
    chosen = find_family(family)
    wanted = name.lower()
    for model in chosen.models:
        if wanted == model.alias:
            return model
    everything = [model for known in families() for model in known.models]
    for model in everything:
        if wanted in (model.name, (model.hf_id or "").lower()):
            return model
    for file in (name, os.path.join(name, "config.json")):
        if os.path.isfile(file):
            return _local_model(name, Path(file))
    raise UserError(_unknown_model(name, chosen, everything))


def _family(table: dict[str, Any]) -> Family:
    models = tuple(
        Model(
            name=entry["name"],
            alias=entry["alias"],
            family=table["name"],
            hf_id=entry["hf_id"],
            architecture=Architecture.from_config(entry["config"]),
            published_parameters=entry["parameters"],
            source=entry["source"],
            default_precision=table["default_precision"],
        )
        for entry in table["models"]
    )
    return Family(name=table["name"], default_precision=table["default_precision"], models=models)


def _local_model(name: str, file: Path) -> Model:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{file} is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise UserError(f"{file} is not a model's config.json: it holds no JSON object")
    try:
        architecture = Architecture.from_config(config)
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
    return Model(
        name=name, architecture=architecture, source=str(file), path=name, default_precision=_config_precision(config)
    )


def _config_precision(config: dict[str, Any]) -> str | None:
    """The precision that a config.json states for its weights, None where it states none that has a name here."""
    quantization = config.get("quantization_config")
    if quantization is None:
        return _TORCH_DTYPES.get(str(config.get("dtype") or config.get("torch_dtype")))
    if isinstance(quantization, dict) and quantization.get("quant_method") in ("gptq", "awq"):
        precision = f"int{quantization.get('bits')}"
        return precision if precision in NAMED_PRECISIONS else None
    return None


def _unknown_model(name: str, family: Family, everything: list[Model]) -> str:
    if os.path.isdir(name):
        return f"{name} holds no config.json; name a folder that does, or a model of the catalogue"
    elsewhere = [model for model in everything if model.alias == name.lower()]
    if elsewhere:
        ways = " or ".join(f"--family {model.family} (or {model.name})" for model in elsewhere)
        return f"{name!r} is no model of the family {family.name}; it is one of {ways}"
    aliases = [model.alias for model in family.models if model.alias]
    names = [model.name for model in everything] + [model.hf_id for model in everything if model.hf_id]
    return (
        f"unknown model {name!r}; {_did_you_mean(name, [*aliases, *names])}{family.name} has {', '.join(aliases)}; "
        "a model outside the catalogue is named by a local folder that holds its config.json"
    )


def _did_you_mean(name: str, known: list[str] | dict[str, Any]) -> str:
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(by_lower[match] for match in near)}? " if near else ""
