"""The language model of `markov.py` behind the API that OpenAI's SDK speaks, on a port of this machine."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

from codebudget.sampler.engine import Draw, Message, Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .markov import Markov


class Reply(NamedTuple):
    """What a server sends; one that `breaks` ends the connection in the middle of it."""

    body: bytes
    status: int = 200
    kind: str = "application/json"
    breaks: bool = False


def refused(message: str, status: int = 400, **fields: object) -> Reply:
    """An error in OpenAI's form."""
    return Reply(json.dumps({"error": {"message": message, "type": "x", "code": None, **fields}}).encode(), status)


class MarkovServer(ThreadingHTTPServer):
    """Serves models by their names; `requests` are what it was asked, and `delay_s` is slept before each answer.

    `refuses` looks at a request first, and `twists` changes an answer, which it is given with the request and the
    number of answers before it: to another answer or to bytes of its own.
    """

    daemon_threads = True

    def __init__(self, models: Mapping[str, Markov]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.models = models
        self.requests: list[dict[str, Any]] = []
        self.served = 0
        self.counting = threading.Lock()
        self.delay_s = 0.0
        self.refuses: Callable[[dict[str, Any]], Reply | None] = lambda asked: None
        self.twists: Callable[[dict[str, Any], dict[str, Any], int], dict[str, Any] | Reply] = (
            lambda asked, answer, before: answer
        )
        self.extra: dict[str, Any] = {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: MarkovServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._answer({"object": "list", "data": [{"id": name, "object": "model"} for name in self.server.models]})
        elif self.path == "/version":
            self._answer({"version": "1"})
        elif self.path in self.server.extra:
            self._answer(self.server.extra[self.path])
        else:
            self._answer({"error": {"message": "not here"}}, 404)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path not in ("/v1/completions", "/v1/chat/completions"):
            self._answer({"error": {"message": "not here"}}, 404)
            return
        self.server.requests.append(asked)
        refusal = self.server.refuses(asked)
        if refusal is not None:
            self._send(refusal)
            return
        time.sleep(self.server.delay_s)
        is_chat = "chat" in self.path
        prompt = (
            tuple(Message(turn["role"], turn["content"]) for turn in asked["messages"]) if is_chat else asked["prompt"]
        )
        sampling = Sampling(
            temperature=asked.get("temperature", 1),
            top_p=asked.get("top_p", 1),
            max_tokens=asked.get("max_tokens") or asked["max_completion_tokens"],
            stop=tuple(asked.get("stop", ())),
        )
        model = self.server.models[asked["model"]]
        ((_, drawn),) = model.generate([Draw(prompt, asked.get("seed", 0))], sampling)
        choice: dict[str, Any] = {"index": 0, "finish_reason": drawn.finish_reason}
        if asked.get("echo"):
            (scored,) = model.score([("", prompt)])
            known = [None, *scored.logprobs[1:], *(drawn.logprobs or ())]
            choice |= {"text": prompt + drawn.text, "logprobs": {"token_logprobs": known}}
            choice["logprobs"] |= {"text_offset": list(range(len(known))), "tokens": None, "top_logprobs": None}
            self._answer({"id": "1", "created": 0, "model": asked["model"], "choices": [choice], "usage": None})
            return
        if is_chat:
            choice["message"] = {"role": "assistant", "content": drawn.text}
        else:
            choice |= {"text": drawn.text, "logprobs": {"token_logprobs": drawn.logprobs}}
        usage = {
            "prompt_tokens": drawn.prompt_tokens,
            "completion_tokens": drawn.output_tokens,
            "total_tokens": (drawn.prompt_tokens or 0) + (drawn.output_tokens or 0),
        }
        answer = {"id": "1", "created": 0, "model": asked["model"], "choices": [choice], "usage": usage}
        with self.server.counting:
            before, self.server.served = self.server.served, self.server.served + 1
        twisted = self.server.twists(asked, answer, before)
        if isinstance(twisted, Reply):
            self._send(twisted)
        else:
            self._answer(twisted)

    def _answer(self, body: dict[str, Any], status: int = 200) -> None:
        self._send(Reply(json.dumps(body).encode(), status))

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if reply.breaks:
            self.wfile.write(reply.body[: len(reply.body) // 2])
            self.close_connection = True
        else:
            self.wfile.write(reply.body)
