"""Thinking of a real, tiny model: its chat template's switch, the tokens of a thought, and a limit on them."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest
from codebudget.errors import UserError
from codebudget.sampler.engine import Draw, Generation, Message, Sampling
from codebudget.sampler.engines import EngineOptions, choose_engine
from codebudget.sampler.engines.tokens import TokenCodec
from codebudget.sampler.thinking import split_thought

from .conftest import CHAT_TEMPLATE, ONE_THREAD, Reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from codebudget.sampler.engine import Engine

TEMPLATE = CHAT_TEMPLATE + (
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% else %}<think>\n{% endif %}"
)
CHAT = (Message("user", "x?"),)
WARM = Sampling(temperature=1, top_p=0.95, max_tokens=40)
LIMIT = 6


@pytest.fixture(scope="module")
def thinker(torch: Any, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a template that knows `enable_thinking`; being random, it hardly ever ends a thought."""
    import transformers

    folder = tmp_path_factory.mktemp("thinker") / "model"
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.chat_template = TEMPLATE
    tokenizer.add_tokens(["<think>", "</think>"])
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_model)
    torch.manual_seed(0)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["transformers", "vllm"])
def thinking_engine(request: pytest.FixtureRequest, thinker: Path) -> Iterator[Engine]:
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"needs {request.param}")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ONE_THREAD.items():
            patch.setenv(name, value)
        chosen = choose_engine(request.param, str(thinker), "fp32", EngineOptions(limits_thinking=True)).engine
    yield chosen
    chosen.close()


def drawn(engine: Engine, seed: int, **changes: Any) -> Generation:
    ((_, found),) = engine.generate([Draw(CHAT, seed)], WARM.model_copy(update=changes))
    assert isinstance(found, Generation)
    return found


def long_seed(engine: Engine) -> int:
    """A seed whose texts are cut by the limit, with a thought that is still open and without one."""
    return next(
        seed
        for seed in range(100)
        if all(drawn(engine, seed, thinking=on).finish_reason == "length" for on in (True, False))
        and "think>" not in drawn(engine, seed).text.removeprefix("<think>")
    )


def test_the_template_is_told(thinking_engine: Engine) -> None:
    seed = long_seed(thinking_engine)
    default, on, off = (drawn(thinking_engine, seed, thinking=thinking) for thinking in (None, True, False))
    assert default == on
    assert off.prompt_tokens == (on.prompt_tokens or 0) + len("\n.\n\n")
    # The template began the thought, and the text says so.
    assert on.text.startswith("<think>")
    assert not off.text.startswith("<think>")
    assert (on.thinking_tokens, off.thinking_tokens) == (on.output_tokens, 0)


def test_a_template_without_a_switch_is_one_line(tiny_model: Path) -> None:
    transformers = pytest.importorskip("transformers")
    codec = TokenCodec(transformers.AutoTokenizer.from_pretrained(tiny_model), "tiny", None)
    with pytest.raises(UserError, match="tiny cannot switch thinking"):
        codec.prompt_ids(CHAT, thinking=False)
    with pytest.raises(UserError, match="no tags for thoughts"):
        codec.thought_tags()


HARMONY = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>x = 1"


@pytest.mark.parametrize(
    ("written", "read", "thinking_tokens"),
    [
        (f"{HARMONY}<|return|>", HARMONY, len("*analysis*hm**assistant*final*")),
        ("[THINK]hm[/THINK]x = 1</s>", "[THINK]hm[/THINK]x = 1", len("*hm*")),
        # Without channels it is the end of a turn.
        ("x = 1<|end|>", "x = 1", 0),
    ],
)
def test_special_tokens_of_a_thought_stay_in_its_text(
    tiny_model: Path, written: str, read: str, thinking_tokens: int
) -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model)
    names = ["<|channel|>", "<|message|>", "<|end|>", "<|start|>", "<|return|>", "[THINK]", "[/THINK]"]
    tokenizer.add_special_tokens({"additional_special_tokens": names})
    codec = TokenCodec(tokenizer, "tiny", None)
    before, after = tokenizer.encode("[user]x?"), tokenizer.encode(written)
    text = codec.text(before, after)
    assert text == read
    assert codec.thinking_tokens(before, after, text) == thinking_tokens
    assert codec.thought_tags()[0] in ("[THINK]", "<|channel|>analysis<|message|>")
    if thinking_tokens:
        assert codec.ending_thought(before, after) == []
        opened = tokenizer.encode(written.partition("hm")[0] + "hm")
        ended = codec.text(before, [*opened, *codec.ending_thought(before, opened), *tokenizer.encode("y")])
        assert split_thought(ended).answer.strip() == "y"


def test_a_long_thought_is_ended(thinking_engine: Engine, thinker: Path, torch: Any) -> None:
    seed = long_seed(thinking_engine)
    found, free = drawn(thinking_engine, seed, max_thinking_tokens=LIMIT), drawn(thinking_engine, seed)
    thought, closing, answer = found.text.removeprefix("<think>").partition("</think>")
    assert free.text.removeprefix("<think>").startswith(thought.removesuffix("\n"))
    # vLLM counts the line break that the template put behind the tag.
    assert LIMIT - 1 <= len(thought.removesuffix("\n")) <= LIMIT
    assert found.thinking_tokens == len(thought) + 1
    assert found.output_tokens == found.thinking_tokens + len(answer) + (found.finish_reason == "stop")
    assert found.logprobs is not None
    assert len(found.logprobs) == found.output_tokens
    prompt = "[user]x?\n[assistant]<think>\n"
    expected = Reference(torch, thinker).logprobs(
        prompt, thought + closing + answer, ended=found.finish_reason == "stop"
    )
    assert found.logprobs == pytest.approx(expected, abs=2e-3)


def test_a_short_thought_is_left_alone(thinking_engine: Engine) -> None:
    assert drawn(thinking_engine, 3, max_thinking_tokens=100) == drawn(thinking_engine, 3)
    off = drawn(thinking_engine, 3, thinking=False)
    assert drawn(thinking_engine, 3, thinking=False, max_thinking_tokens=LIMIT) == off
