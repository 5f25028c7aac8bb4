"""Drawing from a server that speaks OpenAI's API (vLLM, SGLang, llama.cpp, OpenAI itself), through the openai SDK."""

from __future__ import annotations

import importlib
import os
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..._util.redaction import bare_url, know_url, redacted
from ...errors import EngineError, UserError
from ...records import Likelihood
from ..engine import Description, EngineMemory, Generation
from .libraries import import_engine
from .selfcheck import PROMPTS, TOKENS, TOLERANCE_16_BITS, TOLERANCE_32_BITS, Continuation, check_continuations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..engine import Draw, Prompt, Sampling

T = TypeVar("T")

_MAX_RETRIES: Final = 8
"""Retries by the SDK: of 408, 409, 429, 5xx and lost connections, after Retry-After or up to 8 s."""

_NO_KEY: Final = "none"
"""Key for a server that wants none: the SDK refuses to send nothing."""

_TOO_LONG: Final = ("context length", "context_length", "maximum model length", "max_model_len", "too long")
_MOST_CHARACTERS: Final = 300
_SHOWN_MODELS: Final = 5


class OpenAIEngine:
    """A model on a server. A prompt goes to its completions, a chat to its chat completions.

    Every sample is a separate request with its own seed (never one request with n samples), so that sample i is the
    same whichever are drawn with it, as far as the server keeps its promise. The key comes from OPENAI_API_KEY and goes
    only to the server: where the server echoes it, in a text, an error or its self-description, it is replaced by
    `***`, and so are secrets in the URL.

    Args:
        model: The server's name for it.
        precision: The server's precision, as far as known; only recorded.
        base_url: Such as http://localhost:8000/v1; None for OPENAI_BASE_URL, or else OpenAI's own.
        concurrency: Requests in flight, at most.
        timeout_s: Per request.

    Raises:
        UserError: The server has no such model, or wants another key.
        EngineError: The SDK is missing, or the server does not answer.
    """

    def __init__(
        self,
        model: str,
        precision: str,
        *,
        base_url: str | None = None,
        concurrency: int = 64,
        timeout_s: float = 600.0,
    ) -> None:
        import_engine("openai")
        self._openai: Any = importlib.import_module("openai")
        base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        self._key = os.environ.get("OPENAI_API_KEY", "")
        if not self._key and base_url is None:
            raise UserError("the openai engine has no server: set OPENAI_BASE_URL, or OPENAI_API_KEY for OpenAI's own")
        self._model = model
        self._concurrency = concurrency
        self._is_open = True
        self._proof: str | None = None
        self._client: Any = self._openai.OpenAI(
            api_key=self._key or _NO_KEY, base_url=base_url, timeout=timeout_s, max_retries=_MAX_RETRIES
        )
        know_url(str(self._client.base_url))
        if base_url is not None:
            know_url(base_url)
        self._url = bare_url(str(self._client.base_url))
        served = self._served()
        self._description = Description(
            engine="openai",
            engine_version=self._server_version(),
            model=model,
            revision=redacted(str(getattr(served, "root", None) or "unknown")),
            precision=precision,
            device=self._url,
            max_model_tokens=getattr(served, "max_model_len", None),
        )

    def describe(self) -> Description:
        """Describe it; `device` is the server, and `engine_version` the server's word on itself, if any."""
        return self._description

    def check(self) -> str:
        """Prove once that the server's drawing agrees with its scoring; see `Engine.check`.

        Only a server that has vLLM's `/tokenize` is asked: others do not score token ids, and some bill every request.
        """
        if self._proof is None:
            if self._server_tokens(PROMPTS[0], special=True) is None:
                self._proof = "no self-check, since this server does not score tokens"
            else:
                continuations = [found for _, found in sorted(self._each(len(PROMPTS), self._continuation))]
                tolerance = TOLERANCE_32_BITS if self._description.precision == "fp32" else TOLERANCE_16_BITS
                name = f"the server {self._url} (version {self._description.engine_version})"
                self._proof = check_continuations(name, self._model, continuations, tolerance)
        return self._proof

    def generate(self, draws: Sequence[Draw], sampling: Sampling) -> Iterator[tuple[int, Generation]]:
        """Draw every sample; see `Engine.generate`."""
        self.check()
        yield from self._each(len(draws), lambda place: self._draw(draws[place], sampling))

    def score(self, texts: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """Score each completion's tokens; see `Engine.score`.

        A server must echo a prompt with its logprobs (`echo`), which vLLM does and many do not. Where it also has
        vLLM's `/tokenize`, the completion is tokenized apart from the prompt; else the server must put a token boundary
        where the completion begins.
        """
        self.check()
        scores = [Likelihood(())] * len(texts)
        for place, score in self._each(len(texts), lambda place: self._score(*texts[place])):
            scores[place] = score
        return scores

    def memory(self) -> EngineMemory:
        """Tell nothing: the model is elsewhere."""
        return EngineMemory()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._is_open = False

    def _each(self, count: int, work: Callable[[int], T]) -> Iterator[tuple[int, T]]:
        """Do some pieces of work concurrently; when the caller stops, those in flight are the last."""
        if not self._is_open:
            raise EngineError("the engine is closed")
        threads = ThreadPoolExecutor(self._concurrency, thread_name_prefix="codebudget-openai")
        running: dict[Future[T], int] = {}
        waiting = iter(range(count))
        try:
            while True:
                for place in waiting:
                    running[threads.submit(work, place)] = place
                    if len(running) == self._concurrency:
                        break
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
        finally:
            threads.shutdown(wait=True, cancel_futures=True)

    def _draw(self, draw: Draw, sampling: Sampling) -> Generation:
        settings: dict[str, Any] = {
            "model": self._model,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p if sampling.temperature else 1.0,
            "max_tokens": sampling.max_tokens,
            "seed": draw.seed,
        }
        if sampling.stop:
            settings["stop"] = list(sampling.stop)
        logprobs: list[float | None] | None = None
        if isinstance(draw.prompt, str):
            settings |= {"logprobs": 1} if sampling.logprobs else {}
            answer = self._ask(self._client.completions.create, prompt=draw.prompt, **settings)
            choice = answer.choices[0]
            text = choice.text
            if sampling.logprobs and choice.logprobs is not None:
                logprobs = choice.logprobs.token_logprobs
        else:
            settings |= {"logprobs": True} if sampling.logprobs else {}
            messages = [message._asdict() for message in draw.prompt]
            answer = self._ask(self._client.chat.completions.create, messages=messages, **settings)
            choice = answer.choices[0]
            text = choice.message.content or ""
            if sampling.logprobs and choice.logprobs is not None and choice.logprobs.content is not None:
                logprobs = [token.logprob for token in choice.logprobs.content]
        if choice.finish_reason not in ("stop", "length"):
            reason = redacted(str(choice.finish_reason))[:_MOST_CHARACTERS]
            raise EngineError(f"{self._url} ended a sample with the reason '{reason}' and no complete text")
        known = None if logprobs is None else tuple(value for value in logprobs if value is not None)
        usage = answer.usage
        return Generation(
            text=redacted(text),
            finish_reason=choice.finish_reason,
            prompt_tokens=None if usage is None else usage.prompt_tokens,
            output_tokens=None if usage is None else usage.completion_tokens,
            logprobs=known,
        )

    def _score(self, prompt: Prompt, completion: str) -> Likelihood:
        if not isinstance(prompt, str):
            raise EngineError("the openai engine cannot score answers to chats: score them with vllm or transformers")
        if not completion:
            return Likelihood(())
        before = self._server_tokens(prompt, special=True)
        after = self._server_tokens(completion, special=False)
        apart = before is not None and after is not None
        whole = [*(before or []), *(after or [])] if apart else prompt + completion
        answer = self._ask(
            self._client.completions.create, model=self._model, prompt=whole, max_tokens=1, echo=True, logprobs=1
        )
        known = answer.choices[0].logprobs
        if known is None or len(known.token_logprobs) < 2:
            raise EngineError(
                f"{self._url} returns no logprobs for a prompt, so it cannot score: use vllm or transformers"
            )
        values = list(known.token_logprobs)[:-1]
        if apart:
            start = len(before or [])
        else:
            start = next((at for at, offset in enumerate(known.text_offset) if offset >= len(prompt)), len(values))
            if start == len(values) or known.text_offset[start] != len(prompt):
                raise EngineError(
                    f"{self._url} has a token that spans the end of a prompt and the start of its completion, so "
                    "it cannot score the completion: use vllm or transformers"
                )
        return Likelihood(tuple(value for value in values[start:] if value is not None), prompt_tokens=start)

    def _continuation(self, place: int) -> Continuation:
        """Continue a prompt greedily, and score both in one pass, by vLLM's extra parameters."""
        create = self._client.completions.create
        prompt = self._server_tokens(PROMPTS[place], special=True) or []
        settings: dict[str, Any] = {"model": self._model, "temperature": 0.0, "logprobs": 1}
        drawing = {"ignore_eos": True, "return_tokens_as_token_ids": True}
        drawn = self._ask(create, prompt=prompt, max_tokens=TOKENS, extra_body=drawing, **settings).choices[0].logprobs
        try:
            tokens = [int(token.removeprefix("token_id:")) for token in drawn.tokens]
            whole = [*prompt, *tokens]
            forced = self._ask(create, prompt=whole, max_tokens=1, echo=True, **settings).choices[0].logprobs
            after = slice(len(prompt), len(whole))
            return Continuation(
                PROMPTS[place],
                list(drawn.token_logprobs),
                list(forced.token_logprobs[after]),
                [max(likeliest.values()) for likeliest in forced.top_logprobs[after]],
            )
        except (AttributeError, TypeError, ValueError) as error:
            raise EngineError(
                f"{self._url} failed its self-check on {self._model}, so nothing was drawn: it has vLLM's "
                f"/tokenize, but does not return logprobs of tokens as vLLM does ({self._line(error)})"
            ) from None

    def _server_tokens(self, text: str, *, special: bool) -> list[int] | None:
        """Tokenize a text with vLLM's own `/tokenize`; None where the server lacks it."""
        body = {"model": self._model, "prompt": text, "add_special_tokens": special}
        answer = self._root_answer("POST", "tokenize", json=body)
        tokens = answer.get("tokens") if isinstance(answer, dict) else None
        return tokens if isinstance(tokens, list) else None

    def _served(self) -> Any:
        """Ask the server about the model; None where it has no list of models."""
        client = self._client.with_options(max_retries=1)

        def listing() -> list[Any] | None:
            try:
                return list(client.models.list())
            except self._openai.NotFoundError:
                return None

        found = self._ask(listing)
        if found is None:
            return None
        listed = {served.id: served for served in found}
        if self._model not in listed:
            some = redacted(", ".join(sorted(listed)[:_SHOWN_MODELS]))
            raise UserError(f"{self._url} does not serve the model {self._model!r}; it has {some or 'none'}")
        return listed[self._model]

    def _server_version(self) -> str:
        answer = self._root_answer("GET", "version")
        found = answer.get("version") if isinstance(answer, dict) else None
        return redacted(str(found)) if found else "unknown"

    def _root_answer(self, method: str, name: str, **request: Any) -> Any:
        """Get JSON from a server outside its /v1; None where it has none."""
        client = self._client.with_options(max_retries=0)
        url = str(self._client.base_url).rstrip("/").removesuffix("/v1") + f"/{name}"
        try:
            send = client.get if method == "GET" else client.post
            answer = send(url, cast_to=object, **({"body": request["json"]} if request else {}))
        except (self._openai.OpenAIError, ValueError):
            return None
        return answer

    def _ask(self, call: Callable[..., Any], *positional: Any, **named: Any) -> Any:
        """Call the SDK, explaining its errors."""
        openai = self._openai
        try:
            return call(*positional, **named)
        except openai.APITimeoutError:
            problem: type[EngineError | UserError] = EngineError
            message = f"{self._url} did not answer in time: lower the concurrency, or raise the time limit per request"
        except openai.APIConnectionError:
            problem, message = EngineError, f"{self._url} cannot be reached: start the server, or check OPENAI_BASE_URL"
        except (openai.AuthenticationError, openai.PermissionDeniedError):
            problem, message = UserError, f"{self._url} rejected the key: set OPENAI_API_KEY"
        except openai.NotFoundError as error:
            problem = UserError
            message = f"{self._url} has no model {self._model!r} for this kind of request: {self._line(error)}"
        except openai.APIStatusError as error:
            line = self._line(error)
            problem, message = EngineError, f"{self._url} failed: {line}"
            if error.status_code == 400 and any(sign in line.lower() for sign in _TOO_LONG):
                problem = UserError
                message = f"a prompt is too long for {self._model}: shorten it, or choose another model ({line})"
        except (openai.OpenAIError, ValueError) as error:
            problem, message = (
                EngineError,
                f"{self._url} sent a response that the openai SDK cannot read: {self._line(error)}",
            )
        raise problem(message)

    def _line(self, error: Exception) -> str:
        """Put a server's message in one line, without secrets it may have echoed."""
        return redacted(" ".join(str(error).split()))[:_MOST_CHARACTERS]
