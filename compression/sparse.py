"""A model and a mixed recipe that prunes, to a checkpoint of 16 bits with zeros, which any engine loads."""

from __future__ import annotations

import importlib
import time
from typing import TYPE_CHECKING, Any

from .._util.checkpoints import CalibrationRecord, CheckpointRecord, write_record
from .._util.hashing import key_of, record_text
from .._util.outputs import replacing_folder
from .._util.progress import Progress, silent
from ..budgets.memory import weight_bytes
from ..errors import UserError
from .calibration import token_pieces
from .compressor import device_name, quiet, tool_versions
from .linears import find_linears
from .mixed import apply_mixed
from .pruning import summing_inputs
from .quantise import Made, check_room, find_made, load, save, written_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from ..budgets.mixed import MixedRecipe
    from .calibration import Calibration
    from .quantise import Source


def key_of_sparse(source: Source, mixed: MixedRecipe, calibration: Calibration | None) -> str:
    """Get the key of the checkpoint that `sparsify` makes of these."""
    return key_of("pruned", source.revision, record_text(mixed), None if calibration is None else calibration.key)


def sparsify(
    source: Source, mixed: MixedRecipe, calibration: Calibration | None, out: Path, progress: Progress = silent
) -> Made:
    """Make a checkpoint of sparse weights at 16 bits, or find the one that an earlier call made of the same.

    It is there as a whole or not at all, and nothing is overwritten.

    Args:
        source: The model.
        mixed: Its sparsities by component.
        calibration: Texts whose tokens Wanda measures inputs on; None for `magnitude`.
        out: The checkpoint's folder.
        progress: Told how far it is.

    Raises:
        UserError: The recipe prunes nothing or is of another model, there is too little text, or `out` holds something
            else.
        MachineError: The model cannot be loaded, or the disk is full.
    """
    if mixed.pruning is None:
        raise UserError("the mixed recipe rounds weights, and prunes none")
    key = key_of_sparse(source, mixed, calibration)
    found = find_made(out, key)
    if found is not None:
        return found
    predicted = weight_bytes(source.architecture, "bf16")
    check_room(out, predicted)
    started = time.monotonic()
    with replacing_folder(out) as partial, quiet():
        progress("loading", 0, 1)
        model, tokenizer = load(source)
        progress("loading", 1, 1)
        used: CalibrationRecord | None = None
        norms: Mapping[str, Tensor] = {}
        if calibration is not None:
            context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
            pieces = token_pieces(calibration, tokenizer, context)
            norms = _input_norms(model, pieces, progress)
            tokens = sum(map(len, pieces))
            used = CalibrationRecord(kind=calibration.kind, key=calibration.key, tokens=tokens, sequences=len(pieces))
        apply_mixed(model, mixed, norms)
        save(model, tokenizer, partial)
        tensors, files = written_bytes(partial)
        record = CheckpointRecord(
            key=key,
            model=source.name,
            revision=source.revision,
            recipe=mixed.pruning,
            calibration=used,
            seed=0 if calibration is None else calibration.seed,
            predicted_bytes=predicted,
            tensor_bytes=tensors,
            file_bytes=files,
            effective_bits=16.0,
            wall_s=time.monotonic() - started,
            device=device_name(),
            versions=tool_versions(),
            components=mixed.names,
        )
        write_record(partial, record)
    return Made(out, record, found=False)


def _input_norms(model: Any, pieces: list[list[int]], progress: Progress) -> Mapping[str, Tensor]:
    torch = importlib.import_module("torch")
    with torch.no_grad(), summing_inputs(find_linears(model).components) as sums:
        for done, piece in enumerate(pieces, 1):
            model(torch.tensor([piece], device=model.device))
            progress("measuring inputs", done, len(pieces))
    return {name: total.sqrt() for name, total in sums.items()}
