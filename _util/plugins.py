"""Loading classes that others wrote: from an entry point of a distribution, or from a file, as `FILE.py:Class`.

A plug-in is code that its user trusts, and it runs in this process. Its mistakes neither end a command nor change one:
see `contained`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import signal
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TextIO

from ..errors import CodebudgetError, SandboxError, UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from importlib import metadata
    from types import FrameType

_OWN = __package__.partition(".")[0]
_CONTAINED: Final = {"sandbox": SandboxError}
"""Kinds whose methods are called from many places, with the error for a failing one."""

_MISSING = object()


class _Surroundings(NamedTuple):
    """Process state that a plug-in may change and that is restored."""

    folder: str | None
    stdout: TextIO
    stderr: TextIO


class _State:
    """Threads that run a plug-in's code, and the process state before the first of them did."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.threads: dict[int, int] = {}
        self.before: _Surroundings | None = None
        self.loaded: list[str] = []


_state = _State()


def loaded() -> list[str]:
    """List the origins of the foreign code loaded so far: what it left may still be running."""
    return list(dict.fromkeys(_state.loaded))


def is_inside() -> bool:
    """Whether this thread runs a plug-in's code."""
    return threading.get_ident() in _state.threads


@contextmanager
def contained(failure: Callable[[str], Exception]) -> Iterator[None]:
    """Run a plug-in's code: whatever it raises, even SystemExit, becomes `failure` with the cause in one line.

    codebudget's own errors pass. So does the user's Ctrl-C, even if the plug-in swallows it. The working folder and the
    standard streams are restored; the command line sends what is printed inside to standard error (`cli.streams`). Not
    contained is what no process can hold off from within: a plug-in that never returns, ends the process, or changes
    other modules.

    Raises:
        KeyboardInterrupt: The user interrupted the command meanwhile.
    """
    with _interrupts() as interrupted:
        _enter()
        try:
            yield
        except BaseException as error:
            if interrupted.is_set():
                raise KeyboardInterrupt from None
            if isinstance(error, CodebudgetError):
                raise
            raise failure(cause_of(error)) from error
        finally:
            _leave()
        if interrupted.is_set():
            raise KeyboardInterrupt


class Contained:
    """A plug-in whose every attribute is read and called under `contained`."""

    def __init__(self, made: object, what: str, error: type[CodebudgetError]) -> None:
        self._made, self._what, self._error = made, what, error

    def __getattr__(self, name: str) -> Any:
        with contained(lambda cause: self._error(f"{self._what} failed: {cause}")):
            found = getattr(self._made, name, _MISSING)
        if found is _MISSING:
            raise AttributeError(f"{self._what} has no {name!r}", name=name, obj=self)
        if not callable(found):
            return found

        def call(*positional: Any, **named: Any) -> Any:
            with contained(lambda cause: self._error(f"{self._what} failed in {name}: {cause}")):
                return found(*positional, **named)

        return call


def cause_of(error: BaseException) -> str:
    """Put an error in one line, whatever its methods do."""
    try:
        text = " ".join(str(error).split())
    except BaseException:
        text = ""
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def class_in_file(spec: str, kind: str) -> tuple[object, str] | None:
    """Load what a `FILE.py:Class` names (None where the file has no such class), with its origin; None for other specs.

    Raises:
        UserError: there is no such file, or it cannot be imported.
    """
    file, colon, class_name = spec.rpartition(":")
    if not colon or not file.endswith(".py"):
        return None
    path = Path(file)
    if not path.is_file():
        raise UserError(f"{kind} {spec!r}: no such file: {path}")
    # One module name per path: same-named files do not clash, and classes can be pickled and inspected.
    digest = hashlib.blake2b(str(path.resolve()).encode(), digest_size=4).hexdigest()
    name = f"codebudget_{kind}_{path.stem}_{digest}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None or module_spec.loader is None:
        raise UserError(f"{kind} {spec!r}: {path} is not a Python file")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    _state.loaded.append(f"the file {file}")
    try:
        with contained(lambda cause: UserError(f"{kind} {spec!r}: {path} cannot be imported: {cause}")):
            module_spec.loader.exec_module(module)
            return getattr(module, class_name, None), f"the file {file}"
    except BaseException:
        sys.modules.pop(name, None)
        raise


def class_of_point(point: metadata.EntryPoint, kind: str) -> tuple[object, str]:
    """Load what an entry point names, with its origin.

    Raises:
        UserError: it cannot be imported.
    """
    source = f"the distribution {distribution_of(point)}"
    if point.module.partition(".")[0] != _OWN:
        _state.loaded.append(source)
    with contained(lambda cause: UserError(f"{kind} {point.name!r} of {source} cannot be imported: {cause}")):
        return point.load(), source


def only_point(points: Sequence[metadata.EntryPoint], kind: str) -> metadata.EntryPoint:
    """Pick a name's one entry point.

    Raises:
        UserError: there are several.
    """
    if len(points) > 1:
        owners = " and ".join(sorted(distribution_of(point) for point in points))
        raise UserError(f"several distributions register a {kind} {points[0].name!r}: {owners}; uninstall all but one")
    return points[0]


def distribution_of(point: metadata.EntryPoint) -> str:
    """Name the distribution that registers an entry point."""
    return point.dist.name if point.dist else "unknown"


def make(
    factory: object,
    spec: str,
    source: str,
    kind: str,
    members: Sequence[str],
    arguments: Callable[[type], Mapping[str, Any]] = lambda _: {},
) -> Any:
    """Make an instance of a plug-in's class with its `arguments`, checked to have all `members`.

    Raises:
        UserError: it is no class, cannot be made with these arguments, or lacks a member.
    """
    if not isinstance(factory, type):
        raise UserError(f"{kind} {spec!r} of {source} must be a class, but no such class exists")
    what = f"{kind} {spec!r} of {source}"
    with contained(lambda cause: UserError(f"{what} cannot be created: {cause}")):
        given = arguments(factory)
    without = "" if given else " without arguments"
    with contained(lambda cause: UserError(f"{what} cannot be created{without}: {cause}")):
        try:
            made = factory(**given)
        except UserError as error:
            raise UserError(f"{kind} {spec!r}: {error}") from error
        lacking = [member for member in members if not hasattr(made, member)]
    if lacking:
        raise UserError(f"{what} lacks {', '.join(lacking)}: a {kind} needs {', '.join(members)}")
    return Contained(made, what, _CONTAINED[kind]) if kind in _CONTAINED else made


def _enter() -> None:
    thread = threading.get_ident()
    with _state.lock:
        if not _state.threads:
            _state.before = _Surroundings(_folder(), sys.stdout, sys.stderr)
        _state.threads[thread] = _state.threads.get(thread, 0) + 1


def _leave() -> None:
    thread = threading.get_ident()
    with _state.lock:
        _state.threads[thread] -= 1
        if not _state.threads[thread]:
            del _state.threads[thread]
        before = _state.before
        if before is None:
            return
        sys.stdout, sys.stderr = before.stdout, before.stderr
        if before.folder is not None and _folder() != before.folder:
            os.chdir(before.folder)
    for descriptor in (0, 1, 2):
        # A closed descriptor would go to the next file opened, and what others print would end up there.
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Tell whether the user interrupts the block, which a plug-in may swallow or fake."""
    happened = threading.Event()
    handler = signal.getsignal(signal.SIGINT)
    # Only the main thread gets signals.
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield happened
        return

    def note(number: int, frame: FrameType | None) -> None:
        happened.set()
        handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield happened
    finally:
        signal.signal(signal.SIGINT, handler)
