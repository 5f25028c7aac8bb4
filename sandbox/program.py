"""A program in its box, and what a process with untrusted code in it says."""

from __future__ import annotations

import json
import os
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from .box import Box, Done
from .guest import wire
from .guest.candidate import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import Limits
    from .box import Later
    from .testcode import SuiteSource

_MAX_CLAIM_BYTES = 1 << 16


class Program:
    """A program in its box, and its answers to calls."""

    def __init__(
        self,
        box: Box,
        program: str,
        suite: SuiteSource,
        limits: Limits,
        calls: Sequence[bytes],
        *,
        ends: bool,
        later: Later | None = None,
    ) -> None:
        """Start it and hand it the foreseen calls; with `ends`, its run is over once they are answered.

        Raises:
            RequestTooLongError: the program fits no frame.
        """
        self._box = box
        self._nonces: deque[bytes] = deque()
        self.loaded = False
        self.ended: Done | None = None
        request = Request(program, suite.names, suite.return_arguments, suite.preamble)
        nonces = os.urandom(wire.NONCE_BYTES * len(calls))
        messages = [request.pack(), *(self._numbered(call, nonces, place) for place, call in enumerate(calls))]
        # The first is to load the program.
        cases = suite.cases and suite.cases + 1
        box.run("candidate", limits, messages, last=ends, cases=cases, later=later)

    def load(self) -> list[bytes]:
        """Wait until the program has loaded or ended; returns the outcomes that came along."""
        outcomes: list[bytes] = []
        while not self.loaded and self.ended is None:
            outcomes = self._receive()
        return outcomes

    def outcomes(self) -> list[bytes]:
        """Return outcomes of further calls handed to it; none if it has ended and will give no more."""
        outcomes: list[bytes] = []
        while not outcomes and self.ended is None:
            outcomes = self._receive()
        return outcomes

    def call(self, call: bytes) -> list[bytes]:
        """Return the outcome of one more call; none if it ended."""
        if self.ended is None:
            self._box.send([self._numbered(call, os.urandom(wire.NONCE_BYTES), 0)])
        return self.outcomes()

    def stop(self) -> Done:
        """End it; returns how it ended and what it cost."""
        if self.ended is None:
            self.ended = self._box.stop()
        return self.ended

    def _numbered(self, call: bytes, nonces: bytes, place: int) -> bytes:
        nonce = nonces[wire.NONCE_BYTES * place :][: wire.NONCE_BYTES]
        self._nonces.append(nonce)
        return wire.CALL + nonce + call

    def _receive(self) -> list[bytes]:
        said = self._box.receive()
        if isinstance(said, Done):
            self.ended = said
            return []
        outcomes = []
        for answer in said:
            if not self.loaded:
                if answer[:1] != wire.LOADED:
                    self._fail(answer)
                    return []
                self.loaded = True
            elif self._nonces and answer[: 1 + wire.NONCE_BYTES] == wire.REPLY + self._nonces.popleft():
                outcomes.append(answer[1 + wire.NONCE_BYTES :])
            else:
                self.ended = self._box.stop()._replace(status="tampered", detail="a reply that answers no call")
                return outcomes
        return outcomes

    def _fail(self, answer: bytes) -> None:
        claim = Claim("tampered", "neither loaded nor failed")
        if answer[:1] == wire.FAILED:
            claim = read_claim(answer[1:], ("invalid", "crashed", "memory"))
        self.ended = self._box.stop()._replace(status=claim.status, detail=claim.detail)


class Claim(NamedTuple):
    """Statement of a process with untrusted code about itself."""

    status: str
    detail: str
    reached: tuple[int, ...] = ()


def read_claim(payload: bytes, statuses: tuple[str, ...]) -> Claim:
    """Read a claim, which may be any bytes: `tampered` unless it is one with one of `statuses`."""
    malformed = Claim("tampered", "a report that is none")
    if len(payload) > _MAX_CLAIM_BYTES:
        return malformed
    try:
        claim = json.loads(payload)
    except (ValueError, RecursionError):
        return malformed
    if not isinstance(claim, dict):
        return malformed
    status, detail, reached = claim.get("status"), claim.get("detail"), claim.get("reached", [])
    if status not in statuses or not isinstance(detail, str) or not isinstance(reached, list):
        return malformed
    if any(type(site) is not int for site in reached):
        return malformed
    return Claim(str(status), detail, tuple(reached))
