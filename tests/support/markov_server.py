"""The language model of `markov.py` behind the API that OpenAI's SDK speaks, on a port of this machine."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from codebudget.sampler.engine import Draw, Message, Sampling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .markov import Markov


class MarkovServer(ThreadingHTTPServer):
    """Serves models by their names; `requests` are what it was asked, and `delay_s` is slept before each answer."""

    daemon_threads = True

    def __init__(self, models: Mapping[str, Markov]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.models = models
        self.requests: list[dict[str, Any]] = []
        self.delay_s = 0.0
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
        else:
            self._answer({"error": {"message": "not here"}}, 404)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path not in ("/v1/completions", "/v1/chat/completions"):
            self._answer({"error": {"message": "not here"}}, 404)
            return
        self.server.requests.append(asked)
        time.sleep(self.server.delay_s)
        is_chat = "chat" in self.path
        prompt = (
            tuple(Message(turn["role"], turn["content"]) for turn in asked["messages"]) if is_chat else asked["prompt"]
        )
        sampling = Sampling(
            temperature=asked.get("temperature", 0),
            top_p=asked.get("top_p", 1),
            max_tokens=asked["max_tokens"],
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
        self._answer({"id": "1", "created": 0, "model": asked["model"], "choices": [choice], "usage": usage})

    def _answer(self, body: dict[str, Any], status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
