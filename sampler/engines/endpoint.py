"""One server of the openai engine: what is asked of it, and what its errors mean."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..._util.redaction import bare_url, redacted
from ...errors import EngineError, UserError
from .answers import UnusableAnswer
from .refusals import STATUSES, is_too_long

if TYPE_CHECKING:
    from collections.abc import Callable

    from .sent import Sent

T = TypeVar("T")

MOST_CHARACTERS: Final = 300
"""Characters of a server's message that are shown."""

_CUT_SHORT: Final = frozenset({"RemoteProtocolError", "ReadError", "WriteError", "CloseError", "DecodingError"})
"""Errors of the SDK's HTTP client where a server was reached and broke off."""

_CODE: Final = re.compile(r"^Error code: \d+ - ")
_FORBIDDEN: Final = 403
_FILTERED: Final = re.compile(r"moderat|flagged|content.?(filter|polic)|safety")
"""How those word it that forbid a prompt and not a key."""

_NO_LIST: Final = frozenset({404, 405, 501})
_BUSY: Final = 429
_PAYMENT: Final = 402
_NO_MONEY: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_MOST_DETAILS: Final = 20


class Refusal(Exception):  # noqa: N818 (a request without something may be taken)
    """A request that a server will not take as it is."""

    def __init__(self, line: str, message: str, code: object, param: object) -> None:
        super().__init__(line)
        self.message = message
        self.code = code
        self.param = param


class UnreachableError(EngineError):
    """No connection to a server."""


class Endpoint:
    """One server of a model: a client for it, its bare URL, and how many requests it has in flight and has had.

    Args:
        openai: The SDK's module.
        client: A client of the SDK.
        model: The server's name for the model.
        sent: Counts the requests of all servers.
    """

    def __init__(self, openai: Any, client: Any, model: str, sent: Sent) -> None:
        self.client = client
        self.url = bare_url(str(client.base_url))
        self.is_up = True
        self.in_flight = 0
        self.begun = 0
        self._openai = openai
        self._model = model
        self._sent = sent

    def ask(self, call: Callable[..., T], *positional: Any, **named: Any) -> T:
        """Call the SDK for what nothing works without, explaining its errors."""
        self._sent.start()
        try:
            answer = self.request(call, *positional, **named)
            self._sent.answered()
            return answer
        except (Refusal, UnusableAnswer) as why:
            message = redacted(str(why))[:MOST_CHARACTERS] + self._sent.remark
            raise EngineError(f"{self.url} failed: {message}") from None

    def request(self, call: Callable[..., T], *positional: Any, **named: Any) -> T:
        """Call the SDK, telling errors that end a run from those of one request.

        Raises:
            Refusal: The server does not take the request as it is.
            UnusableAnswer: The request failed, after retries.
            UserError: The server refuses the key, or has no such model.
            EngineError: It cannot be reached, or answers nobody.
        """
        openai, url = self._openai, self.url
        try:
            return call(*positional, **named)
        except openai.APITimeoutError:
            why: Exception = UnusableAnswer(f"{url} did not answer in time")
        except openai.APIConnectionError as error:
            why = UnreachableError(f"{url} cannot be reached: start the server, or check its address")
            if type(error.__cause__).__name__ in _CUT_SHORT:
                why = UnusableAnswer(f"{url} broke off its answer")
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            why = UserError(f"{url} rejected the key: set OPENAI_API_KEY")
            if error.status_code == _FORBIDDEN and _FILTERED.search(str(error).lower()):
                why = UnusableAnswer(f"{url} rejected the prompt: {in_one_line(error)}")
        except openai.NotFoundError as error:
            chat = "; if it only answers chats, use `preset` chat" if "prompt" in named else ""
            why = UserError(f"{url} has no model {self._model!r} for this kind of request: {in_one_line(error)}{chat}")
        except openai.APIStatusError as error:
            line = in_one_line(error)
            why = UnusableAnswer(f"{url} failed: {line}")
            words = _words(error)
            if error.status_code in STATUSES or (error.status_code != _BUSY and is_too_long(words, error.code)):
                why = Refusal(line, words, error.code, error.param)
            elif error.status_code == _PAYMENT or error.code in _NO_MONEY:
                why = EngineError(f"{url} wants payment: {line}; the same command continues from here")
        except (openai.OpenAIError, ValueError) as error:
            why = UnusableAnswer(f"{url} sent a response that the openai SDK cannot read: {in_one_line(error)}")
        if isinstance(why, EngineError):
            why = type(why)(f"{why}{self._sent.remark}")
        raise why

    def models(self) -> dict[str, Any]:
        """List a server's models by name; none where it has no such list."""
        client = self.client.with_options(max_retries=1)

        def listing() -> list[Any] | None:
            try:
                return list(client.models.list())
            except self._openai.APIStatusError as error:
                if error.status_code in _NO_LIST:
                    return None
                raise
            except (AttributeError, TypeError):
                # Something else than a list.
                return None

        found = self.ask(listing)
        # Gemini's names have a folder in the list alone.
        return {str(name).removeprefix("models/"): one for one in found or () if (name := getattr(one, "id", None))}

    def version(self) -> str:
        """Ask for the version of what serves, as vLLM tells it; "unknown" where it does not."""
        answer = self._root_answer("GET", "version")
        found = answer.get("version") if isinstance(answer, dict) else None
        return redacted(str(found)) if found else "unknown"

    def tokens(self, text: str, *, special: bool) -> list[int] | None:
        """Tokenize a text with vLLM's own `/tokenize`; None where the server lacks it."""
        body = {"model": self._model, "prompt": text, "add_special_tokens": special}
        answer = self._root_answer("POST", "tokenize", json=body)
        tokens = answer.get("tokens") if isinstance(answer, dict) else None
        return tokens if isinstance(tokens, list) else None

    def limits_thinking(self) -> bool:
        """Whether a server's description of its interface has vLLM's parameter; others ignore what they do not know."""
        return "thinking_token_budget" in json.dumps(self._root_answer("GET", "openapi.json"))

    def _root_answer(self, method: str, name: str, **request: Any) -> Any:
        """Get JSON from a server outside its /v1; None where it has none."""
        client = self.client.with_options(max_retries=0)
        url = str(self.client.base_url).rstrip("/").removesuffix("/v1") + f"/{name}"
        try:
            send = client.get if method == "GET" else client.post
            answer = send(url, cast_to=object, **({"body": request["json"]} if request else {}))
        except (self._openai.OpenAIError, ValueError):
            return None
        return answer


def _words(error: Any) -> str:
    """Read what a refusal says, without the request that some servers give back with it."""
    body = error.body
    details = body.get("detail") if isinstance(body, dict) else None
    if not isinstance(details, list):
        return str(error)
    parts = [detail for detail in details[:_MOST_DETAILS] if isinstance(detail, dict)]
    return "; ".join(f"{detail.get('loc')} {detail.get('msg')}" for detail in parts)


def in_one_line(error: Exception) -> str:
    """Put a server's message in one line, without secrets it may have echoed."""
    return redacted(_CODE.sub("", " ".join(str(error).split())))[:MOST_CHARACTERS]
