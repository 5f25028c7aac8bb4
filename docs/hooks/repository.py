"""Makes one site of `docs/` and of what its pages point to elsewhere in the repository.

Links in the documents are those of the checkout, where they can be followed too. What they lead to outside `docs/` is
put on the site under `repository/`; README.md is its first page.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

HOME, FIRST, OUTSIDE = "README.md", "index.md", "repository"
LINK = re.compile(r"(?<=\]\()([^)\s:#]+)(?=(#[^)\s]*)?\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages point to, and what is pointed to from there."""
    root = Path(config.config_file_path).parent
    waiting = [HOME, *(_path_of(file.src_uri) for file in files.documentation_pages())]
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        uri = _uri_of(root, path)
        if uri is not None and files.get_file_from_path(uri) is None:
            files.append(File.generated(config, uri, abs_src_path=str(root / path)))
        if path.endswith(".md"):
            text = (root / path).read_text(encoding="utf-8")
            found = {_target(root, path, link) for link, _ in LINK.findall(text)} - seen
            seen |= found
            waiting += sorted(found)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn a page's links from the repository's to the site's."""
    root, path = Path(config.config_file_path).parent, _path_of(page.file.src_uri)

    def on_site(found: re.Match[str]) -> str:
        uri = _uri_of(root, _target(root, path, found[0]))
        return found[0] if uri is None else posixpath.relpath(uri, posixpath.dirname(page.file.src_uri) or ".")

    return LINK.sub(on_site, markdown)


def _target(root: Path, path: str, link: str) -> str:
    """What a link of the document at `path` leads to, seen from the root; for a folder its README."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    return posixpath.join(target, "README.md") if (root / target).is_dir() else target


def _path_of(uri: str) -> str:
    """Where a page of the site lies in the repository."""
    if uri == FIRST:
        return HOME
    return uri.removeprefix(f"{OUTSIDE}/") if uri.startswith(f"{OUTSIDE}/") else f"docs/{uri}"


def _uri_of(root: Path, path: str) -> str | None:
    """Where a file of the repository lies on the site; None where there is no such file."""
    if path == HOME:
        return FIRST
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"{OUTSIDE}/{path}" if not path.startswith("..") and (root / path).is_file() else None
