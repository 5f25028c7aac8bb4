"""The role that runs a candidate's program and answers calls of its entry point.

Everything here shares a process with the candidate and can be changed by it. That is harmless: what this role says is
either a value, which the tester compares itself, or a failure.
"""

from __future__ import annotations

import builtins
import copy
import json
import sys
import types
from typing import TYPE_CHECKING, Any, Callable

from . import codec, wire

if TYPE_CHECKING:
    import socket

RAISED, VALUE, UNCROSSABLE = b"X", b"V", b"U"
"""First byte of an outcome: the name of an exception, an encoded value, the reason why a value cannot cross."""

MODULE_NAME = "candidate"


class InvalidProgramError(Exception):
    """The text is not a program that defines the entry point."""


def load(program: str, entry_point: str) -> Callable[..., Any]:
    """Execute `program` in a module of its own and return what it defines as `entry_point`.

    Raises:
        InvalidProgramError: it does not compile, or defines no callable of that name.
        BaseException: whatever the program raises.
    """
    try:
        code = compile(program, "<candidate>", "exec")
    except (SyntaxError, ValueError, RecursionError, OverflowError) as error:
        raise InvalidProgramError(f"{type(error).__name__}: {error}") from None
    module = types.ModuleType(MODULE_NAME)
    sys.modules[MODULE_NAME] = module
    exec(code, module.__dict__)
    function: Callable[..., Any] | None = module.__dict__.get(entry_point)
    if function is None or not callable(function):
        raise InvalidProgramError(f"the program defines no function {entry_point}")
    return function


def describe(error: BaseException) -> str:
    """One line about an exception, whatever its own methods do."""
    name = type.__getattribute__(type(error), "__name__")
    try:
        text = str(error)
    except BaseException:
        text = "(its text cannot be had)"
    return f"{name}: {text[:300]}" if text else str(name)


def load_or_report(channel: socket.socket, request: dict[str, Any]) -> Callable[..., Any] | None:
    """Load the program; on failure say so on the channel and return None."""
    try:
        return load(request["program"], request["entry_point"])
    except InvalidProgramError as error:
        status, detail = "invalid", str(error)
    except MemoryError:
        status, detail = "memory", "MemoryError while the program was loaded"
    except BaseException as error:
        status, detail = "crashed", f"{describe(error)} (while the program was loaded)"
    payload = json.dumps({"status": status, "detail": detail}).encode()
    channel.sendall(wire.frame(wire.MESSAGE, wire.FAILED + payload))
    return None


def serve(channel: socket.socket, request: dict[str, Any]) -> None:
    """Load the program, then answer calls until the other side closes."""
    function = load_or_report(channel, request)
    if function is None:
        return
    channel.sendall(wire.frame(wire.MESSAGE, wire.LOADED))
    buffer = bytearray()
    while True:
        taken = wire.take_frame(buffer)
        if taken is None:
            data = channel.recv(1 << 16)
            if not data:
                return
            buffer += data
            continue
        payload = taken[1]
        nonce, arguments = payload[1 : 1 + wire.NONCE_BYTES], payload[1 + wire.NONCE_BYTES :]
        outcome = answer(function, arguments, bool(request["return_arguments"]))
        channel.sendall(wire.frame(wire.MESSAGE, wire.REPLY + nonce + outcome))


def answer(function: Callable[..., Any], encoded_arguments: bytes, return_arguments: bool) -> bytes:
    """Call the function and encode what came of it.

    With `return_arguments` the value is a pair of the result and the positional arguments as the call left them, or
    None in their place where it left them unchanged.
    """
    args, kwargs = codec.decode(encoded_arguments)
    before = copy.deepcopy(args) if return_arguments else None
    try:
        result = function(*args, **kwargs)
        if return_arguments:
            result = (result, args if codec.encode(args) != codec.encode(before) else None)
        return VALUE + codec.encode(result)
    except codec.CannotCrossError as error:
        return UNCROSSABLE + str(error).encode("utf-8", "replace")
    except MemoryError:
        return RAISED + b"MemoryError\nMemoryError"
    except BaseException as error:
        return RAISED + f"{exception_name(error)}\n{describe(error)}".encode("utf-8", "replace")


def exception_name(error: BaseException) -> str:
    """The name of the nearest builtin class of `error`: a subclass crosses as its builtin base."""
    for base in type.mro(type(error)):
        if getattr(builtins, base.__name__, None) is base:
            return str(base.__name__)
    return "BaseException"
