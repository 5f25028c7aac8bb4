"""A comparison on two containers that `ray start` joined, beside the same without Ray: the answers must be equal.

    python benchmarks/scale/two_containers.py IMAGE

IMAGE is any that this Python runs in, such as a bare Debian; Docker, or Podman at DOCKER_HOST, runs it. The containers
have files, processes and shared memory of their own, one processor each for Ray, and this machine's network, in which
each has its own address and ports. They see the checkout and this Python's folders read-only, under the same paths. The
same is done again with the second container killed while both draw. Prints a line per run with its seconds; exits 1
where an answer differs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
ARMS: Final = ("250k@fp32:20", "1m@fp32:2")
"""At 32 bits, batches of other shapes draw the same texts."""
WORDS: Final = (
    *("compare", *ARMS, "--family", "nano", "--tasks", "6", "--engine", "transformers", "--max-tokens", "48"),
    *("--sandbox", "process", "--workers", "1", "--seed", "3", "--json"),
)
HEAD: Final = "127.0.0.1"
OTHER: Final = "127.0.0.2"
PORT: Final = 26379
"""The head's; each container's other ports are in a thousand of its own, all below those that Linux gives away."""
NAMES: Final = {HEAD: f"codebudget-ray-head-{os.getpid()}", OTHER: f"codebudget-ray-other-{os.getpid()}"}
PATIENCE_S: Final = 240.0


def docker(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command of Docker's that must succeed."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=PATIENCE_S, check=False, **more)
    if done.returncode:
        raise SystemExit(f"docker {' '.join(words[:2])} failed:\n{done.stderr[-3000:]}")
    return done


def started(image: str, address: str, first_port: int) -> None:
    """Start a container that is a node, and wait until it has joined."""
    folders = sorted({str(ROOT), sys.prefix, sys.base_prefix} - {"/usr"})
    ports = dict(
        zip(
            (
                *("node-manager-port", "object-manager-port", "runtime-env-agent-port", "metrics-export-port"),
                *("dashboard-agent-listen-port", "dashboard-agent-grpc-port"),
            ),
            range(first_port, first_port + 6),
            strict=True,
        )
    )
    ports |= {"min-worker-port": first_port + 100, "max-worker-port": first_port + 900}
    joins = (
        ("--head", f"--port={PORT}", "--include-dashboard=false") if address == HEAD else (f"--address={HEAD}:{PORT}",)
    )
    docker(
        *("run", "--detach", "--rm", "--init", "--network", "host", "--shm-size", "256m", "--tmpfs", "/tmp:exec"),
        *(word for folder in folders for word in ("--volume", f"{folder}:{folder}:ro")),
        *(
            "--env",
            "HOME=/tmp",
            "--env",
            "OMP_NUM_THREADS=1",
            "--env",
            "RAY_USAGE_STATS_ENABLED=0",
            "--workdir",
            "/tmp",
        ),
        *("--name", NAMES[address], image, sys.executable, "-m", "ray.scripts.scripts", "start", "--block"),
        *(*joins, f"--node-ip-address={address}", "--num-cpus=1", "--object-store-memory=100000000"),
        *(f"--{name}={port}" for name, port in ports.items()),
    )


def nodes() -> int:
    """Count the nodes that the head calls alive."""
    script = (
        f"import ray; ray.init(address='{HEAD}:{PORT}', log_to_driver=False, logging_level='ERROR'); "
        "print(sum(one['Alive'] for one in ray.nodes()))"
    )
    asked = ["docker", "exec", NAMES[HEAD], sys.executable, "-c", script]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    lines = done.stdout.split()
    return int(lines[-1]) if done.returncode == 0 and lines else 0


def compare(store: str, *more: str, kills: bool = False) -> dict[str, Any]:
    """Run the comparison in the head's container; the second one is killed when its replica begins."""
    words = [NAMES[HEAD], sys.executable, "-m", "codebudget", *WORDS, "--store", f"/tmp/{store}", *more]
    since = time.monotonic()
    with subprocess.Popen(["docker", "exec", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        lines = []
        if kills:
            for line in run.stderr:
                lines.append(line)
                if "drawing with 2 replicas" in line:
                    docker("kill", NAMES[OTHER])
                    break
        answer, rest = run.communicate(timeout=PATIENCE_S)
    errors = "".join([*lines, rest])
    if run.returncode:
        raise SystemExit(f"the comparison failed:\n{errors[-3000:]}")
    if kills and "is lost" not in errors:
        raise SystemExit(f"the second container was not missed:\n{errors[-3000:]}")
    nodes_named = [line for line in errors.splitlines() if "replicas on Ray" in line or "is lost" in line]
    name = f"{' '.join(more) or 'without Ray'}{', the second container killed' if kills else ''}"
    print(f"{name}: {time.monotonic() - since:.0f} s", *nodes_named, sep="\n  ", flush=True)
    found: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return found


def scores(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what clocks and meters say."""
    arms = [
        {
            "spec": arm["spec"],
            "n": arm["n"],
            "pass_at_k": arm["pass_at_k"],
            "flops": arm["realised"]["flops"],
            "rankers": {name: [one[part] for part in ("value", "low", "high")] for name, one in arm["rankers"].items()},
        }
        for arm in answer["arms"]
    ]
    return {"arms": arms, "paired": answer["paired"], "verdict": answer["verdict"]}


def main() -> int:
    """Start the containers, compare three times, and end them."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    since = time.monotonic()
    try:
        started(sys.argv[1], HEAD, 20000)
        while nodes() < 1 and time.monotonic() - since < PATIENCE_S:
            time.sleep(1)
        started(sys.argv[1], OTHER, 21000)
        while nodes() < 2:
            if time.monotonic() - since > PATIENCE_S:
                raise SystemExit("the two containers are no cluster")
            time.sleep(1)
        print(f"two containers are a cluster: {time.monotonic() - since:.0f} s", flush=True)
        alone = scores(compare("alone.sqlite"))
        together = scores(compare("together.sqlite", "--ray", f"{HEAD}:{PORT}"))
        halved = scores(compare("halved.sqlite", "--ray", f"{HEAD}:{PORT}", kills=True))
    finally:
        subprocess.run(["docker", "rm", "--force", *NAMES.values()], capture_output=True, check=False)
    for name, found in (("two containers", together), ("two containers of which one is killed", halved)):
        if found != alone:
            print(f"{name} give another answer:\n{json.dumps(alone)}\n{json.dumps(found)}", file=sys.stderr)
            return 1
    print("the answers are equal")
    return 0


if __name__ == "__main__":
    sys.exit(main())
