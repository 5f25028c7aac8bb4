"""Files of this host that a Python needs to run, with the shell that `subprocess` calls, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from ...errors import SandboxError

_FIND: Final = """
import ctypes, importlib, json, os, sys, sysconfig
try:
    # Loaded by glibc when a thread ends, by name.
    ctypes.CDLL("libgcc_s.so.1")
except OSError:
    pass
for folder in sys.path:
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        if ".so" in name:
            try:
                importlib.import_module(name.partition(".")[0])
            except BaseException:
                pass
mapped = {line.split(None, 5)[5].strip() for line in open("/proc/self/maps") if line.count("/")}
print(json.dumps({
    "folders": sorted({os.path.realpath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}),
    "libraries": sorted(path for path in mapped if ".so" in os.path.basename(path)),
}))
"""
"""Script for the Python in question: lists libraries mapped after importing the whole standard library."""

_FIND_S: Final = 60.0
_SYSTEM_LIBRARY_FOLDERS: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_DATA_FOLDERS: Final = ("/usr/share/zoneinfo", "/usr/lib/locale/C.utf8")
"""Data of modules zoneinfo and locale."""

_SHELL: Final = Path("/bin").resolve() / "sh"
_PACKAGES: Final = ("site-packages", "dist-packages")


class PythonFiles(NamedTuple):
    """Files a Python needs of this host.

    Attributes:
        executables: Its own file, and the shell's.
        folders: The standard library and data, as folders.
        hidden: Folders within them that hold installed packages.
        libraries: Shared libraries outside of those folders.
        links: Symbolic links by which these are found, and their targets.
    """

    executables: tuple[Path, ...]
    folders: tuple[Path, ...]
    hidden: tuple[Path, ...]
    libraries: tuple[Path, ...]
    links: tuple[tuple[Path, str], ...]


@cache
def python_files(executable: Path) -> PythonFiles:
    """Find the files a Python needs.

    Raises:
        SandboxError: It does not run.
    """
    command = [str(executable), "-I", "-S", "-c", _FIND]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_FIND_S, check=True, cwd="/", env={})
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SandboxError(f"{executable} does not run ({' '.join(str(error).split())[:200]})") from None
    data = [Path(folder) for folder in _DATA_FOLDERS if Path(folder).is_dir()]
    folders = (*map(Path, found["folders"]), *data)
    outside = [path for path in map(Path, found["libraries"]) if not any(map(path.is_relative_to, folders))]
    return PythonFiles(
        executables=(executable, *([_SHELL.resolve()] if _SHELL.exists() else [])),
        folders=folders,
        hidden=tuple(path for folder in folders for name in _PACKAGES if (path := folder / name).is_dir()),
        libraries=tuple(outside),
        links=(*_links_to(outside), *([(_SHELL, os.readlink(_SHELL))] if _SHELL.is_symlink() else [])),
    )


def check_apart(files: PythonFiles, *private: Path) -> None:
    """Refuse a Python whose folders would bring something of the user's into a box.

    Args:
        files: What the Python needs.
        private: Folders that programs must not read: the working folder, the home.

    Raises:
        SandboxError: One lies within a folder that the Python needs.
    """
    for path in map(Path.resolve, private):
        for folder in files.folders:
            if path.is_relative_to(folder):
                raise SandboxError(
                    f"{path} is inside {folder}, which Python needs in the sandbox and programs can read: work in "
                    "another folder, or run codebudget with another Python"
                )


def _links_to(libraries: list[Path]) -> list[tuple[Path, str]]:
    """List links by which the dynamic loader finds libraries, named as programs were linked with them."""
    wanted = {str(path) for path in libraries}
    folders = {str(path.parent) for path in libraries} | {
        os.path.realpath(folder) for folder in _SYSTEM_LIBRARY_FOLDERS if os.path.isdir(folder)
    }
    links = []
    for folder in sorted(folders):
        with os.scandir(folder) as entries:
            for entry in entries:
                if ".so" in entry.name and entry.is_symlink() and os.path.realpath(entry.path) in wanted:
                    links.append((Path(entry.path), os.readlink(entry.path)))
    return sorted(links)
