"""A model's files: their revision, and whether they can run at an arm's precision."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ..._util.checkpoints import ADAPTER, RECORD
from ..._util.hashing import key_of
from ...budgets.models import hub_config_file, looks_like_hub_id
from ...budgets.precision import parse_precision, precision_scheme
from ...budgets.quantised import Quantisation, read_quantisation
from ...errors import MachineError, UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

DTYPES: Final = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
"""Precisions that are plain number formats, and torch's names for them."""

_WEIGHTS: Final = (".safetensors", ".bin", ".pt", ".pth")
_DECISIVE: Final = (*_WEIGHTS, ".json", ".model", ".txt", ".jinja", ".py")
"""Files that can change a text, unlike a card."""


class Checkpoint(NamedTuple):
    """A loadable model.

    `source` is a folder or a hub id. `revision` is the hub's commit, or the SHA-256 over the folder's files. `commit`
    is what a hub loader is told, None for a folder. `weight_bytes` is None where the weights are not here yet.
    """

    source: str
    revision: str
    commit: str | None
    quantisation: Quantisation | None
    weight_bytes: int | None
    adapter: str | None = None


def find_checkpoint(model: str) -> Checkpoint:
    """Find a model.

    Args:
        model: A folder with `config.json`, weights and a tokenizer, or a hub `OWNER/NAME`.

    Raises:
        UserError: It is neither, or the folder holds no model.
        MachineError: The hub's model is not cached, and the hub cannot be reached or the disk has no room for it.
    """
    folder = Path(model)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UserError(f"{model} is not a model folder: its config.json is missing")
        weights = _weight_bytes(folder)
        if not weights:
            raise UserError(f"{model} has no weights: put the model's .safetensors files beside its config.json")
        adapter = folder / ADAPTER
        served = str(adapter) if (adapter / "adapter_config.json").is_file() else None
        weights += _weight_bytes(adapter) if served else 0
        return Checkpoint(model, _digest(folder), None, _quantisation(folder / "config.json"), weights, served)
    if not looks_like_hub_id(model):
        raise UserError(f"cannot sample {model!r}: it is neither a folder nor an OWNER/NAME on the Hugging Face hub")
    file = hub_config_file(model)
    if file is None:
        raise MachineError(
            f"{model} is not in the hub's cache and cannot be fetched from the hub: check the name and the "
            "network, log in if the model is gated (hf auth login), or give a folder that contains it"
        )
    snapshot = Path(file).parent
    there = _weight_bytes(snapshot)
    if not there:
        _announce_download(model, snapshot.name)
    return Checkpoint(model, snapshot.name, snapshot.name, _quantisation(Path(file)), there or None)


def check_precision(checkpoint: Checkpoint, precision: str, *, online: tuple[str, ...], engine: str) -> str:
    """Refuse a precision that a checkpoint lacks and that an engine cannot produce while loading.

    Args:
        checkpoint: The model.
        precision: The arm's.
        online: Precisions that the engine makes out of 16-bit weights.
        engine: Its name.

    Returns:
        The precision's canonical name.

    Raises:
        UserError: The message names what to do.
    """
    name = parse_precision(precision)
    scheme = precision_scheme(name)
    found = checkpoint.quantisation
    if found is None:
        if name in DTYPES or name in online:
            return name
        instead = ", ".join(("bf16", *online))
        raise UserError(
            f"{checkpoint.source} is not quantised, and {engine} cannot convert it to {name}: quantise it first "
            f"(codebudget quantise {checkpoint.source} {name}) and give the folder that this writes, or choose another "
            f"precision ({instead})"
        )
    differs = found.weight_bits is not None and found.weight_bits != scheme.weight_bits
    if differs or (found.floating is not None and found.floating != scheme.floating):
        kind = f"{found.weight_bits or 'other'} bits, {found.method}"
        own = "its own precision" if found.precision is None else f"its own precision ({found.precision})"
        raise UserError(f"{checkpoint.source} is already quantised ({kind}), not {name}: write {own}")
    if (scheme.lorc_rank > 0) != (checkpoint.adapter is not None):
        has = "no low-rank factors" if checkpoint.adapter is None else "low-rank factors, which are served with it"
        write = "without -lorc" if checkpoint.adapter is None else "with their rank, such as -lorc8"
        raise UserError(f"{checkpoint.source} has {has}: write its precision {write}, not {name}")
    return name


def check_room(model: str, size_bytes: int, folder: Path) -> None:
    """Refuse a download that a disk has no room for.

    Raises:
        MachineError: It has less than `size_bytes` free.
    """
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if size_bytes > free:
        raise MachineError(
            f"the weights of {model} take {size_bytes / 1e9:.3g} GB, and {folder} has {free / 1e9:.3g} GB free: "
            "free some space, or set HF_HOME to a folder on another disk"
        )


def _announce_download(model: str, commit: str) -> None:
    """Say on standard error how much the loader will fetch; nothing where the hub does not say.

    Raises:
        MachineError: The disk has no room for it.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    try:
        files = HfApi().model_info(model, revision=commit, files_metadata=True).siblings or []
    except (HfHubHTTPError, OSError):
        # The loader will hit the same failure, with a fuller error.
        return
    size = weight_file_bytes({file.rfilename: file.size or 0 for file in files})
    cache = Path(constants.HF_HUB_CACHE)
    check_room(model, size, cache)
    print(f"codebudget: downloading {size / 1e9:.3g} GB of weights of {model} into {cache}", file=sys.stderr)


def weight_file_bytes(sizes: Mapping[str, int]) -> int:
    """Sum the bytes of the files that loaders fetch: the safetensors, or the others where there are none."""
    at_top = {name: size for name, size in sizes.items() if "/" not in name}
    for ending in _WEIGHTS:
        found = sum(size for name, size in at_top.items() if name.endswith(ending))
        if found:
            return found
    return 0


def _weight_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.suffix in _WEIGHTS)


def _digest(folder: Path) -> str:
    parts: list[str] = []
    adapter = folder / ADAPTER
    files = [*sorted(folder.iterdir()), *(sorted(adapter.iterdir()) if adapter.is_dir() else ())]
    for file in files:
        # How a checkpoint came about changes no text.
        if file.is_file() and file.suffix in _DECISIVE and not file.name.startswith(".") and file.name != RECORD:
            with file.open("rb") as opened:
                parts += [file.relative_to(folder).as_posix(), hashlib.file_digest(opened, "sha256").hexdigest()]
    return key_of(*parts)


def _quantisation(file: Path) -> Quantisation | None:
    try:
        config: object = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {file}: {error}") from None
    if not isinstance(config, dict):
        raise UserError(f"{file} is not a model's config.json: it does not contain a JSON object")
    return read_quantisation(config)
