"""The role that runs a candidate's program and answers calls of its functions.

Everything here shares a process with the candidate and can be changed by it. That is harmless: what this role says is
either a value, which the tester compares itself, or a failure.
"""

from __future__ import annotations

import builtins
import copy
import json
import sys
import types
from typing import Any, NamedTuple

from . import codec, wire

RAISED, VALUE, UNCROSSABLE = b"X", b"V", b"U"
"""First byte of an outcome: an encoded exception, an encoded value, the reason why a value cannot cross."""

MODULE_NAME = "candidate"
CUSTOM, SKIPPED = "custom", "SkipTest"
"""What stands for the class of an exception that has no builtin class more specific than Exception."""

_MAX_OUTCOME_BYTES = wire.MAX_MESSAGE_BYTES - 1024


class Request(NamedTuple):
    """A program, the functions of it that may be called, and whether their changed arguments are wanted.

    The first of the functions it must define. `preamble` is source that runs before it in the same module.
    """

    program: str
    names: tuple[str, ...]
    return_arguments: bool
    preamble: str = ""

    def pack(self) -> bytes:
        """As bytes."""
        texts = (text.encode("utf-8", "surrogatepass") for text in (self.program, self.preamble, *self.names))
        return wire.pack([bytes([self.return_arguments]), *texts])

    @classmethod
    def unpack(cls, message: bytes) -> Request:
        """From the bytes of `pack`."""
        flag, *texts = wire.unpack(message)
        program, preamble, *names = (text.decode("utf-8", "surrogatepass") for text in texts)
        return cls(program, tuple(names), flag != b"\0", preamble)


class InvalidProgramError(Exception):
    """The text is not a program that defines the entry point."""


def load(program: str, entry_point: str, preamble: str = "", module: types.ModuleType | None = None) -> dict[str, Any]:
    """Execute `program` in a module of its own, or the one given, and return what the module holds.

    For an entry point `Class.method` that includes a function of this name, which calls the method of a new instance.

    Raises:
        InvalidProgramError: it does not compile, or defines no callable called `entry_point`.
        BaseException: whatever the program raises.
    """
    try:
        before = compile(preamble, "<preamble>", "exec", dont_inherit=True)
        # Without `dont_inherit` it would be compiled with this module's own __future__ features.
        code = compile(program, "<candidate>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, OverflowError, MemoryError) as error:
        # The parser says MemoryError where its own stack is full.
        raise InvalidProgramError(f"{type(error).__name__}: {error}") from None
    module = module or types.ModuleType(MODULE_NAME)
    sys.modules[module.__name__] = module
    exec(before, module.__dict__)
    exec(code, module.__dict__)
    if "." in entry_point:
        module.__dict__[entry_point] = _method(module.__dict__, *entry_point.split("."))
    if not callable(module.__dict__.get(entry_point)):
        raise InvalidProgramError(f"the program defines no function {entry_point}")
    return module.__dict__


def _method(namespace: dict[str, Any], class_name: str, name: str) -> Any:
    """What calls a method of a new instance; without the class, a function of the method's name, as boards have it."""
    if class_name not in namespace:
        return namespace.get(name)
    kind = namespace[class_name]
    if not callable(kind) or not callable(getattr(kind, name, None)):
        return None
    return lambda *args, **kwargs: getattr(kind(), name)(*args, **kwargs)


def describe(error: BaseException) -> str:
    """One line about an exception, whatever its own methods do."""
    name = str(type.__getattribute__(type(error), "__name__"))[:100]
    try:
        text = str.__getitem__(str(error), slice(300))
    except BaseException:
        text = "(its text cannot be had)"
    return f"{name}: {text}" if text else name


def load_or_report(
    link: wire.Link, program: str, entry_point: str, preamble: str = "", module: types.ModuleType | None = None
) -> dict[str, Any] | None:
    """Load the program; on failure say so on the link and return None."""
    try:
        return load(program, entry_point, preamble, module)
    except InvalidProgramError as error:
        status, detail = "invalid", str(error)[:400]
    except MemoryError:
        status, detail = "memory", "MemoryError while the program was loaded"
    except BaseException as error:
        status, detail = "crashed", f"{describe(error)} (while the program was loaded)"
    link.send(wire.FAILED + json.dumps({"status": status, "detail": detail}).encode())
    return None


def serve(link: wire.Link) -> None:
    """Load the program, then answer calls until the run is over."""
    program, names, return_arguments, preamble = Request.unpack(link.receive())
    namespace = load_or_report(link, program, names[0], preamble)
    if namespace is None:
        return
    functions = [namespace.get(name) for name in names]
    link.send(wire.LOADED)
    while True:
        message = link.receive()
        nonce, call = message[1 : 1 + wire.NONCE_BYTES], message[1 + wire.NONCE_BYTES :]
        link.send(wire.REPLY + nonce + answer(functions, names, call, return_arguments))


def answer(functions: list[Any], names: tuple[str, ...], encoded_call: bytes, return_arguments: bool) -> bytes:
    """Call one of the functions and encode what came of it.

    With `return_arguments` the value is a pair of the result and the positional arguments as the call left them, or
    None in their place where it left them unchanged.
    """
    place, args, kwargs = codec.decode(encoded_call)
    before = copy.deepcopy(args) if return_arguments else None
    try:
        if functions[place] is None:
            raise NameError(f"name '{names[place]}' is not defined")
        result = functions[place](*args, **kwargs)
        if return_arguments:
            result = (result, args if codec.encode(args) != codec.encode(before) else None)
        encoded = codec.encode(result)
    except codec.CannotCrossError as error:
        return UNCROSSABLE + str(error)[:300].encode("utf-8", "replace")
    except BaseException as error:
        return raised(error)
    if len(encoded) > _MAX_OUTCOME_BYTES:
        return UNCROSSABLE + f"a value of {len(encoded)} bytes".encode()
    return VALUE + encoded


def raised(error: BaseException) -> bytes:
    """The outcome of a call that raised: what crosses for the class, a description, and the arguments if they can."""
    text = describe(error).encode("utf-8", "replace").decode()
    try:
        encoded = codec.encode((crossing_name(error), text, tuple(error.args)))
    except BaseException:
        encoded = b""
    if not 0 < len(encoded) <= _MAX_OUTCOME_BYTES:
        encoded = codec.encode((crossing_name(error), text, (text,)))
    return RAISED + encoded


def crossing_name(error: BaseException) -> str:
    """The builtin class that stands for an exception's class in the tester.

    A builtin class stands for itself and for the subclasses of which it is the nearest builtin base. Exception and
    BaseException stand for themselves alone: a class made right under them is `CUSTOM`, or `SKIPPED` by its name.
    """
    mro = type.mro(type(error))
    nearest = next(base for base in mro if getattr(builtins, base.__name__, None) is base)
    if nearest is type(error) or nearest not in (Exception, BaseException):
        return str(nearest.__name__)
    return SKIPPED if any(base.__name__ == SKIPPED for base in mro) else CUSTOM
