"""What the documents tell a reader to type or open exists."""

import re
import shlex
import subprocess
import sys
from pathlib import Path


def documents(repository: Path) -> list[Path]:
    return [*sorted(repository.glob("*.md")), *sorted((repository / "docs").rglob("*.md"))]


def commands(repository: Path, program: str) -> set[tuple[str, str]]:
    """(document, first argument) of every line of a code block that starts with `program`."""
    found = set()
    for document in documents(repository):
        text = document.read_text(encoding="utf-8")
        fenced = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
        indented = re.findall(r"^    (.*)$", text, flags=re.MULTILINE)
        for line in [*"\n".join(fenced).splitlines(), *indented]:
            words = re.match(rf"(?:\$ )?{program} ([\w-]+)", line)
            if words:
                found.add((document.name, words[1]))
    return found


def test_make_targets_exist(repository: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (repository / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert {(name, target) for name, target in commands(repository, "make") if target not in targets} == set()


def test_subcommands_exist(repository: Path, tmp_path: Path) -> None:
    typed = {(name, word) for name, word in commands(repository, "codebudget") if not word.startswith("-")}
    program = "import sys; from codebudget.cli.main import main; main()"
    for name, word in sorted(typed):
        done = subprocess.run(
            [sys.executable, "-c", program, word, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{name}: codebudget {shlex.quote(word)}: {done.stderr}"


def test_links_lead_somewhere(repository: Path) -> None:
    broken = []
    for document in documents(repository):
        for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
            target = link.split("#")[0]
            if target and not re.match(r"[a-z]+:", target) and not (document.parent / target).exists():
                broken.append(f"{document.name}: {link}")
    assert broken == []
