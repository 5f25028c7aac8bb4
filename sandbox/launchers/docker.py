"""Boxes that are Docker containers, through the docker SDK."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SandboxError
from ..box import BOOTSTRAP, START_S, Box, start_message
from ..images import PLAIN, Image
from ..stream import BoxLostError, DockerStream
from .local import ENVIRONMENT
from .ownership import owner_is_dead, owner_mark

if TYPE_CHECKING:
    from docker import DockerClient

LABEL = "codebudget.run"
"""Label of every container of ours; its value is the run that owns it."""

OWNER_LABEL = "codebudget.owner"
"""Label whose value is the mark of the process that owns the container."""

_RUN_ID = uuid.uuid4().hex
_FIRST_UID, _UID_COUNT = 10_000, 50_000
_BOX_MEMORY_BYTES = 2 << 30
_INODES = "nr_inodes=8192"
_TMPFS = f"size=64m,{_INODES},mode=1777"
_CONNECT_S = 10
_ANSWER_S = 60
"""Seconds that an engine which is there may take for one request: a busy machine starts a container slowly."""
_BUILD_S = 600
_BUILD_LIBRARIES_S = 3600


class DockerLauncher:
    """Starts warm containers, each with a worker that gives every run a user id of its own.

    Args:
        image: what they run; `codebudget sandbox build` makes it.
    """

    def __init__(self, image: Image = PLAIN) -> None:
        self._image = image
        self._client: DockerClient | None = None
        self._image_id = ""
        self._tried: deque[Box] = deque()
        self._tmpfs = _TMPFS

    @property
    def name(self) -> str:
        """`docker`, with the image's name if it has libraries."""
        return f"docker-{self._image.name}" if self._image.libraries else "docker"

    @property
    def promise(self) -> str:
        """Its isolation, which is the same for every image, and the libraries of those that have some."""
        isolation = "containers without network or capabilities, read-only, memory and processes bounded per box"
        return f"{isolation}; {self._image.holds}" if self._image.libraries else isolation

    def prepare(self) -> None:
        """Reach the engine, remove what dead owners left, find the image, and start a box.

        The plain image is built if there is none; one with libraries, which takes long, is not. The box is kept for the
        first `launch`; if none comes, it ends with this process.

        Raises:
            SandboxError: one of these fails.
        """
        self.clean()
        self._image_id = self._find_image()
        if not self._tried:
            box = self._start()
            box.try_out()
            self._tried.append(box)

    def environment(self) -> str:
        """Name the image, by its digest."""
        return f"{self.name} {self._image_id}"

    def clean(self) -> list[str]:
        """Remove and list the containers whose owner was a process of this machine and is gone.

        Raises:
            SandboxError: the engine does not answer or fails to remove one.
        """
        api = self._engine().api
        try:
            ours = api.containers(all=True, filters={"label": OWNER_LABEL})
        except _failures() as error:
            raise SandboxError(f"the engine cannot list its containers: {error}") from error
        removed = []
        for found in ours:
            if owner_is_dead(found["Labels"][OWNER_LABEL]):
                _remove(api, found["Id"])
                removed.append(f"container {found['Id'][:12]}")
        return removed

    def _find_image(self) -> str:
        import docker

        try:
            return str(self._engine().images.get(self._image.tag).id)
        except docker.errors.ImageNotFound:
            if not self._image.libraries:
                return build_image()
            command = f"codebudget sandbox build --image {self._image.name}"
            raise SandboxError(f"the image {self._image.tag} is not there; build it: {command}") from None
        except _failures() as error:
            raise SandboxError(f"the engine cannot say whether it has the image: {error}") from error

    def _engine(self) -> DockerClient:
        if self._client is None:
            self._client = connect()
        return self._client

    def launch(self) -> Box:
        """Start a container and greet its worker; the first is the one tried out before."""
        try:
            return self._tried.pop()
        except IndexError:
            return self._start()

    def _start(self) -> Box:
        api = self._engine().api
        try:
            container = self._created(api)
        except _failures() as error:
            raise SandboxError(f"the container could not be created: {error}") from error

        def kill() -> None:
            _remove(api, container)

        try:
            attached = api.attach_socket(container, {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
            stream = DockerStream(_raw_socket(attached))
            api.start(container)
            stream.write(
                start_message(
                    {
                        "separation": "uid",
                        "work_root": "/tmp",
                        "first_uid": _FIRST_UID,
                        "uid_count": _UID_COUNT,
                        "libraries": self._image.libraries,
                    }
                ),
                time.monotonic() + START_S,
            )
            return Box(stream, kill)
        except BoxLostError:
            kill()
            raise
        except _failures() as error:
            kill()
            raise SandboxError(f"the container did not start: {error}") from error

    def _created(self, api: Any) -> str:
        import docker

        try:
            return self._create(api)
        except docker.errors.APIError as error:
            if _INODES not in str(error) or _INODES not in self._tmpfs:
                raise
            # Podman 4 takes no bound on the number of files: their memory is the box's, and so is bounded.
            self._tmpfs = self._tmpfs.replace(f",{_INODES}", "")
            return self._create(api)

    def _create(self, api: Any) -> str:
        container = api.create_container(
            self._image_id,
            command=["python3", "-s", "-c", BOOTSTRAP],
            stdin_open=True,
            environment=ENVIRONMENT,
            working_dir="/tmp",
            user="0:0",
            labels={LABEL: _RUN_ID, OWNER_LABEL: owner_mark()},
            network_disabled=True,
            host_config=api.create_host_config(**_host_limits(self._tmpfs)),
        )
        return str(container["Id"])


def _remove(api: Any, container: str) -> None:
    import docker

    try:
        api.remove_container(container, force=True)
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        # Docker answers 409 while the container's own end is already removing it.
        if error.status_code != 409:
            raise SandboxError(f"container {container[:12]} could not be removed: {error}") from error
    except _failures() as error:
        raise SandboxError(f"container {container[:12]} could not be removed: {error}") from error


def _failures() -> tuple[type[Exception], ...]:
    """List what the SDK raises: its own errors, and those of connections where the engine is gone or takes too long."""
    import docker

    return docker.errors.DockerException, OSError


def _host_limits(tmpfs: str) -> dict[str, Any]:
    from docker.types import LogConfig, Ulimit

    return {
        "network_mode": "none",
        "read_only": True,
        "cap_drop": ["ALL"],
        # For the worker only: runs have another user id, and so no capabilities.
        "cap_add": ["SETUID", "SETGID", "KILL"],
        "security_opt": ["no-new-privileges"],
        "pids_limit": 256,
        "mem_limit": _BOX_MEMORY_BYTES,
        "memswap_limit": _BOX_MEMORY_BYTES,
        "nano_cpus": 1_000_000_000,
        "ulimits": [Ulimit(name="nofile", soft=1024, hard=1024), Ulimit(name="core", soft=0, hard=0)],
        "tmpfs": {"/tmp": tmpfs},
        "shm_size": 16 << 20,
        "ipc_mode": "private",
        "log_config": LogConfig(type="none"),
        "auto_remove": True,
    }


def _raw_socket(attached: Any) -> socket.socket:
    # The SDK wraps the socket in a SocketIO whose buffering would get in the way.
    raw = getattr(attached, "_sock", attached)
    if not isinstance(raw, socket.socket):
        raise SandboxError("this Docker connection has no plain socket; use a unix:// or tcp:// DOCKER_HOST")
    duplicate = raw.dup()
    attached.close()
    # The SDK's response refers to itself: until it is collected it would keep the connection.
    raw.close()
    return duplicate


def connect() -> DockerClient:
    """Return a client of the engine set in the environment.

    Raises:
        SandboxError: it does not answer.
    """
    import docker

    try:
        client = docker.from_env(timeout=_CONNECT_S)
        client.ping()
    except _failures() as error:
        where = os.environ.get("DOCKER_HOST", "the default socket")
        raise SandboxError(f"no Docker engine answers at {where}") from error
    client.api.timeout = _ANSWER_S
    return client


def build_image(base: str | None = None, image: Image = PLAIN) -> str:
    """Build an image for boxes, on `base` if given; returns its id.

    Raises:
        SandboxError: the build fails; the message ends with the engine's reason.
    """
    folder = Path(__file__).resolve().parent.parent / "image"
    client = connect()
    client.api.timeout = _BUILD_LIBRARIES_S if image.libraries else _BUILD_S
    arguments = {"BASE": base} if base else None
    try:
        built, _ = client.images.build(
            path=str(folder), dockerfile=image.dockerfile, tag=image.tag, rm=True, buildargs=arguments
        )
    except _failures() as error:
        reason = str(error).splitlines()[-1]
        option = f" --image {image.name}" if image.libraries else ""
        network = ", and let it reach a package index" if image.libraries else ""
        raise SandboxError(
            f"the sandbox image cannot be built ({reason}); choose a base that this engine has: codebudget sandbox "
            f"build{option} --base IMAGE{network}"
        ) from error
    return str(built.id)
