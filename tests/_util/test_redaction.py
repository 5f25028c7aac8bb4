"""Secrets are found by their value, however they are written, and what is no secret stays."""

import base64
import json

import pytest
from codebudget._util.redaction import bare_url, redacted, redactor

KEY = "sk-Very/secret+Key 1"


@pytest.mark.parametrize(
    "written",
    [
        KEY,
        f"Bearer {KEY}!",
        f"{KEY}{KEY}",
        "sk-Very%2Fsecret%2BKey%201",
        "sk-Very%2Fsecret%2BKey+1",
        json.dumps({"key": KEY}),
    ],
)
@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "HF_TOKEN"])
def test_a_key_is_replaced_however_it_is_written(monkeypatch: pytest.MonkeyPatch, variable: str, written: str) -> None:
    monkeypatch.setenv(variable, KEY)
    assert "ecret" not in redacted(f"before {written} after")
    assert redacted(f"before {written} after").startswith("before ")
    assert redactor().data(written.encode()) == redacted(written).encode()
    assert "ecret" not in json.dumps(redactor().value({written: [written, 1, None, {"a": (written,)}]}))


def test_a_key_with_quotes_is_found_inside_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", 'quo"ted\\ké y1')
    for escaped in (True, False):
        assert json.loads(redacted(json.dumps({"a": 'quo"ted\\ké y1'}, ensure_ascii=escaped))) == {"a": "***"}


@pytest.mark.parametrize("key", ["", " ", "none", "EMPTY", "sk-1234", "password", "function", "Password", "12345678"])
def test_what_is_no_secret_spoils_no_text(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    text = f"def {key}(x): return {key!r}, 12345678"
    assert redacted(text) == text


@pytest.mark.parametrize(
    ("url", "secrets", "others"),
    [
        (
            "http://user:hunter2@host/v1",
            ["http://user:hunter2@host/v1", "user:hunter2@", base64.b64encode(b"user:hunter2").decode()],
            ["hunter2", "user", "host/v1"],
        ),
        ("https://u:long-pass%40word@host", ["long-pass@word", "long-pass%40word", "u:long-pass%40word@"], ["host"]),
        ("https://ghp_Token123@host/v1", ["ghp_Token123"], ["host/v1"]),
        ("https://host/v1?api-version=2024-02-01&api_key=abc%2Fdef123", ["abc/def123", "abc%2Fdef123"], ["2024-02-01"]),
        ("https://a@host", [], ["a@host"]),
        ("http://[broken", [], ["http://[broken"]),
    ],
)
def test_what_is_secret_in_a_url(
    monkeypatch: pytest.MonkeyPatch, url: str, secrets: list[str], others: list[str]
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    for secret in secrets:
        assert secret not in redacted(f"see {secret} there")
    for other in others:
        assert redacted(f"see {other} there") == f"see {other} there"


def test_a_bare_url_is_the_same_whatever_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "path-key-1")
    urls = ["http://h:1/v1", "http://u:pass-word-1@h:1/v1/", "http://u:other@h:1/v1?key=path-key-2#f"]
    assert {bare_url(url) for url in urls} == {"http://h:1/v1"}
    assert bare_url("http://h/path-key-1/v1") == "http://h/***/v1"
