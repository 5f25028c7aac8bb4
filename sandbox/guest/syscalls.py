"""System calls that a run may not make: their effects would outlive it, or reach the worker that watches it.

- Programs in one box share its network namespace: ports in TIME_WAIT and counters of packets tell the next one of the
  last. So there are sockets of the family UNIX alone, and io_uring, which opens others past any filter, is not there.
- A descriptor that is sent over the channel becomes the worker's, and closing it takes as long as its maker wants (a
  socket with SO_LINGER). sendmsg(2) alone sends descriptors.
- Namespaces and mounts of a program's own would show it more of the kernel. Not every engine's own filter refuses
  them to ordinary users, as Docker's does.
- Keys outlive the process that adds them, and so do BPF programs; userfaultfd(2) can hold up whoever reads memory.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from typing import Any, Callable

_NUMBERS: dict[str, dict[str, int]] = {
    "x86_64": {
        "clone": 56, "socket": 41, "socketpair": 53, "keyctl": 250, "seccomp": 317,
        "add_key": 248, "request_key": 249, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
        "userfaultfd": 323, "bpf": 321, "perf_event_open": 298, "sendmsg": 46, "sendmmsg": 307,
        "unshare": 272, "setns": 308, "mount": 165, "umount2": 166, "pivot_root": 155, "clone3": 435,
    },
    "aarch64": {
        "clone": 220, "socket": 198, "socketpair": 199, "keyctl": 219, "seccomp": 277,
        "add_key": 217, "request_key": 218, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
        "userfaultfd": 282, "bpf": 280, "perf_event_open": 241, "sendmsg": 211, "sendmmsg": 269,
        "unshare": 97, "setns": 268, "mount": 40, "umount2": 39, "pivot_root": 41, "clone3": 435,
    },
}  # fmt: skip
"""Of the kernel's tables, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h."""

_AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_REFUSED = {
    "keyctl": errno.EPERM,
    "add_key": errno.EPERM,
    "request_key": errno.EPERM,
    "io_uring_setup": errno.ENOSYS,
    "io_uring_enter": errno.ENOSYS,
    "io_uring_register": errno.ENOSYS,
    "userfaultfd": errno.EPERM,
    "bpf": errno.EPERM,
    "perf_event_open": errno.EPERM,
    "sendmsg": errno.EPERM,
    "sendmmsg": errno.EPERM,
}
"""What each of these fails with: as where the kernel has it not, or does not allow it."""

_NAMESPACES = {
    "unshare": errno.EPERM,
    "setns": errno.EPERM,
    "mount": errno.EPERM,
    "umount2": errno.EPERM,
    "pivot_root": errno.EPERM,
    # Its flags are out of a filter's sight; the C library falls back to clone.
    "clone3": errno.ENOSYS,
}
"""The same for those that make and enter namespaces and mounts, with `_NEW_NAMESPACES` of clone."""

_AF_UNIX = 1
_NEW_NAMESPACES = 0x7E020000
"""The flags CLONE_NEW* of include/uapi/linux/sched.h that clone takes."""
_KEYCTL_JOIN_SESSION_KEYRING = ctypes.c_long(1)

_LOAD_WORD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _JUMP_IF_ANY, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_ALLOW, _FAIL_WITH = 0x7FFF0000, 0x00050000
_X32_BIT = 0x40000000
_SECCOMP_SET_MODE_FILTER = ctypes.c_ulong(1)
_SECCOMP_FILTER_FLAG_SPEC_ALLOW = ctypes.c_ulong(4)
"""Older kernels would else slow a filtered process down by their guard against Spectre's fourth variant."""

# PyDLL keeps the interpreter's lock across the call, which a fork made behind Python's back needs.
_libc = ctypes.PyDLL(None, use_errno=True)


def number(name: str) -> ctypes.c_long:
    """The number of a system call on this processor.

    Raises:
        OSError: It is not known here.
    """
    try:
        return ctypes.c_long(_NUMBERS[platform.machine()][name])
    except KeyError:
        raise OSError(f"boxes are not supported on {platform.machine()}") from None


def leave_session_keyring() -> None:
    """Join a new one: keys in one that runs share would outlive them. Where that is forbidden, so are keys."""
    _libc.syscall(number("keyctl"), _KEYCTL_JOIN_SESSION_KEYRING, None)


def refuse() -> None:
    """Refuse those calls but for namespaces to this process and all that it starts, for good.

    Raises:
        OSError: The kernel has no filters (CONFIG_SECCOMP_FILTER).
    """
    _install(_PROGRAM)


def refuse_namespaces() -> None:
    """Refuse namespaces and mounts in the same way.

    Raises:
        OSError: As `refuse`.
    """
    _install(_PROGRAM_FOR_NAMESPACES)


def call_to_refuse_namespaces() -> tuple[Any, ...]:
    """Make the arguments with which syscall(2) does that, for one who can afford no more; it returns 0 then.

    Raises:
        OSError: Boxes are not supported on this processor.
    """
    return _call(_PROGRAM_FOR_NAMESPACES)


def _call(program: ctypes.Array[ctypes.c_char] | None) -> tuple[Any, ...]:
    return number("seccomp"), _SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_SPEC_ALLOW, program


def _install(program: ctypes.Array[ctypes.c_char] | None) -> None:
    if _libc.syscall(*_call(program)) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"seccomp: {os.strerror(error)}")


def _statement(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _fail(error: int) -> bytes:
    return _statement(_RETURN, _FAIL_WITH | error)


def _refusing(machine: str, refused: dict[str, int]) -> list[bytes]:
    """The start of a filter, in classic BPF: numbers of another architecture or of x32 are unknown calls."""
    numbers = _NUMBERS[machine]
    lines = [
        _statement(_LOAD_WORD, _ARCHITECTURE_AT),
        _statement(_JUMP_IF_EQUAL, _AUDIT_ARCHITECTURES[machine], 1, 0),
        _fail(errno.ENOSYS),
        _statement(_LOAD_WORD, _NUMBER_AT),
        _statement(_JUMP_IF_AT_LEAST, _X32_BIT, 0, 1),
        _fail(errno.ENOSYS),
    ]
    for name, error in refused.items():
        lines += [_statement(_JUMP_IF_EQUAL, numbers[name], 0, 1), _fail(error)]
    return lines


def _program(machine: str) -> bytes:
    """The filter that a zygote has too, which makes namespaces and mounts for its runs."""
    numbers = _NUMBERS[machine]
    lines = _refusing(machine, _REFUSED)
    for name in ("socket", "socketpair"):
        lines += [
            _statement(_JUMP_IF_EQUAL, numbers[name], 0, 4),
            _statement(_LOAD_WORD, _FIRST_ARGUMENT_AT),
            _statement(_JUMP_IF_EQUAL, _AF_UNIX, 1, 0),
            _fail(errno.EAFNOSUPPORT),
            _statement(_RETURN, _ALLOW),
        ]
    return b"".join([*lines, _statement(_RETURN, _ALLOW)])


def _program_for_namespaces(machine: str) -> bytes:
    """The filter against those."""
    lines = [
        *_refusing(machine, _NAMESPACES),
        _statement(_JUMP_IF_EQUAL, _NUMBERS[machine]["clone"], 0, 3),
        _statement(_LOAD_WORD, _FIRST_ARGUMENT_AT),
        _statement(_JUMP_IF_ANY, _NEW_NAMESPACES, 0, 1),
        _fail(errno.EPERM),
        _statement(_RETURN, _ALLOW),
    ]
    return b"".join(lines)


def _compiled(program: Callable[[str], bytes]) -> ctypes.Array[ctypes.c_char] | None:
    """The kernel's `struct sock_fprog`, with the filter behind it."""
    if platform.machine() not in _NUMBERS:
        return None
    code = program(platform.machine())
    memory = ctypes.create_string_buffer(16 + len(code))
    header = struct.pack("=HxxxxxxQ", len(code) // 8, ctypes.addressof(memory) + 16)
    memory.raw = header + code
    return memory


# Made once, in the worker: its children have them at the same addresses.
_PROGRAM = _compiled(_program)
_PROGRAM_FOR_NAMESPACES = _compiled(_program_for_namespaces)
