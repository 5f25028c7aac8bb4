"""A checkpoint that was made: a few lines, and JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .tables import print_text

if TYPE_CHECKING:
    from ..compression.quantise import Made


def checkpoint_as_json(made: Made) -> dict[str, Any]:
    """Build `codebudget quantise --json`; `written_bytes` are those of the tensors."""
    row = made.record.model_dump(mode="json", exclude={"schema_version"})
    written = row.pop("tensor_bytes")
    named = ("predicted_bytes", "file_bytes", "effective_bits")
    return {
        "path": str(made.path),
        "predicted_bytes": row["predicted_bytes"],
        "written_bytes": written,
        "file_bytes": row["file_bytes"],
        "effective_bits": row["effective_bits"],
        **{name: value for name, value in row.items() if name not in named},
        "found": made.found,
    }


def print_checkpoint(made: Made) -> None:
    """Print where a checkpoint is, its bytes, and how it came about."""
    record = made.record
    print_text(f"{record.recipe} of {record.model}: {made.path}{' (there already)' if made.found else ''}")
    print_text(
        f"predicted {record.predicted_bytes:,} bytes, written {record.tensor_bytes:,} ({record.file_bytes:,} in "
        f"files), {record.effective_bits:.3f} effective bits per quantised weight"
    )
    used = record.calibration
    looked = "no texts" if used is None else f"{used.tokens:,} tokens in {used.sequences} pieces ({used.kind})"
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    print_text(f"made in {record.wall_s:.0f} s on {record.device}, calibrated with {looked}; {versions}")
