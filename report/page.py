"""The page: its data packed, its scripts and styles under a policy that lets nothing else in, as a folder or one file.

A page opens from a file, so its data are scripts, which hand over deflated JSON in base64: no text of a run is ever
part of HTML or JavaScript. The policy allows scripts and styles that carry the page's nonce, and nothing from
elsewhere. The nonce is a digest of everything in the page: the same page always has the same one, and nothing inside it
can know it.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import zlib
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from .._util.outputs import check_output_folder, replacing_folder, write_text
from .._util.redaction import redacted
from ..errors import MachineError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

STYLES = ("style.css",)
SCRIPTS = (
    "data.js",
    "text.js",
    "format.js",
    "state.js",
    "filters.js",
    "ranks.js",
    "ranking.js",
    "plots.js",
    "cost.js",
    "curves.js",
    "scores.js",
    "matrix.js",
    "candidates.js",
    "runs.js",
    "main.js",
)
"""Scripts in the order they run: each builds on those before it."""


class Kind(NamedTuple):
    """A kind of page: its template, and its scripts in their order."""

    template: str
    scripts: tuple[str, ...]


RUNS = Kind("page.html", SCRIPTS)
STUDY = Kind("study.html", ("data.js", "text.js", "format.js", "plots.js", "study.js"))

PLOTLY = "plotly.min.js"
_MARKER = '<meta name="generator" content="codebudget">'


class Part(NamedTuple):
    """A piece of data that the page requests by name, such as `index`; parts in folders are loaded when needed."""

    name: str
    data: object


class Written(NamedTuple):
    """A page as written."""

    files: int
    size_bytes: int


def check_plots() -> None:
    """Refuse a page that cannot have its plots, before any work is done for it.

    Raises:
        MachineError: plotly is not installed.
    """
    if importlib.util.find_spec("plotly") is None:
        raise MachineError("the page's plots need plotly: pip install 'codebudget[report]'")


def check_folder(out: Path) -> None:
    """Refuse to overwrite a folder that holds something other than a site.

    Raises:
        UserError: `out` is a folder with other things in it, or `check_output_folder` refuses it.
        MachineError: As `check_output_folder`.
    """
    check_output_folder(out)
    if out.is_dir() and any(out.iterdir()) and not _is_site(out):
        raise UserError(f"`out` {out} contains something other than a site; choose another folder")


def write_folder(out: Path, parts: Iterable[Part]) -> Written:
    """Write a site: `index.html` with its scripts, styles and data beside it. An existing site is replaced.

    Parts are written as they come, so they are never all in memory at once.

    Raises:
        UserError: As `check_folder`.
        MachineError: As `check_plots` and `check_folder`, or the site cannot be written.
    """
    check_plots()
    check_folder(out)
    with replacing_folder(out) as scratch:
        digest = hashlib.sha256()
        count = size = 0
        for name, content in _assets(RUNS):
            count, size = count + 1, size + _write(scratch / "assets" / name, content, digest)
        for part in parts:
            count, size = count + 1, size + _write(scratch / "data" / f"{part.name}.js", _script(part), digest)
        nonce = _nonce(digest)
        page = _page(
            nonce,
            [f'<link rel="stylesheet" nonce="{nonce}" href="assets/{name}">' for name in STYLES],
            [
                f'<script defer nonce="{nonce}" src="assets/{name}"></script>'
                for name in (*SCRIPTS[:1], PLOTLY, *SCRIPTS[1:])
            ],
        )
        size += _write(scratch / "index.html", page, digest)
    return Written(count + 1, size)


def write_file(path: Path, parts: Iterable[Part], kind: Kind = RUNS) -> Written:
    """Write a page of a kind with everything in it into one file.

    Raises:
        UserError: A link or no plain file is there.
        MachineError: As `check_plots`, or the file cannot be written.
    """
    check_plots()
    digest = hashlib.sha256()
    assets = dict(_assets(kind))
    scripts = [_script(part) for part in parts]
    for text in (*assets.values(), *scripts):
        digest.update(text.encode())
    nonce = _nonce(digest)
    first, *others = kind.scripts
    order = (assets[first], *scripts, assets[PLOTLY], *(assets[name] for name in others))
    page = _page(
        nonce,
        [f'<style nonce="{nonce}">\n{assets[name]}</style>' for name in STYLES],
        [f'<script nonce="{nonce}">\n{text}</script>' for text in order],
        kind,
    )
    write_text(path, page, "`report`")
    return Written(1, len(page.encode()))


def pack(data: object) -> str:
    """Pack `data` without secrets: JSON, deflated, in base64."""
    plain = redacted(json.dumps(data, separators=(",", ":"), allow_nan=False)).encode("ascii")
    return base64.b64encode(zlib.compress(plain, 6)).decode("ascii")


def _script(part: Part) -> str:
    return f'codebudget.receive("{part.name}","{pack(part.data)}");\n'


def _assets(kind: Kind) -> Iterator[tuple[str, str]]:
    from plotly.offline import get_plotlyjs

    web = files(__package__) / "web"
    for name in (*STYLES, *kind.scripts):
        yield name, (web / name).read_text(encoding="utf-8")
    yield PLOTLY, get_plotlyjs()


def _page(nonce: str, styles: list[str], scripts: list[str], kind: Kind = RUNS) -> str:
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    page = (files(__package__) / "web" / kind.template).read_text(encoding="utf-8")
    for name, text in (("policy", policy), ("styles", "\n".join(styles)), ("scripts", "\n".join(scripts))):
        page = page.replace("{{" + name + "}}", text, 1)
    return page


def _nonce(digest: hashlib._Hash) -> str:
    return base64.b64encode(digest.digest()[:18]).decode("ascii")


def _write(path: Path, text: str, digest: hashlib._Hash) -> int:
    encoded = text.encode()
    digest.update(encoded)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded)
    return len(encoded)


def _is_site(folder: Path) -> bool:
    index = folder / "index.html"
    return index.is_file() and _MARKER in index.read_text(encoding="utf-8", errors="replace")[:4000]
