"""A key that a server gives back, and a password in its URL, are in nothing that a command writes."""

import base64
import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.rows import read_rows

KEY, PASSWORD = "sk-Top5ecret", "Pass5ecret"
MODEL = "codellama/CodeLlama-7b-hf"


class Echo(BaseHTTPRequestHandler):
    """Gives the key and the password back wherever it can."""

    server: ThreadingHTTPServer

    def log_message(self, *_: Any) -> None:
        """Stay silent."""

    @property
    def echoed(self) -> str:
        return f"{KEY} {PASSWORD} {self.headers['Authorization']} {self.path}"

    def do_GET(self) -> None:
        if self.path.startswith("/v1/models"):
            model = {"id": MODEL, "object": "model", "created": 0, "owned_by": self.echoed, "root": self.echoed}
            self.reply(200, {"object": "list", "data": [model]})
        else:
            self.reply(200, {"version": f"1.0 {self.echoed}"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self.path.startswith("/v1/completions"):
            self.reply(404, {"error": {"message": self.echoed}})
        elif body["seed"] % 2 and self.server.fails:  # type: ignore[attr-defined]
            self.reply(418, {"error": {"message": f"no tea for {self.echoed}"}})
        else:
            text = f"    return x  # {self.echoed}\n    {KEY.replace('-', '_')}"
            choice = {"index": 0, "text": text, "finish_reason": "stop", "logprobs": None}
            usage = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
            answer = {"id": KEY, "object": "text_completion", "created": 0, "model": KEY, "choices": [choice]}
            self.reply(200, answer | {"usage": usage})

    def reply(self, status: int, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def echo() -> Iterator[ThreadingHTTPServer]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    running.daemon_threads = True
    running.fails = False  # type: ignore[attr-defined]
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def secretive(codebudget, tiny: Path, echo: ThreadingHTTPServer):
    """Runs a command with that server, whose URL holds a password."""

    def run(*arguments: object, key: str = KEY, password: str = PASSWORD):
        url = f"http://user:{password}@127.0.0.1:{echo.server_port}/v1"
        return codebudget(*arguments, OPENAI_BASE_URL=url, OPENAI_API_KEY=key)

    return run


SAMPLE = ("sample", "7b:2", "--benchmark", "tiny.jsonl", "--engine", "openai")


def assert_no_secret(folder: Path, *results: Any) -> None:
    texts = [text.encode() for result in results for text in (result.stdout, result.stderr)]
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            texts.append(gzip.decompress(data) if path.suffix == ".gz" else data)
    encoded = base64.b64encode(f"user:{PASSWORD}".encode())
    for text in texts:
        for secret in (KEY.encode(), PASSWORD.encode(), encoded):
            assert secret not in text


def test_nothing_that_is_kept_or_said_holds_them(secretive, tiny: Path) -> None:
    drawn = secretive(*SAMPLE, "--out", "a.jsonl", "--json")
    assert drawn.returncode == 0, drawn.stderr
    assert "***" in json.loads(drawn.stdout)["arms"][0]["engine"]["engine_version"]
    more = [
        secretive(*SAMPLE, "--out", name, "--engine", engine)
        for name, engine in (("a.jsonl.gz", "openai"), ("a.parquet", "recorded"))
    ]
    compared = secretive(
        *("compare", "7b:2", "--benchmark", "tiny.jsonl", "--engine", "openai", "--sandbox", "process", "--json"),
        *("--report", "r.json", "--report", "r.md"),
    )
    for result in (*more, compared):
        assert result.returncode == 0, result.stderr
    assert_no_secret(tiny, drawn, compared, *more)
    rows = read_rows(tiny / "a.jsonl")
    assert all("# *** *** Basic ***" in row["completion"] for row in rows)
    # A word that only looks like the key is a program's own.
    assert all(KEY.replace("-", "_") in row["completion"] for row in rows)


def test_a_run_of_a_board_holds_none(secretive, tiny: Path) -> None:
    (tiny / "board.toml").write_text(
        f"""schema_version = 1
name = "key {KEY}"
description = "see user:{PASSWORD}@host"
arms = ["7b:2"]
rankers = ["first"]
[[benchmarks]]
name = "tiny.jsonl"
[budget]
match = "flops"
[sampling]
engine = "openai"
[sandbox]
launcher = "process"
check = false
"""
    )
    made = secretive("leaderboard", "run", "board.toml", "--out", "run")
    assert made.returncode == 0, made.stderr
    assert_no_secret(tiny / "run", made)
    named = ("--benchmark-file", "tiny.jsonl", "--sandbox", "process")
    verified = secretive("leaderboard", "verify", "run", *named)
    assert verified.returncode == 0, verified.stdout


def test_errors_hold_none(secretive, tiny: Path, echo: ThreadingHTTPServer) -> None:
    echo.fails = True  # type: ignore[attr-defined]
    failed = secretive(*SAMPLE)
    assert failed.returncode == 0
    assert "7b:2: missing: " in failed.stderr
    assert "no tea for *** *** Basic ***" in failed.stderr
    unknown = secretive("sample", "other:1", *SAMPLE[2:])
    assert unknown.returncode == 2
    assert_no_secret(tiny, failed, unknown)


def test_a_server_that_is_named_keeps_its_password(codebudget, tiny: Path, echo: ThreadingHTTPServer) -> None:
    url = f"http://user:{PASSWORD}@127.0.0.1:{echo.server_port}/v1"
    named = codebudget(*SAMPLE, "--base-url", url, "--out", "a.jsonl", "--json", OPENAI_API_KEY=KEY)
    assert named.returncode == 0, named.stderr
    assert_no_secret(tiny, named)
    echo.fails = True  # type: ignore[attr-defined]
    failed = codebudget(*SAMPLE, "--seed", "1", "--base-url", url, OPENAI_API_KEY=KEY)
    gone = codebudget(*SAMPLE, "--seed", "2", "--base-url", url.replace("/v1", "/v2"), OPENAI_API_KEY=KEY)
    assert "no tea for *** *** Basic ***" in failed.stderr
    assert gone.returncode == 2, gone.stderr
    assert_no_secret(tiny, failed, gone)


def test_another_password_or_key_makes_no_other_samples(secretive, tiny: Path) -> None:
    first = secretive(*SAMPLE, "--json")
    other = secretive(*SAMPLE, "--json", password="An0ther-pass", key="sk-An0ther")
    assert json.loads(first.stdout)["arms"][0]["new"] == 6
    assert json.loads(other.stdout)["arms"][0]["new"] == 0


def test_samples_that_hold_a_key_are_graded_without_it(codebudget, tiny: Path) -> None:
    (tiny / "mine.jsonl").write_text(
        json.dumps({"task_id": "double", "completion": f"    return 2 * x  # {KEY}\n", "note": KEY}) + "\n"
    )
    options = ("--benchmark", "tiny.jsonl", "--sandbox", "process", "--out", "out.jsonl")
    done = codebudget("execute", "mine.jsonl", *options, OPENAI_API_KEY=KEY)
    assert done.returncode == 0, done.stderr
    (row,) = (json.loads(line) for line in (tiny / "out.jsonl").read_text().splitlines())
    assert (row["status"], row["note"]) == ("passed", "***")
    (tiny / "mine.jsonl").unlink()
    assert_no_secret(tiny, done)
