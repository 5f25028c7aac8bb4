"""Drawing from a server that speaks OpenAI's API (vLLM, SGLang, llama.cpp, OpenAI itself), through the openai SDK."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..._util.progress import notice
from ..._util.redaction import know_url, redacted
from ...errors import EngineError, UserError
from ...records import Likelihood
from ..engine import BilledError, Charged, Description, EngineMemory, Generation, NoAnswer, whole_logprobs
from ..thinking import split_thought
from .answers import UnusableAnswer, read_answer
from .endpoint import MOST_CHARACTERS, Endpoint, Refusal, UnreachableError, in_one_line
from .in_flight import InFlight
from .libraries import import_engine
from .refusals import Takes, is_too_long, refused_name, without_refused
from .selfcheck import PROMPTS, TOKENS, TOLERANCE_16_BITS, TOLERANCE_32_BITS, Continuation, check_continuations
from .sent import Sent
from .tokens import THINKING_SWITCHES, cut_at_stop
from .usage import charged_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..engine import Draw, MayStart, Outcome, Prompt, Sampling
    from .answers import Answer, Choice

_MAX_RETRIES: Final = 8
"""Retries by the SDK: of 408, 409, 429, 5xx and lost connections, after Retry-After or up to 8 s."""

_NO_KEY: Final = "none"
"""Key for a server that wants none: the SDK refuses to send nothing."""

_SHOWN_MODELS: Final = 5
_SHOWN_CHARACTERS: Final = 40
_LEAST_ECHO: Final = 16


class _Read(NamedTuple):
    """An answer, and who gave it."""

    answer: Answer
    endpoint: Endpoint


class OpenAIEngine:
    """A model on a server. A prompt goes to its completions, a chat to its chat completions.

    Every sample is a separate request with its own seed (never one request with n samples), so that sample i is the
    same whichever are drawn with it, as far as the server keeps its promise. The key comes from OPENAI_API_KEY and goes
    only to the server: where the server echoes it, in a text, an error or its self-description, it is replaced by
    `***`, and so are secrets in the URL.

    Several servers of one model share its samples: a request goes where the fewest are in flight. One that can no
    longer be reached is done without.

    A parameter that a server refuses is left out from then on, and a notice says so, if the samples are still those
    asked for. An answer that cannot be used is a `NoAnswer`.

    Args:
        model: The server's name for it.
        precision: The server's precision, as far as known; only recorded.
        base_url: Such as http://localhost:8000/v1, or several; None for OPENAI_BASE_URL, or else OpenAI's own.
        concurrency: Requests in flight per server, at most.
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
        base_url: str | Sequence[str] | None = None,
        concurrency: int = 64,
        timeout_s: float = 600.0,
    ) -> None:
        import_engine("openai")
        self._openai: Any = importlib.import_module("openai")
        named = [base_url] if isinstance(base_url, str) else list(dict.fromkeys(base_url or ()))
        urls: list[str | None] = [*named] or [os.environ.get("OPENAI_BASE_URL") or None]
        self._key = os.environ.get("OPENAI_API_KEY", "")
        if not self._key and urls == [None]:
            raise UserError(
                "the openai engine has no server: name one with `base_url` or OPENAI_BASE_URL, or set OPENAI_API_KEY "
                "for OpenAI's own"
            )
        self._model = model
        self._is_open = True
        self._proof: str | None = None
        self._can_tokenize = False
        self._lock, self._unpaid, self._sent = threading.Lock(), Charged(), Sent()
        self._takes = Takes()
        self._endpoints = []
        for url in urls:
            if url is not None:
                know_url(url)
            client = self._openai.OpenAI(
                api_key=self._key or _NO_KEY,
                base_url=url,
                timeout=timeout_s,
                max_retries=_MAX_RETRIES,
                http_client=self._openai.DefaultHttpxClient(event_hooks=self._sent.hooks),
            )
            know_url(str(client.base_url))
            self._endpoints.append(Endpoint(self._openai, client, model, self._sent))
        self._url = ", ".join(sorted(endpoint.url for endpoint in self._endpoints))
        served = self._serving()
        self._concurrency = concurrency * len(self._endpoints)
        lengths = [one.max_model_len for one in served if isinstance(getattr(one, "max_model_len", None), int)]
        self._description = Description(
            engine="openai",
            engine_version=_joined(endpoint.version() for endpoint in self._endpoints),
            model=model,
            revision=_joined(redacted(str(getattr(one, "root", None) or "unknown")) for one in served),
            precision=precision,
            device=self._url,
            max_model_tokens=min(lengths, default=None),
        )

    def describe(self) -> Description:
        """Describe it; `device` is the server, and `engine_version` the server's word on itself, if any."""
        return self._description

    def check(self) -> str:
        """Prove once that the server's drawing agrees with its scoring; see `Engine.check`.

        Only a server that has vLLM's `/tokenize` is asked: others do not score token ids, and some bill every request.
        """
        if self._proof is None:
            scoring = [one for one in self._endpoints if one.tokens(PROMPTS[0], special=True) is not None]
            self._can_tokenize = len(scoring) == len(self._endpoints)
            self._proof = "no self-check, since this server does not score tokens"
            tolerance = TOLERANCE_32_BITS if self._description.precision == "fp32" else TOLERANCE_16_BITS
            for endpoint in scoring:
                continuations = [self._continuation(prompt, endpoint) for prompt in PROMPTS]
                name = f"the server {endpoint.url} (version {self._description.engine_version})"
                self._proof = check_continuations(name, self._model, continuations, tolerance)
        return self._proof

    def generate(
        self, draws: Sequence[Draw], sampling: Sampling, may_start: MayStart | None = None
    ) -> Iterator[tuple[int, Outcome]]:
        """Draw every sample; see `Engine.generate`. Every request is billed, including those of a self-check."""
        self._check_is_open()
        limits = sampling.max_thinking_tokens is not None
        if limits and not all(endpoint.limits_thinking() for endpoint in self._endpoints):
            raise UserError(
                f"{self._url} does not let a request limit thinking: remove `max_thinking_tokens`, limit "
                "it at the server, or draw with vllm or transformers"
            )
        try:
            self.check()
            drawn = InFlight(len(draws), lambda place: self._draw(draws[place], sampling), self._concurrency, may_start)
            for place, outcome in drawn:
                yield place, self._with_unpaid(outcome)
        except EngineError as error:
            unpaid = self._take_unpaid()
            if unpaid.requests:
                raise BilledError(str(error), unpaid) from None
            raise

    def score(self, texts: Sequence[tuple[Prompt, str]]) -> list[Likelihood]:
        """Score each completion's tokens; see `Engine.score`.

        A server must echo a prompt with its logprobs (`echo`), which vLLM does and many do not. Where it also has
        vLLM's `/tokenize`, the completion is tokenized apart from the prompt; else the server must put a token boundary
        where the completion begins.
        """
        self._check_is_open()
        self.check()
        scores = [Likelihood(())] * len(texts)
        for place, score in InFlight(len(texts), lambda place: self._score(*texts[place]), self._concurrency):
            scores[place] = score
        return scores

    def memory(self) -> EngineMemory:
        """Tell nothing: the model is elsewhere."""
        return EngineMemory()

    def close(self) -> None:
        """Close the connections."""
        for endpoint in self._endpoints:
            endpoint.client.close()
        self._is_open = False

    def _check_is_open(self) -> None:
        if not self._is_open:
            raise EngineError("the engine is closed")

    def _draw(self, draw: Draw, sampling: Sampling) -> Outcome:
        wanted: dict[str, Any] = {
            "model": self._model,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p if sampling.temperature else 1.0,
            "max_tokens": sampling.max_tokens,
            "seed": draw.seed,
        }
        if sampling.stop:
            wanted["stop"] = list(sampling.stop)
        extra: dict[str, Any] = {}
        if sampling.max_thinking_tokens is not None:
            extra["thinking_token_budget"] = sampling.max_thinking_tokens
        if isinstance(draw.prompt, str):
            wanted |= {"prompt": draw.prompt} | ({"logprobs": 1} if sampling.logprobs else {})
        else:
            wanted["messages"] = [message._asdict() for message in draw.prompt]
            wanted |= {"logprobs": True} if sampling.logprobs else {}
            if sampling.thinking is not None:
                extra["chat_template_kwargs"] = dict.fromkeys(THINKING_SWITCHES, sampling.thinking)
        if extra:
            wanted["extra_body"] = extra
        self._sent.start()
        try:
            answer, endpoint = self._answered(wanted)
        except UnusableAnswer as why:
            lost = self._sent.unanswered
            # The tokens of a request that nothing replaced are unknown; the reason says that it may be billed.
            billed = Charged(lost, unanswered=lost) if why.charged is None else why.charged.with_unanswered(lost)
            return NoAnswer(redacted(str(why))[:MOST_CHARACTERS] + self._sent.remark, billed)
        charged = None if answer.charged is None else answer.charged.with_unanswered(self._sent.unanswered)
        choice, tokens = answer.choices[0], answer.tokens
        cut = cut_at_stop(choice.text, sampling.stop)
        return Generation(
            text=redacted(choice.text if cut is None else cut),
            finish_reason=choice.finish_reason if cut is None else "stop",
            prompt_tokens=tokens.prompt,
            output_tokens=tokens.output,
            logprobs=choice.logprobs if sampling.logprobs else None,
            thinking_tokens=self._thinking_tokens(choice, answer, endpoint, draw.prompt),
            charged=charged,
        )

    def _answered(self, wanted: dict[str, Any]) -> _Read:
        """Ask for a sample, doing without what the server refuses.

        Raises:
            UnusableAnswer: There is no text.
            UserError: The server refuses what the samples cannot be drawn without.
            EngineError: No server can be reached.
        """
        while True:
            takes = self._takes
            with self._freest() as endpoint:
                try:
                    settings = takes.settings(wanted)
                    client = endpoint.client
                    of_kind = client.completions if "prompt" in wanted else client.chat.completions
                    raw = endpoint.request(of_kind.with_raw_response.create, **settings)
                    answer = read_answer(raw.content)
                    self._sent.answered()
                    return _Read(answer, endpoint)
                except UnusableAnswer as why:
                    if why.charged is not None:
                        self._sent.answered()
                    raise
                except Refusal as refusal:
                    self._do_without(refusal, takes, wanted, endpoint.url)
                except UnreachableError:
                    if not self._give_up(endpoint):
                        raise

    def _owe(self, answer: Any) -> None:
        """Keep what is billed for no sample until it can be reported with the next one."""
        once = charged_of(getattr(answer, "usage", None)) or Charged()
        with self._lock:
            self._unpaid = self._unpaid.plus(once.with_unanswered(self._sent.unanswered))

    def _take_unpaid(self) -> Charged:
        with self._lock:
            unpaid, self._unpaid = self._unpaid, Charged()
        return unpaid

    def _with_unpaid(self, outcome: Outcome) -> Outcome:
        if outcome.charged is None:
            return outcome
        return outcome._replace(charged=outcome.charged.plus(self._take_unpaid()))

    @contextlib.contextmanager
    def _freest(self) -> Iterator[Endpoint]:
        """Count a request for the server that has the fewest in flight."""
        with self._lock:
            able = [endpoint for endpoint in self._endpoints if endpoint.is_up] or self._endpoints
            chosen = min(able, key=lambda endpoint: (endpoint.in_flight, endpoint.begun))
            chosen.in_flight += 1
            chosen.begun += 1
        try:
            yield chosen
        finally:
            with self._lock:
                chosen.in_flight -= 1

    def _give_up(self, endpoint: Endpoint) -> bool:
        """Do without a server that cannot be reached; says whether others are left."""
        with self._lock:
            was_up, endpoint.is_up = endpoint.is_up, False
            left = [one for one in self._endpoints if one.is_up]
        if was_up and left:
            notice(f"{endpoint.url} can no longer be reached: its samples now go to {_listed(left)}")
        return bool(left)

    def _do_without(self, refusal: Refusal, takes: Takes, wanted: dict[str, Any], url: str) -> None:
        """Note that the servers do not take something; several threads may hear of it at once.

        Raises:
            UnusableAnswer: The refusal is of this request alone.
            UserError: The samples cannot be drawn without it, or the prompt is too long.
        """
        message = f"{refusal.message} {refusal.code or ''}"
        prompt = wanted.get("prompt") or wanted["messages"][-1]["content"]
        if is_too_long(message, refusal.code):
            raise UserError(
                f"the prompt {prompt[:_SHOWN_CHARACTERS]!r}... is too long for {self._model} with "
                f"{wanted['max_tokens']} tokens after it: lower `max_tokens`, or choose a model with a longer context "
                f"({refusal})"
            )
        # Where a server gives the whole request back, a parameter's name says nothing.
        is_echo = len(prompt) > _LEAST_ECHO and json.dumps(prompt)[1:-1][:_SHOWN_CHARACTERS] in message
        name = None if is_echo and not refusal.param else refused_name(message, refusal.param)
        without = None if name is None else without_refused(takes, name, message, wanted)
        if without is not None:
            with self._lock:
                is_first = self._takes == takes
                if is_first:
                    self._takes = without.takes
            if is_first:
                notice(without.note.format(url=url))
            return
        if self._takes != takes:
            return
        if name == "thinking" and "extra_body" in wanted:
            raise UserError(f"{url} cannot switch or limit thinking: remove `thinking` ({refusal})")
        if name in ("limit", "temperature", "top_p"):
            setting = "max_tokens" if name == "limit" else name
            raise UserError(f"{url} rejects `{setting}` {wanted[setting]}: choose another value ({refusal})")
        raise UnusableAnswer(f"the server rejected the request: {refusal}")

    def _thinking_tokens(self, choice: Choice, answer: Answer, endpoint: Endpoint, prompt: Prompt) -> int | None:
        """Count a thought's tokens: by the server's word, else by its tokenizer; None if it has neither."""
        tokens = answer.tokens
        thought = choice.thought or ("" if isinstance(prompt, str) else split_thought(choice.text).thought)
        if tokens.thinking or not thought or len(answer.choices) > 1:
            return tokens.thinking
        found = endpoint.tokens(thought, special=False) if self._can_tokenize else None
        return None if found is None else min(len(found), tokens.output or len(found))

    def _score(self, prompt: Prompt, completion: str) -> Likelihood:
        if not isinstance(prompt, str):
            raise EngineError("the openai engine cannot score answers to chats: score them with vllm or transformers")
        if not completion:
            return Likelihood(())
        with self._freest() as endpoint:
            return self._scored(prompt, completion, endpoint)

    def _scored(self, prompt: str, completion: str, endpoint: Endpoint) -> Likelihood:
        before = endpoint.tokens(prompt, special=True)
        after = endpoint.tokens(completion, special=False)
        apart = before is not None and after is not None
        whole = [*(before or []), *(after or [])] if apart else prompt + completion
        create = endpoint.client.completions.create
        answer = endpoint.ask(create, model=self._model, prompt=whole, max_tokens=1, echo=True, logprobs=1)
        known = _first_logprobs(answer)
        if known is None or not known.token_logprobs or len(known.token_logprobs) < 2:
            raise EngineError(
                f"{endpoint.url} returns no logprobs for a prompt, so it cannot score: use vllm or transformers"
            )
        values = list(known.token_logprobs)[:-1]
        if apart:
            start = len(before or [])
        else:
            start = next((at for at, offset in enumerate(known.text_offset) if offset >= len(prompt)), len(values))
            if start == len(values) or known.text_offset[start] != len(prompt):
                raise EngineError(
                    f"{endpoint.url} has a token that spans the end of a prompt and the start of its completion, so "
                    "it cannot score the completion: use vllm or transformers"
                )
        logprobs = whole_logprobs(values[start:])
        if logprobs is None:
            raise EngineError(
                f"{endpoint.url} omits some logprobs of a text, so it cannot score: use vllm or transformers"
            )
        return Likelihood(logprobs, prompt_tokens=start)

    def _continuation(self, text: str, endpoint: Endpoint) -> Continuation:
        """Continue a prompt greedily, and score both in one pass, by vLLM's extra parameters."""
        create = endpoint.client.completions.create
        prompt = endpoint.tokens(text, special=True) or []
        settings: dict[str, Any] = {"model": self._model, "temperature": 0.0, "logprobs": 1}
        drawing = {"ignore_eos": True, "return_tokens_as_token_ids": True}
        answer = endpoint.ask(create, prompt=prompt, max_tokens=TOKENS, extra_body=drawing, **settings)
        self._owe(answer)
        drawn = _first_logprobs(answer)
        try:
            tokens = [int(token.removeprefix("token_id:")) for token in drawn.tokens]
            whole = [*prompt, *tokens]
            answer = endpoint.ask(create, prompt=whole, max_tokens=1, echo=True, **settings)
            self._owe(answer)
            forced = _first_logprobs(answer)
            after = slice(len(prompt), len(whole))
            return Continuation(
                text,
                list(drawn.token_logprobs),
                list(forced.token_logprobs[after]),
                [max(likeliest.values()) for likeliest in forced.top_logprobs[after]],
            )
        except (AttributeError, TypeError, ValueError) as error:
            raise EngineError(
                f"{endpoint.url} failed its self-check on {self._model}, so nothing was drawn: it has vLLM's "
                f"/tokenize, but does not return logprobs of tokens as vLLM does ({in_one_line(error)})"
            ) from None

    def _serving(self) -> list[Any]:
        """Ask the servers about the model, and leave out those that lack it; None for each that lists none.

        Raises:
            UserError: No server has it.
        """
        able: list[Endpoint] = []
        found: list[Any] = []
        lacking: list[str] = []
        for endpoint in self._endpoints:
            listed = endpoint.models()
            if not listed:
                able.append(endpoint)
                found.append(None)
            elif self._model in listed:
                able.append(endpoint)
                found.append(listed[self._model])
            else:
                some = redacted(", ".join(sorted(listed)[:_SHOWN_MODELS]))
                lacking.append(f"{endpoint.url} does not serve the model {self._model!r}; it has {some or 'none'}")
        if not able:
            raise UserError("; ".join(lacking))
        for line in lacking:
            notice(f"{line}, so it gets none of its samples")
        self._endpoints = able
        self._url = ", ".join(sorted(endpoint.url for endpoint in able))
        return found


def _first_logprobs(answer: Any) -> Any:
    """Get the logprobs of an answer's first text, whatever the server made of it; None where it has none."""
    choices = getattr(answer, "choices", None)
    return getattr(choices[0], "logprobs", None) if choices else None


def _joined(words: Iterable[str]) -> str:
    """Join words of several servers, each once."""
    return ", ".join(sorted(set(words)))


def _listed(endpoints: Sequence[Endpoint]) -> str:
    return ", ".join(endpoint.url for endpoint in endpoints)
