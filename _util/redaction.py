"""This user's secrets, found by value in anything about to be written, and replaced by `***`.

A server may echo the key it was sent in a sample, an error or its version. The values looked for are the environment's
keys, and the secret parts of server URLs: a password, a user without one, keys in a query.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, quote_plus, unquote, unquote_plus, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS: Final = ("OPENAI_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
URLS: Final = (
    *("OPENAI_BASE_URL", "HF_ENDPOINT"),
    *(name for upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") for name in (upper, upper.lower())),
)
"""Variables that hold keys, and those that hold server URLs."""

MARK: Final = "***"

_LEAST_CHARACTERS: Final = 8
_LEAST_PLAIN: Final = 12
"""Least length of a lone word or number. Ordinary programs hold shorter ones: replacing them would spoil those."""

_SECRET_NAME: Final = re.compile(r"key|token|secret|sig|pass|auth|cred|code", re.IGNORECASE)
"""Names of secrets in a URL's query; others, such as a version, are none."""

_known_urls: set[str] = set()


class Redactor(NamedTuple):
    """Replacer of secrets, longest first, so that one inside another leaves nothing of it."""

    secrets: tuple[str, ...]

    def text(self, text: str) -> str:
        """Redact a text."""
        for secret in self.secrets:
            text = text.replace(secret, MARK)
        return text

    def data(self, data: bytes) -> bytes:
        """Redact UTF-8 bytes."""
        for secret in self.secrets:
            data = data.replace(secret.encode("utf-8", "surrogatepass"), MARK.encode())
        return data

    def value(self, value: Any) -> Any:
        """Redact every text and key of a JSON value."""
        if not self.secrets:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


def redactor() -> Redactor:
    """Make a redactor of the secrets known now: the environment's and those of URLs given to `know_url`."""
    return _redactor(
        tuple(os.environ.get(name, "") for name in KEYS),
        (*(os.environ.get(name, "") for name in URLS), *sorted(_known_urls)),
    )


def redacted(text: str) -> str:
    """Redact the secrets known now from a text."""
    return redactor().text(text)


def know_url(url: str) -> None:
    """Redact the secrets in a server's URL from now on."""
    _known_urls.add(url)


def bare_url(url: str) -> str:
    """Strip a URL of user, password, query and fragment, and of known secrets in its path."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return redacted(url)
    return redacted(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}")


@functools.lru_cache(maxsize=8)
def _redactor(keys: tuple[str, ...], urls: tuple[str, ...]) -> Redactor:
    found = {form for key in keys for form in _forms(key.strip())}
    for url in urls:
        found.update(_secrets_of_url(url))
    return Redactor(tuple(sorted(found, key=lambda form: (-len(form), form))))


def _secrets_of_url(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    login = parts.netloc.rpartition("@")[0]
    user, colon, password = login.partition(":")
    for secret in {password, unquote(password)} if colon else {user, unquote(user)}:
        yield from _forms(secret)
    if colon:
        # However short: between user and host it can be nothing but a password. In base64 it is in a header.
        plain = f"{unquote(user)}:{unquote(password)}"
        yield from (f"{login}@", f"{plain}@", base64.b64encode(plain.encode("utf-8", "surrogatepass")).decode("ascii"))
    for part in parts.query.split("&"):
        name, _, value = part.partition("=")
        if _SECRET_NAME.search(name):
            for secret in {value, unquote_plus(value)}:
                yield from _forms(secret)


def _forms(secret: str) -> Iterator[str]:
    """Yield the forms of a secret: as is, percent-encoded, and inside JSON; none where it is too plain."""
    is_plain = secret.isdigit() or (secret.isalpha() and (secret.isupper() or secret[1:].islower()))
    if len(secret) < (_LEAST_PLAIN if is_plain else _LEAST_CHARACTERS):
        return
    yield secret
    with contextlib.suppress(UnicodeEncodeError):
        yield from (quote(secret, safe=""), quote_plus(secret))
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
