"""The guest's source, as it is sent to a box."""

import hashlib
import json
import struct
from functools import cache
from importlib import resources
from typing import Any

MODULES = (
    "wire", "codec", "canonical", "leftovers", "syscalls", "separation", "candidate", "suite", "tester", "run",
    "worker",
)  # fmt: skip
"""Modules of `guest`, each after those it imports."""

BOOTSTRAP = """
import json, os, struct, sys, types
def read(count):
    data = b""
    while len(data) < count:
        chunk = os.read(0, count - len(data))
        if not chunk: sys.exit(0)
        data += chunk
    return data
sys.path[:] = [p for p in sys.path if p]
start = json.loads(read(struct.unpack("!I", read(4))[0]))
package = types.ModuleType("guest")
package.__path__ = []
sys.modules["guest"] = package
for name, source in start["modules"]:
    module = types.ModuleType("guest." + name)
    module.__package__ = "guest"
    sys.modules[module.__name__] = module
    setattr(package, name, module)
    exec(compile(source, "<guest " + name + ">", "exec"), module.__dict__)
sys.modules["guest.worker"].main(start["configuration"])
"""
"""Start code of a box's Python (`python -c`): it reads the modules from standard input and runs the worker."""


@cache
def _sources() -> tuple[tuple[str, str], ...]:
    folder = resources.files(__package__) / "guest"
    return tuple((name, (folder / f"{name}.py").read_text(encoding="utf-8")) for name in MODULES)


def start_message(configuration: dict[str, Any]) -> bytes:
    """Build the bytes a box expects first: the guest's modules and the worker's configuration."""
    payload = json.dumps({"modules": _sources(), "configuration": configuration}).encode()
    return struct.pack("!I", len(payload)) + payload


def digest() -> str:
    """Hash the guest (SHA-256): boxes with the same image and digest grade alike."""
    return hashlib.sha256(json.dumps(_sources()).encode()).hexdigest()
