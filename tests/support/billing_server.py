"""A host of OpenAI's API that bills by rules of its own, on a port of this machine.

It bills every answer that it makes, also where the client never gets it, in whole billionths of a dollar; refusals are
free. Texts are those of `markov.py`, so that the same seed gives the same text, and a token is a character.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

from codebudget.sampler.engine import Draw, Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .markov import Markov

NANO = 10**9


class Rates(NamedTuple):
    """Billionths of a dollar per token: 1000 are a dollar per million tokens."""

    fresh: int = 2000
    cached: int = 500
    shown: int = 10_000
    hidden: int = 12_000


class BillingServer(ThreadingHTTPServer):
    """Serves one text under several names, each at its rates.

    `fate` says what becomes of the n-th request: None is an answer, `refuse` (429, at no charge), `hang up` (billed,
    and no byte comes), `cut` (billed, and half of it comes), `filter` (billed, and no whole text), `empty` (billed, and
    no choice), `uncounted` (the same, without counts), `reject` (400, at no charge), `unpaid` (402, at no charge).
    `caches` bills a prompt's whole 16-token blocks as cached where it was seen before; `hidden` is how many
    tokens of reasoning a text costs per token shown, counted within the output or `beside` it.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, markov: Markov, rates: Mapping[str, Rates]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.rates = rates
        self.fate: Callable[[int], str | None] = lambda number: None
        self.caches = False
        self.hidden = 0
        self.beside = False
        self.tokenizes = False
        self.delay_s = 0.0
        self.keeps_alive = True
        self.requests = 0
        self.billed = 0
        self.billed_nano = 0
        self.dearest_nano = 0
        self.delivered: Counter[tuple[str, str, int]] = Counter()
        self._markov = markov
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def usd(self) -> float:
        """The bill."""
        return self.billed_nano / NANO

    @property
    def dearest_usd(self) -> float:
        """The dearest request on it."""
        return self.dearest_nano / NANO

    def handle_error(self, *_: object) -> None:
        """A client that no longer waits is nobody's mistake."""

    def next_fate(self) -> str | None:
        with self._lock:
            number = self.requests
            self.requests += 1
        return self.fate(number)

    def made(self, asked: dict[str, Any]) -> dict[str, Any]:
        """An answer, which goes on the bill."""
        prompt = asked["prompt"] if isinstance(asked["prompt"], str) else "".join(map(chr, asked["prompt"]))
        stop = tuple(asked.get("stop", ()))
        sampling = Sampling(temperature=asked.get("temperature", 0), max_tokens=asked["max_tokens"], stop=stop)
        ((_, drawn),) = self._markov.generate([Draw(prompt, asked.get("seed", 0))], sampling)
        with self._lock:
            cached = len(prompt) // 16 * 16 if self.caches and prompt in self._seen else 0
            self._seen.add(prompt)
            shown = drawn.output_tokens or 0
            hidden = self.hidden * shown
            rates = self.rates[asked["model"]]
            cost = (len(prompt) - cached) * rates.fresh + cached * rates.cached
            cost += shown * rates.shown + hidden * rates.hidden
            self.billed += 1
            self.billed_nano += cost
            self.dearest_nano = max(self.dearest_nano, cost)
        logprobs = {"token_logprobs": drawn.logprobs, "tokens": [f"token_id:{ord('x')}"] * shown}
        if asked.get("echo"):
            known = [None, *[-1.0] * len(prompt)]
            logprobs = {"token_logprobs": known, "top_logprobs": [None, *[{"x": -1.0}] * len(prompt)]}
        elif asked.get("ignore_eos"):
            logprobs = {
                "token_logprobs": [-1.0] * asked["max_tokens"],
                "tokens": ["token_id:120"] * asked["max_tokens"],
            }
        usage = {
            "prompt_tokens": len(prompt),
            "completion_tokens": shown if self.beside else shown + hidden,
            "total_tokens": len(prompt) + shown + hidden,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": hidden},
        }
        choice = {"index": 0, "text": drawn.text, "finish_reason": drawn.finish_reason, "logprobs": logprobs}
        return {"id": "1", "created": 0, "model": asked["model"], "choices": [choice], "usage": usage}

    def deliver(self, asked: dict[str, Any]) -> None:
        if isinstance(asked["prompt"], str):
            with self._lock:
                self.delivered[asked["model"], asked["prompt"], asked["seed"]] += 1


class _Handler(BaseHTTPRequestHandler):
    server: BillingServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._send({"object": "list", "data": [{"id": name, "object": "model"} for name in self.server.rates]})
        else:
            self._send({"error": {"message": "not here"}}, 404)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/tokenize" and self.server.tokenizes:
            self._send({"tokens": [ord(character) for character in asked["prompt"]]})
            return
        if self.path != "/v1/completions":
            self._send({"error": {"message": "not here"}}, 404)
            return
        fate = self.server.next_fate()
        time.sleep(self.server.delay_s)
        if fate == "refuse":
            self._send({"error": {"message": "slow down"}}, 429, {"Retry-After": "0.01"})
            return
        if fate == "reject":
            self._send({"error": {"message": "no such thing"}}, 400)
            return
        if fate == "unpaid":
            self._send({"error": {"message": "no credits left"}}, 402)
            return
        answer = self.server.made(asked)
        if fate == "hang up":
            self._hang_up()
            return
        if fate == "filter":
            answer["choices"][0] |= {"finish_reason": "content_filter", "text": ""}
        elif fate in ("empty", "uncounted"):
            answer["choices"] = []
            answer["usage"] = answer["usage"] if fate == "empty" else None
        elif fate is None:
            self.server.deliver(asked)
        self._send(answer, cut=fate == "cut")

    def _send(
        self, body: dict[str, Any], status: int = 200, headers: Mapping[str, str] | None = None, *, cut: bool = False
    ) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        if not self.server.keeps_alive:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self._hang_up()

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)
