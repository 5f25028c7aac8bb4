"""What a checkpoint made here says about itself, in a file beside its weights."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field

from ..records import LATER, FileRecord, Record
from .bounded import parse_json, read_whole
from .hashing import key_of

if TYPE_CHECKING:
    from pathlib import Path

RECORD: Final = "codebudget-checkpoint.json"
ADAPTER: Final = "lorc"
"""Folder of the low-rank adapter inside a checkpoint, where its recipe has one."""

CalibrationKind = Literal["file", "prompts", "self"]
Count = Annotated[int, Field(ge=0)]


class CalibrationRecord(Record):
    """Texts that a method of quantisation looked at.

    `key` is the hash of the texts, or for the model's own of how they are drawn, and of the seed. `tokens` is how many
    of them were used, in `sequences` pieces.
    """

    kind: CalibrationKind
    key: str
    tokens: Count
    sequences: Count


class CheckpointRecord(FileRecord):
    """A quantised checkpoint: what it was made of, by what, and what came out.

    `key` hashes `revision` (that of the model), `recipe` and the calibration; `versions` and `device` are not in it.
    `predicted_bytes` are the plan's for all weights, `tensor_bytes` those of the written tensors, `file_bytes` of their
    files, headers included. `effective_bits` are bits per quantised weight with scales, zero-points and factors.
    `components` names what a mixed recipe changes, None for all. Where it prunes, `recipe` is the method.
    """

    key: str
    model: str
    revision: str
    recipe: str
    calibration: CalibrationRecord | None = None
    seed: Count
    predicted_bytes: Count
    tensor_bytes: Count
    file_bytes: Count
    effective_bits: float
    wall_s: Annotated[float, Field(ge=0)]
    device: str
    versions: dict[str, str]
    components: Annotated[tuple[str, ...] | None, LATER] = None


def checkpoint_key(
    revision: str, recipe: str, calibration: str | None, components: tuple[str, ...] | None = None
) -> str:
    """Hash what a checkpoint is made of.

    Args:
        revision: Of the model.
        recipe: Its key.
        calibration: The key of the texts, None where the method looks at none.
        components: Names of what is quantised, None for all.
    """
    some = () if components is None else ("components", *sorted(components))
    return key_of("checkpoint", revision, recipe, calibration, *some)


def read_record(folder: Path) -> CheckpointRecord | None:
    """Read what a folder says about itself; None where it was not made here, or not finished."""
    file = folder / RECORD
    if not file.is_file():
        return None
    try:
        return CheckpointRecord.model_validate(parse_json(read_whole(file), str(file)))
    # Both pydantic's error and our own are a ValueError.
    except ValueError:
        return None


def write_record(folder: Path, record: CheckpointRecord) -> None:
    """Write a folder's record."""
    text = json.dumps(record.model_dump(mode="json"), indent=2)
    (folder / RECORD).write_text(text + "\n", encoding="utf-8")
