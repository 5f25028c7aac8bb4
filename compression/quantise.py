"""A model and a recipe to a checkpoint of compressed-tensors, which is there as a whole or not at all."""

from __future__ import annotations

import importlib
import json
import shutil
import struct
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._util.checkpoints import (
    ADAPTER,
    CalibrationRecord,
    CheckpointRecord,
    checkpoint_key,
    read_record,
    write_record,
)
from .._util.outputs import replacing_folder
from .._util.printable import listed
from .._util.progress import Progress, silent
from ..budgets.memory import effective_bits, plain_share, weight_bytes
from ..budgets.precision import recipe_scheme
from ..errors import MachineError, UserError
from .calibration import token_pieces
from .compressor import (
    INSTALL,
    compress,
    device_name,
    failure,
    is_installed,
    needs_calibration,
    quiet,
    tool_versions,
)
from .lorc import low_rank_factors, write_adapter
from .recipes import check_group, check_makeable

if TYPE_CHECKING:
    from pathlib import Path

    from ..budgets.architecture import Architecture
    from .calibration import Calibration
    from .lorc import Factors
    from .recipes import Recipe

_LOADING: Final = (OSError, RuntimeError, ValueError, KeyError, ImportError)
_KEPT_SHARE: Final = 1.05
"""Files take little more than what is planned: headers, shapes, tokenizer."""


class Source(NamedTuple):
    """A model to quantise: its name, the folder or hub id of its weights, their revision and the hub's commit."""

    name: str
    weights: str
    revision: str
    commit: str | None
    architecture: Architecture


class Made(NamedTuple):
    """A checkpoint: its folder, its record, and whether it was there already."""

    path: Path
    record: CheckpointRecord
    found: bool


def key_of_checkpoint(
    source: Source,
    recipe: Recipe,
    calibration: Calibration | None,
    components: tuple[str, ...] | None = None,
) -> str:
    """Get the key of the checkpoint that `quantise` makes of these."""
    used = calibration.key if calibration is not None and needs_calibration(recipe) else None
    return checkpoint_key(source.revision, recipe.key, used, components)


def check_recipe(source: Source, recipe: Recipe) -> None:
    """Refuse a recipe that does not fit a model, by the model's shape.

    Raises:
        UserError: It quantises nothing, its groups do not divide a layer's inputs, or LoRC's rank is beyond a layer.
    """
    check_makeable(recipe)
    quantised = [one for one in source.architecture.linears() if plain_share(source.architecture, one) < 1]
    if not quantised:
        raise UserError(f"{source.name} has no linear layers to quantise: choose another model")
    for linear in quantised:
        check_group(recipe, linear.inputs, f"the {linear.role} layers of {source.name}")
        least = min(linear.inputs, linear.outputs)
        if recipe.lorc_rank > least:
            raise UserError(
                f"recipe {recipe.key}: the {linear.role} layers of {source.name} have {least} singular values; "
                f"write -lorc{least} or less"
            )


def quantise(
    source: Source,
    recipe: Recipe,
    calibration: Calibration | None,
    out: Path,
    progress: Progress = silent,
    components: tuple[str, ...] | None = None,
) -> Made:
    """Make a checkpoint, or find the one that an earlier call made of the same.

    It is written into a hidden folder, which gets its name when all is there. Nothing is overwritten.

    Args:
        source: The model.
        recipe: What to do to it.
        calibration: Texts for methods that look at some; they are not read for others.
        out: The checkpoint's folder.
        progress: Told how far it is.
        components: Names of the linear layers to quantise, as a mixed recipe lists them; None for all.

    Raises:
        UserError: The recipe does not fit the model, a component is not in it, `out` holds something else, or there is
            too little text.
        MachineError: llm-compressor is missing or failed, or the disk is full.
    """
    key = key_of_checkpoint(source, recipe, calibration, components)
    found = find_made(out, key)
    if found is not None:
        return found
    check_recipe(source, recipe)
    predicted = weight_bytes(source.architecture, recipe.key)
    check_room(out, predicted)
    if not is_installed():
        raise MachineError(f"quantising needs llm-compressor: {INSTALL}")
    started = time.monotonic()
    with replacing_folder(out) as partial, quiet():
        used, size = _write(source, recipe, calibration, partial, progress, components)
        tensors, files = written_bytes(partial)
        record = CheckpointRecord(
            key=key,
            model=source.name,
            revision=source.revision,
            recipe=recipe.key,
            calibration=used,
            seed=0 if calibration is None else calibration.seed,
            predicted_bytes=size.predicted_bytes,
            tensor_bytes=tensors,
            file_bytes=files,
            effective_bits=size.effective_bits,
            wall_s=time.monotonic() - started,
            device=device_name(),
            versions=tool_versions(),
            components=components,
        )
        write_record(partial, record)
        if out.exists():
            raise UserError(f"{out} has appeared meanwhile; choose another with `out`")
    return Made(out, record, found=False)


def find_made(out: Path, key: str) -> Made | None:
    """Find a finished checkpoint of a key; None where there is nothing.

    Raises:
        UserError: Something else is there.
    """
    if not out.exists() and not out.is_symlink():
        return None
    record = read_record(out) if out.is_dir() else None
    if record is None or record.key != key:
        what = "not a checkpoint made here" if record is None else f"{record.recipe} of {record.model}, made otherwise"
        raise UserError(f"{out} is there already, {what}: choose another folder with `out`, or remove it")
    return Made(out, record, found=True)


def written_bytes(folder: Path) -> tuple[int, int]:
    """Count the bytes of a checkpoint's tensors, and of their files, its adapter included.

    Raises:
        MachineError: A file's header cannot be read.
    """
    tensors = files = 0
    for file in (*folder.glob("*.safetensors"), *(folder / ADAPTER).glob("*.safetensors")):
        files += file.stat().st_size
        try:
            with file.open("rb") as opened:
                header = json.loads(opened.read(struct.unpack("<Q", opened.read(8))[0]))
        except (OSError, ValueError, struct.error) as error:
            raise MachineError(f"{file} was not written as a whole ({error}); run the command again") from None
        for name, entry in header.items():
            if name != "__metadata__":
                start, end = entry["data_offsets"]
                tensors += end - start
    return tensors, files


def check_room(out: Path, size_bytes: int) -> None:
    """Refuse a checkpoint that the disk has no room for.

    Raises:
        MachineError: It has not.
    """
    existing = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if _KEPT_SHARE * size_bytes > free:
        raise MachineError(
            f"the checkpoint takes {size_bytes / 1e9:.3g} GB, and {existing} has {free / 1e9:.3g} GB free: free some "
            "space, or choose a folder on another disk with `out`"
        )


class _Size(NamedTuple):
    """What a checkpoint is to take."""

    predicted_bytes: int
    effective_bits: float


def _write(
    source: Source,
    recipe: Recipe,
    calibration: Calibration | None,
    folder: Path,
    progress: Progress,
    components: tuple[str, ...] | None,
) -> tuple[CalibrationRecord | None, _Size]:
    torch = importlib.import_module("torch")
    torch.manual_seed(0 if calibration is None else calibration.seed)
    progress("loading", 0, 1)
    model, tokenizer = load(source)
    every = quantised_layers(source, model, recipe)
    layers = every if components is None else _only(every, components, source)
    size = _size(source, recipe, every, layers)
    progress("loading", 1, 1)
    used, pieces = None, []
    if needs_calibration(recipe):
        if calibration is None:
            raise UserError(f"recipe {recipe.key}: {recipe.method} needs texts; name some with `calibration`")
        context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        pieces = token_pieces(calibration, tokenizer, context)
        tokens = sum(map(len, pieces))
        used = CalibrationRecord(kind=calibration.kind, key=calibration.key, tokens=tokens, sequences=len(pieces))
    ignored = [name for name, module in _linears(model).items() if name not in layers]
    original = {name: layers[name].weight.detach().clone() for name in layers} if recipe.lorc_rank else {}
    _compress(model, tokenizer, recipe, pieces, ignored, progress)
    if recipe.lorc_rank and recipe.method in ("awq", "smoothquant"):
        # These have scaled the weights, and round them only as they are saved.
        original = {name: layers[name].weight.detach().clone() for name in layers}
    save(model, tokenizer, folder, save_compressed=True)
    if recipe.lorc_rank:
        _write_factors(source, recipe, original, folder, progress)
    return used, size


def _only(every: dict[str, Any], components: tuple[str, ...], source: Source) -> dict[str, Any]:
    """Choose the layers that a mixed recipe lists.

    Raises:
        UserError: It lists none, or one that the model lacks.
    """
    strangers = [name for name in components if name not in every]
    if strangers or not components:
        raise UserError(
            f"the mixed recipe lists {listed(strangers, 3) or 'no components'}, and the layers of {source.name} are "
            f"{listed(every, 3)}"
        )
    return {name: every[name] for name in components}


def _size(source: Source, recipe: Recipe, every: dict[str, Any], chosen: dict[str, Any]) -> _Size:
    """Plan the bytes of all weights: by the model's shape, or layer by layer where only some are quantised."""
    if len(chosen) == len(every):
        return _Size(weight_bytes(source.architecture, recipe.key), effective_bits(source.architecture, recipe.key))
    scheme = recipe_scheme(recipe)
    stored = sum(scheme.matrix_bytes(layer.in_features, layer.out_features) for layer in chosen.values())
    weights = sum(layer.in_features * layer.out_features for layer in chosen.values())
    plain = weight_bytes(source.architecture, "bf16")
    return _Size(plain - 2 * weights + stored, 8 * stored / weights)


def load(source: Source) -> tuple[Any, Any]:
    """Load a model at 16 bits, and its tokenizer.

    Raises:
        MachineError: transformers cannot.
    """
    transformers = importlib.import_module("transformers")
    torch = importlib.import_module("torch")
    where = {} if source.commit is None else {"revision": source.commit}
    try:
        config = transformers.AutoConfig.from_pretrained(source.weights, **where)
        # What is not quantised stays at 16 bits, as planned.
        dtype = torch.float16 if config.dtype == torch.float16 else torch.bfloat16
        model = transformers.AutoModelForCausalLM.from_pretrained(source.weights, dtype=dtype, **where)
        tokenizer = transformers.AutoTokenizer.from_pretrained(source.weights, **where)
    except _LOADING as error:
        raise failure(f"cannot load {source.name}, since transformers cannot", error) from None
    return model, tokenizer


def _linears(model: Any) -> dict[str, Any]:
    linear = importlib.import_module("torch").nn.Linear
    return {name: module for name, module in model.named_modules() if isinstance(module, linear)}


def quantised_layers(source: Source, model: Any, recipe: Recipe) -> dict[str, Any]:
    """Choose the linear layers of the decoder's blocks: not its output head, its routers or an image encoder.

    Raises:
        UserError: There are none, or one has inputs that a group does not divide.
    """
    head = model.get_output_embeddings()
    found = {
        name: module
        for name, module in _linears(model).items()
        if module is not head and not _NOT_OF_BLOCKS.intersection(name.split("."))
    }
    if not found:
        raise UserError(f"{source.name} has no linear layers that llm-compressor can quantise: choose another model")
    for name, module in found.items():
        check_group(recipe, module.in_features, f"{name} of {source.name}")
    return found


_NOT_OF_BLOCKS: Final = frozenset({"gate", "router", "vision_tower", "visual", "vision_model", "multi_modal_projector"})
"""Parts of module names. A gated FFN's matrix is `gate_proj`; `gate` is a router."""


def _compress(
    model: Any, tokenizer: Any, recipe: Recipe, pieces: list[list[int]], ignored: list[str], progress: Progress
) -> None:
    # The embedding's part and each layer's.
    total = model.config.get_text_config().num_hidden_layers + 1
    done = 0

    def advance() -> None:
        nonlocal done
        done = min(done + 1, total)
        progress("quantising", done, total)

    progress("quantising", 0, total)
    compress(model, tokenizer, recipe, pieces, ignored, advance)
    progress("quantising", total, total)


def save(model: Any, tokenizer: Any, folder: Path, **options: object) -> None:
    """Write a model and its tokenizer, with options of transformers' `save_pretrained`.

    Raises:
        MachineError: The disk is full, or transformers cannot write it.
    """
    error_of_files = importlib.import_module("safetensors").SafetensorError
    try:
        model.save_pretrained(folder, **options)
        tokenizer.save_pretrained(folder)
    except error_of_files as error:
        raise MachineError(f"cannot write into {folder.parent} ({error}): free some space") from None
    except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise failure("cannot save what it made", error) from None


def _write_factors(source: Source, recipe: Recipe, original: dict[str, Any], folder: Path, progress: Progress) -> None:
    """Factor what the checkpoint, read back, lacks of the weights."""
    transformers = importlib.import_module("transformers")
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    except _LOADING as error:
        raise failure("wrote a checkpoint that cannot be loaded", error) from None
    decompress = importlib.import_module("compressed_tensors.compressors").decompress_module
    stored = _linears(model)
    for name in original:
        # It would stay packed until the model first runs.
        decompress(stored[name])
    factors: dict[str, Factors] = {}
    for done, (name, weight) in enumerate(original.items(), 1):
        lost = weight.float() - stored[name].weight.detach().float()
        factors[name] = low_rank_factors(lost, recipe.lorc_rank, name)
        progress("factoring", done, len(original))
    write_adapter(folder / ADAPTER, factors, source.name, model.dtype)
