"""The packaged catalogue of models, and the lookup of models by name, folder or hub id."""

from __future__ import annotations

import difflib
import functools
import os
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .._util.bounded import parse_json, read_whole
from .._util.checkpoints import read_record
from ..errors import MachineError, UserError
from ..records import Record
from .architecture import Architecture
from .mixed import PREFIX, load_mixed, partly_quantised, split_mixed
from .precision import is_precision, precision_fault
from .quantised import read_quantisation
from .recipe import parse_recipe

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

DEFAULT_FAMILY = "codellama"
_IN_PACKAGE = "package:"

_TORCH_DTYPES = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


class UnknownModelError(UserError):
    """No model has this name; the message suggests similar ones."""


class Model(Record):
    """A model whose cost can be computed.

    `alias` is its short name within `family`; `hf_id` its Hugging Face repository; `path` its folder (or config file)
    where it is local, `package:FOLDER` where it is in this package. `published_parameters` is its publisher's total,
    rounded where not `published_exact`, and `source` says where shape and total come from.
    `unverified`: the shape was recalled from memory, not read from a source. `default_precision` is None if a
    config.json does not say.
    """

    name: str
    architecture: Architecture
    source: str
    alias: str | None = None
    family: str | None = None
    hf_id: str | None = None
    path: str | None = None
    published_parameters: int | None = None
    published_exact: bool = True
    unverified: bool = False
    default_precision: str | None = None


class Family(Record):
    """Models of one design in several sizes.

    `benchmark` is the one they were made for, None where there is none.
    """

    name: str
    default_precision: str
    benchmark: str | None = None
    models: tuple[Model, ...]


def weights_of(model: Model) -> str:
    """Return what an engine loads: a folder or a Hugging Face id.

    Raises:
        UserError: nothing is known of the model's weights.
        MachineError: they are missing from this package.
    """
    if model.path is not None and model.path.startswith(_IN_PACKAGE):
        folder = Path(__file__).resolve().parents[1] / model.path.removeprefix(_IN_PACKAGE)
        if not (folder / "model.safetensors").is_file():
            raise MachineError(
                f"the weights of {model.name} are not installed; train it: python -m "
                f"codebudget.models.{model.family}.train {model.alias}"
            )
        return str(folder)
    weights = model.path or model.hf_id
    if weights is None:
        raise UserError(f"{model.name} has no known weights; give a folder or a Hugging Face id")
    return weights


def families() -> tuple[Family, ...]:
    """List the packaged catalogue's families, by name."""
    return tuple(_load(name) for name in _catalogue())


def find_family(name: str) -> Family:
    """Find a family by name, in any case.

    Raises:
        UserError: There is none.
    """
    known = _catalogue()
    if name.lower() not in known:
        raise UserError(f"unknown family {name!r}: {_did_you_mean(name, list(known))}choose from {', '.join(known)}")
    return _load(name.lower())


def catalogue_model(name: str, family: str = DEFAULT_FAMILY) -> Model | None:
    """Find a model of the packaged catalogue by name, None where there is none; no file is looked for.

    Args:
        name: An alias in `family`, a catalogue name, or a Hugging Face id in the catalogue, in any case.
        family: The family to look up aliases in.

    Raises:
        UserError: There is no such family.
    """
    wanted = name.lower()
    for model in find_family(family).models:
        if wanted == model.alias:
            return model
    for model in _everything():
        if wanted in (model.name, (model.hf_id or "").lower()):
            return model
    return None


def find_model(name: str, family: str = DEFAULT_FAMILY) -> Model:
    """Find the model for a name.

    Args:
        name: An alias in `family` (`13b`), a catalogue name (`codellama-13b`), or a Hugging Face id in the catalogue,
            in any case; else a local path: a folder that holds `config.json`, or such a file. Type a folder named like
            a model as `./NAME`. Any other `OWNER/NAME` is a Hugging Face id, whose `config.json` is read from the
            hub's local cache or else from the hub. `NAME@recipe:FILE.toml` is a model under a mixed recipe.
        family: Where aliases are looked up; other names do not depend on it.

    Raises:
        UnknownModelError: Nothing fits.
        UserError: The `config.json` or the mixed recipe cannot be used, or the name belongs to another family.
    """
    original, file = split_mixed(name)
    if file is not None:
        return _mixed_model(find_model(original, family), Path(file))
    known = catalogue_model(name, family)
    if known is not None:
        return known
    for file in (name, os.path.join(name, "config.json")):
        if os.path.isfile(file):
            return _local_model(name, Path(file))
    if os.path.isdir(name):
        raise UserError(f"{name} contains no config.json; give a folder that does, or a model from the catalogue")
    hint = _unknown_model(name, find_family(family), _everything())
    if not looks_like_hub_id(name) or os.path.exists(name):
        raise UnknownModelError(hint)
    config_file = hub_config_file(name)
    if config_file is None:
        raise UnknownModelError(f"{hint}; the Hugging Face hub has no config.json for {name}, or cannot be reached")
    return _local_model(name, Path(config_file), hub=True)


def _mixed_model(model: Model, file: Path) -> Model:
    """Describe a model of which a mixed recipe quantises or prunes a part; its weights are still the original's."""
    if model.default_precision not in (None, *_TORCH_DTYPES.values()):
        raise UserError(f"{model.name} is quantised already: a mixed recipe is for the model that it was made of")
    mixed = load_mixed(file)
    described = {"name": f"{model.name}@{PREFIX}{file}", "alias": None, "source": f"{model.source}; {file}"}
    if mixed.recipe is None:
        # Zeros are stored like other weights, at 16 bits.
        kept = "fp16" if model.default_precision == "fp16" else "bf16"
        return model.model_copy(update={**described, "default_precision": kept})
    return model.model_copy(
        update={
            **described,
            "architecture": partly_quantised(model.architecture, mixed.components, file),
            "default_precision": parse_recipe(mixed.recipe).key,
        }
    )


def _everything() -> list[Model]:
    return [model for known in families() for model in known.models]


@functools.cache
def _catalogue() -> dict[str, Traversable]:
    """Find each family's file, named after it."""
    files = (file for file in (resources.files(__package__) / "catalogue").iterdir() if file.name.endswith(".toml"))
    return {file.name.removesuffix(".toml"): file for file in sorted(files, key=lambda file: file.name)}


@functools.cache
def _load(name: str) -> Family:
    table = tomllib.loads(_catalogue()[name].read_text(encoding="utf-8"))
    models = tuple(
        Model(
            name=entry["name"],
            alias=entry["alias"],
            family=table["name"],
            hf_id=entry.get("hf_id"),
            path=entry.get("path"),
            architecture=Architecture.from_config(config_of_entry(entry)),
            published_parameters=entry["parameters"],
            published_exact=entry.get("exact", True),
            unverified=entry.get("unverified", False),
            source=entry["source"],
            default_precision=table["default_precision"],
        )
        for entry in table["models"]
    )
    return Family(
        name=table["name"],
        default_precision=table["default_precision"],
        benchmark=table.get("benchmark"),
        models=models,
    )


def config_of_entry(entry: dict[str, Any]) -> dict[str, Any]:
    """Get the `config.json` of a catalogue entry, with the nulls that TOML cannot write."""
    return {**entry["config"], **dict.fromkeys(entry.get("null_fields", ()))}


def _local_model(name: str, file: Path, *, hub: bool = False) -> Model:
    config = parse_json(read_whole(file), str(file), is_computed=True)
    if not isinstance(config, dict):
        raise UserError(f"{file} is not a model's config.json: it does not contain a JSON object")
    try:
        architecture = Architecture.from_config(config)
    except UserError as error:
        raise UserError(f"{file}: {error}") from error
    return Model(
        name=name,
        architecture=architecture,
        source=f"config.json of {name} on the Hugging Face hub" if hub else str(file),
        hf_id=name if hub else None,
        path=None if hub else name,
        default_precision=_made_precision(file.parent) or config_precision(config),
    )


def _made_precision(folder: Path) -> str | None:
    """Read the recipe of a checkpoint that codebudget made, which also names method and factors."""
    record = read_record(folder)
    return None if record is None or not is_precision(record.recipe) else record.recipe


def config_precision(config: dict[str, Any]) -> str | None:
    """Read the precision that a config.json states for its weights, None where it states none known here."""
    quantisation = read_quantisation(config)
    if quantisation is not None:
        return quantisation.precision
    inner = config.get("text_config")
    for place in (config, inner if isinstance(inner, dict) else {}):
        stated = place.get("dtype") or place.get("torch_dtype")
        if stated:
            return _TORCH_DTYPES.get(str(stated).removeprefix("torch."))
    return None


def _unknown_model(name: str, family: Family, everything: list[Model]) -> str:
    elsewhere = [model for model in everything if model.alias == name.lower()]
    if elsewhere:
        ways = " or ".join(f"`family` {model.family} (or {model.name})" for model in elsewhere)
        raise UserError(f"{name!r} is not a model of the family {family.name}; it belongs to {ways}")
    aliases = [model.alias for model in family.models if model.alias]
    names = [model.name for model in everything] + [model.hf_id for model in everything if model.hf_id]
    return (
        f"unknown model {name!r}; {_part_meant(name, [*aliases, *names])}{_did_you_mean(name, [*aliases, *names])}"
        f"{family.name} has {', '.join(aliases)}; for a model outside the catalogue give its Hugging Face id or a "
        "local folder with its config.json"
    )


def _part_meant(name: str, known: list[str]) -> str:
    """Explain a wrong precision or count after a known model, which would otherwise be part of its name."""
    by_lower = {candidate.lower() for candidate in known}
    head, colon, tail = name.rpartition(":")
    if colon and head.partition("@")[0].lower() in by_lower:
        return f"{tail!r} is not a valid sample count: write {head}:K, where K is at least 1 or 'greedy'; "
    head, at, tail = name.rpartition("@")
    if at and head.lower() in by_lower:
        return f"{precision_fault(tail)}; "
    return ""


def _did_you_mean(name: str, known: list[str]) -> str:
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return f"did you mean {' or '.join(by_lower[match] for match in near)}? " if near else ""


_HUB_ID: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_PROBE_S: Final = 5.0


def looks_like_hub_id(name: str) -> bool:
    """Whether a name has the form `OWNER/NAME`."""
    return _HUB_ID.fullmatch(name) is not None


def hub_config_file(name: str) -> str | None:
    """Get a model's `config.json` from the cache or by download; None where neither has it."""
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError

    cached = try_to_load_from_cache(name, "config.json")
    if isinstance(cached, str):
        return cached
    if constants.HF_HUB_OFFLINE or not _answers(os.environ.get("HF_ENDPOINT", constants.ENDPOINT)):
        return None
    try:
        return str(hf_hub_download(name, "config.json"))
    except (HfHubHTTPError, OSError):
        return None


def _answers(endpoint: str) -> bool:
    """Whether a server answers at all; if none does, the hub's own client retries for half a minute."""
    import urllib.error
    import urllib.request

    try:
        urllib.request.urlopen(endpoint, timeout=_PROBE_S).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
