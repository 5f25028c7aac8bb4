"""Tell requests that a server took and whose answers were lost from those that it refused or never received."""

from __future__ import annotations

import threading
from typing import Any


class Sent(threading.local):
    """Counts the attempts of this thread's current request, including retries made by the SDK.

    A request that was sent completely and neither answered nor refused is `unanswered`: the connection broke or timed
    out, but the server may have drawn all the same. It listens to the events of httpx and httpcore.
    """

    def __init__(self) -> None:
        self._sent = self._refused = self._answered = 0

    @property
    def hooks(self) -> dict[str, list[Any]]:
        """Get the event hooks of an httpx client."""
        return {"request": [self._listen], "response": [self._see]}

    @property
    def unanswered(self) -> int:
        """Number of requests lost so far."""
        return max(0, self._sent - self._refused - self._answered)

    @property
    def remark(self) -> str:
        """Words on how many of this thread's requests were lost; empty if none were."""
        lost = self.unanswered
        requests = "1 request" if lost == 1 else f"{lost} requests"
        return f" ({requests} got no complete answer, and may be billed)" if lost else ""

    def start(self) -> None:
        """Begin a request."""
        self._sent = self._refused = self._answered = 0

    def answered(self) -> None:
        """Count its complete answer."""
        self._answered = 1

    def _listen(self, request: Any) -> None:
        request.extensions["trace"] = self._trace

    def _trace(self, event: str, _: object) -> None:
        if event.endswith(".send_request_body.complete"):
            self._sent += 1

    def _see(self, response: Any) -> None:
        if not response.is_success:
            self._refused += 1
