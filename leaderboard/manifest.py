"""manifest.json: what made a run, and the hash of every other file in it."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from .._util.hashing import key_of, record_text
from .._util.machine import cpu_field, nvidia_smi
from ..experiment.rewards import revisions
from ..rankers.combine import Composite
from ..records import Limits, Workload
from ..sampler.prompting import Settings  # noqa: TC001 (pydantic reads it)
from .results_file import MOST_SAMPLES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..rankers import Ranker
    from ..records import ReferenceCheck

SampleNumber = Annotated[int, Field(ge=1, le=MOST_SAMPLES)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Code(_Part):
    """The codebudget that made the run; `dirty` says whether files differed from the commit."""

    version: str
    commit: str | None
    dirty: bool | None


class HardwarePart(_Part):
    """The machine."""

    machine: str
    cpu: str | None
    cores: int
    memory_bytes: int
    accelerators: tuple[str, ...]


class SandboxCheck(_Part):
    """Findings of `codebudget sandbox check` here; see `sandbox.conformance`."""

    result_hash: Sha256
    corpus: Sha256
    ok: int
    not_promised: int
    failed: int


class SandboxPart(_Part):
    """The grading sandbox: `environment` names the image's digest or interpreter, and the guest's."""

    launcher: str
    environment: str
    limits: Limits
    allow_shared: bool
    conformance: SandboxCheck | None


class BenchmarkPart(_Part):
    """One benchmark: the hash over its tasks, and over what its reference solutions showed."""

    benchmark: str
    spec: str
    content_hash: Sha256
    reference_check: Sha256


class SampleFile(_Part):
    """A file that samples were read from."""

    name: str
    sha256: Sha256


class LengthsPart(_Part):
    """The lengths that an arm's k is planned for; see `records.Workload`."""

    convention: Literal["tokens", "paper"]
    prompt_tokens: Annotated[int, Field(ge=0, le=2**31)]
    output_tokens: Annotated[int, Field(ge=0, le=2**31)]
    source: str
    estimated: bool

    @classmethod
    def of(cls, workload: Workload) -> LengthsPart:
        """Convert a record."""
        return cls(**workload.model_dump(exclude={"schema_version"}))

    def workload(self) -> Workload:
        """Convert to a record."""
        return Workload(**self.model_dump())


class ModelPart(_Part):
    """The maker of an arm's samples of one benchmark. `exact`: the engine promises equal text for equal seeds.

    `k` is the number of scored samples, `pilot_k` the number that a pilot gave, None if there was none, and `lengths`
    what both were planned for. A cascade has one for each `stage`, counted from 0.
    """

    arm: str
    benchmark: str
    model: str
    precision: str
    source: Literal["drawn", "files"]
    k: SampleNumber | None = None
    pilot_k: SampleNumber | None = None
    lengths: LengthsPart | None = None
    engine: str | None = None
    engine_version: str | None = None
    revision: str | None = None
    device: str | None = None
    exact: bool | None = None
    seed: int | None = None
    settings: Settings | None = None
    files: tuple[SampleFile, ...] = ()
    stage: Annotated[int, Field(ge=0, lt=100)] | None = None


class RankerPart(_Part):
    """A ranker, and the hash of the file that defines it; for a chain, the hash over those of all its links.

    `rewards` maps the reward models that it names to their revisions: commits of the hub, or hashes of folders' files.
    """

    name: str
    version: str
    pointwise: bool
    needs: tuple[str, ...]
    origin: str
    sha256: Sha256 | None
    rewards: dict[str, str] = Field(default_factory=dict)


class Manifest(_Part):
    """A whole manifest. `run_id` is the hash of all the rest, and so of the run: what to publish beside it."""

    schema_version: Literal[1]
    run_id: Sha256
    name: str
    codebudget: Code
    python: str
    platform: str
    packages: dict[str, str]
    hardware: HardwarePart
    argv: tuple[str, ...]
    seed: int
    sandbox: SandboxPart
    benchmarks: tuple[BenchmarkPart, ...]
    models: tuple[ModelPart, ...]
    rankers: dict[str, RankerPart]
    files: dict[str, Sha256]


RUN_ID: Final = "run_id"


def run_id_of(manifest: Mapping[str, Any]) -> str:
    """Hash (SHA-256) a manifest without its `run_id`, as compact JSON with sorted keys."""
    rest = {key: value for key, value in manifest.items() if key != RUN_ID}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Add its `run_id` to a manifest."""
    return {**manifest, RUN_ID: run_id_of(manifest)}


def reference_check_hash(checks: Mapping[str, ReferenceCheck]) -> str:
    """Hash (SHA-256) the reference solutions' checks without times and details."""
    fields = {"task_id", "ok", "integrity", "mutates_arguments", "sites", "calls"}
    return key_of(*(record_text(checks[task_id], fields) for task_id in sorted(checks)))


def ranker_part(ranker: Ranker) -> RankerPart:
    """Describe a ranker for a manifest: plug-ins are code that a reader may want to see."""
    file = inspect.getsourcefile(type(ranker))
    package = type(ranker).__module__.partition(".")[0]
    return RankerPart(
        name=ranker.name,
        version=ranker.version,
        pointwise=ranker.pointwise,
        needs=tuple(sorted(ranker.needs)),
        # A file that was named is loaded as a module that has no package.
        origin=package if "." in type(ranker).__module__ or file is None else Path(file).name,
        sha256=_source_sha256(ranker),
        rewards=revisions(ranker),
    )


def _source_sha256(ranker: Ranker) -> str | None:
    file = inspect.getsourcefile(type(ranker))
    own = hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else None
    data = getattr(ranker, "data_sha256", None)
    if isinstance(data, str):
        own = key_of(own, data)
    if not isinstance(ranker, Composite):
        return own
    return key_of(own, *map(_source_sha256, ranker.links))


_PACKAGE = Path(__file__).resolve().parents[1]
_TOOL_S = 20.0


def code_version() -> dict[str, Any]:
    """Find version, commit and whether files differ from it; the latter two are None if nothing tells them.

    A checkout tells both, an installation from a repository the commit (PEP 610).
    """
    version = metadata.version("codebudget")
    if (_PACKAGE / ".git").exists():
        commit = _said(["git", "-C", str(_PACKAGE), "rev-parse", "HEAD"])
        changes = _said(["git", "-C", str(_PACKAGE), "status", "--porcelain"])
        if commit is not None and changes is not None:
            return {"version": version, "commit": commit.strip(), "dirty": bool(changes.strip())}
    origin = metadata.distribution("codebudget").read_text("direct_url.json")
    commit = json.loads(origin).get("vcs_info", {}).get("commit_id") if origin else None
    return {"version": version, "commit": commit, "dirty": None if commit is None else False}


def packages() -> dict[str, str]:
    """List installed distributions and versions."""
    found = {dist.metadata["Name"]: dist.version for dist in metadata.distributions()}
    return {name: found[name] for name in sorted(found, key=str.lower) if name}


def hardware() -> dict[str, Any]:
    """Describe processor, usable cores, memory, and accelerators as their driver names them."""
    return {
        "machine": platform.machine(),
        "cpu": cpu_field("model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "accelerators": _accelerators(),
    }


def _accelerators() -> list[str]:
    """List GPUs by name and memory; none if NVIDIA's tool is missing or fails."""
    try:
        rows = nvidia_smi("name", "memory.total", units=True, timeout_s=_TOOL_S)
    except (OSError, subprocess.SubprocessError):
        return []
    return [", ".join(cells) for cells in rows]


def _said(command: list[str]) -> str | None:
    """Return a tool's output; None if it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TOOL_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
