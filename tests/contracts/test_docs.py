"""What the documents tell a reader to type or open exists; every command is parsed, and the tutorial is run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import typer
from codebudget.cli.commands import make_app

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG_S = 900
# typer carries its own copy of click and exports only the leaves of click's errors.
USAGE_ERROR: type[Exception] = typer.BadParameter.__mro__[2]


class Typed(NamedTuple):
    """A command as a document shows it, without prompt, comment, and what a shell would do with its output."""

    document: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}: {shlex.join(self.words)}"


def documents(repository: Path) -> list[Path]:
    examples = (repository / "examples").rglob("*.md")
    return [*sorted(repository.glob("*.md")), *sorted((repository / "docs").rglob("*.md")), *sorted(examples)]


def code_lines(text: str) -> Iterator[str]:
    """Lines of fenced and indented blocks; one that ends with a backslash goes on in the next.

    Of a block with prompts only what is typed counts, for the rest of it is output.
    """
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    indented = re.findall(r"(?:^    .*\n)+", text, flags=re.MULTILINE)
    for block in [*fenced, *(re.sub(r"^    ", "", each, flags=re.MULTILINE) for each in indented)]:
        lines = re.sub(r"\\\n\s*", "", block).splitlines()
        yield from [line for line in lines if line.startswith("$ ")] or lines


def commands(repository: Path, program: str) -> set[Typed]:
    """Every line of a code block that starts with `program`, as often as `&&` and the like start another."""
    found = set()
    for document in documents(repository):
        for line in code_lines(document.read_text(encoding="utf-8")):
            if not re.match(rf"(?:\$ )?{program} ", line):
                continue
            lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
            lexer.wordchars += "@$,:%"
            words = [program]
            for word in list(lexer)[1:]:
                if set(word) <= set("();<>|&"):
                    break
                words.append(word)
            found.add(Typed(document.name, tuple(words)))
    return found


def test_make_targets_exist(repository: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (repository / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert [str(typed) for typed in commands(repository, "make") if typed.words[1] not in targets] == []


def test_commands_are_found(repository: Path) -> None:
    typed = {command.words for command in commands(repository, "codebudget")}
    assert ("codebudget", "plan", "70b:1", "34b", "13b", "7b", "--match", "flops") in typed
    assert ("codebudget", "leaderboard", "verify", "forged") in typed
    assert len(typed) > 40


def mistake(words: tuple[str, ...]) -> str | None:
    """Why the command line would not take a command; nothing of it is run."""
    command, arguments, parent = typer.main.get_command(make_app()), list(words[1:]), None
    try:
        while True:
            context = command.make_context("codebudget", arguments, parent=parent)
            if not hasattr(command, "resolve_command"):
                return None
            _, command, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
            parent = context
    except typer.Exit:  # --help and --version
        return None
    except USAGE_ERROR as error:
        return str(error)


def test_commands_parse(repository: Path) -> None:
    """Subcommands, options and their values are as the command line takes them."""
    found = {str(typed): mistake(typed.words) for typed in commands(repository, "codebudget")}
    assert {typed: why for typed, why in found.items() if why is not None} == {}


@pytest.mark.parametrize(
    "line",
    ["plann 7b", "plan 7b --macth flops", "plan 7b --match bytes", "leaderboard verifi run", "leaderboard build run"],
)
def test_mistakes_are_found(line: str) -> None:
    assert mistake(("codebudget", *line.split())) is not None


def test_links_lead_somewhere(repository: Path) -> None:
    broken = []
    for document in documents(repository):
        for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
            target = link.split("#")[0]
            if target and not re.match(r"[a-z]+:", target) and not (document.parent / target).exists():
                broken.append(f"{document.name}: {link}")
    assert broken == []


def test_the_site_is_built_without_a_warning(repository: Path, tmp_path: Path) -> None:
    for module in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(module, reason="needs the extra [docs]")
    # A clone may have any name; the reference is read from a folder of the package's.
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "codebudget").symlink_to(repository)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    environment = os.environ | {"CODEBUDGET_SOURCE": str(tmp_path / "source"), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [*command, "--config-file", str(repository / "mkdocs.yml")],
        env=environment, capture_output=True, text=True, check=False, timeout=LONG_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.relative_to(tmp_path / "site").as_posix() for path in (tmp_path / "site").rglob("*.html")}
    assert {"index.html", "tutorial/index.html", "statistics/index.html", "reference/estimators/index.html"} <= pages
    assert "pass_at_k" in (tmp_path / "site" / "reference" / "estimators" / "index.html").read_text(encoding="utf-8")


class TestTutorial:
    """docs/tutorial.md, as it stands."""

    @pytest.fixture
    def text(self, repository: Path) -> str:
        return (repository / "docs" / "tutorial.md").read_text(encoding="utf-8")

    def test_its_board_is_the_example(self, text: str, repository: Path) -> None:
        (board,) = re.findall(r"^```toml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
        assert board == (repository / "examples" / "small.toml").read_text(encoding="utf-8")

    def test_runs_from_the_first_command_to_the_last(self, text: str, tmp_path: Path) -> None:
        for module, extra in (("torch", "transformers"), ("transformers", "transformers"), ("plotly", "report")):
            pytest.importorskip(module, reason=f"needs the extra [{extra}]")
        program = Path(sys.executable).parent / "codebudget"
        probed = subprocess.run([program, "sandbox", "probe"], capture_output=True, text=True, check=True, timeout=120)
        if probed.stdout.strip() == "process":
            pytest.skip("needs bubblewrap, or a Docker engine with the sandbox image")
        (board,) = re.findall(r"^```toml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
        (tmp_path / "board.toml").write_text(board, encoding="utf-8")
        script = "\n".join(re.findall(r"^```bash\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))
        environment = os.environ | {"PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", script],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=LONG_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "small-run: verified" in done.stdout
        assert "forged: DIFFERS" in done.stdout
        assert "theirs: verified" in done.stdout
        assert (tmp_path / "site" / "index.html").is_file()
        archived = {path.name: path.read_bytes() for path in (tmp_path / "theirs").iterdir()}
        assert archived == {path.name: path.read_bytes() for path in (tmp_path / "small-run").iterdir()}
