"""What every engine owes: the same conformance suite for all that are installed."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from codebudget.errors import UserError
from codebudget.sampler.engine import Draw, EngineMemory, Generation, Message, Sampling

if TYPE_CHECKING:
    from codebudget.sampler.engine import Engine, Prompt

PROMPTS = ("def add(a, b):\n", "x", "class Point:\n    def __init__(self, x, y):\n", "return ")
GREEDY = Sampling(temperature=0, max_tokens=24)
WARM = Sampling(temperature=1, top_p=0.95, max_tokens=24)
TOLERANCE = 2e-3
"""Of a logprob in 32 bits, between kernels that add in different orders."""


def drawn(engine: Engine, draws: list[Draw], sampling: Sampling) -> list[Generation]:
    """The generations in the order of their draws; each comes exactly once."""
    found = list(engine.generate(draws, sampling))
    assert sorted(place for place, _ in found) == list(range(len(draws)))
    return [generation for _, generation in sorted(found)]


def several(count: int) -> list[Draw]:
    return [Draw(PROMPTS[place % len(PROMPTS)], 1000 + place) for place in range(count)]


def ended(generation: Generation) -> bool:
    """Whether the model's own end is the last token, where no stop string is asked for."""
    return generation.finish_reason == "stop"


def test_greedy_is_torchs_greedy(engine: Engine, reference: Any) -> None:
    texts = [generation.text for generation in drawn(engine, [Draw(prompt, 0) for prompt in PROMPTS], GREEDY)]
    assert texts == [reference.greedy(prompt, 24) for prompt in PROMPTS]


def test_greedy_does_not_know_seeds_or_top_p(engine: Engine) -> None:
    one, other = GREEDY.model_copy(update={"top_p": 0.1}), GREEDY.model_copy(update={"top_p": 1.0})
    assert drawn(engine, [Draw("x", 1)], one) == drawn(engine, [Draw("x", 2)], other)


def test_a_tiny_nucleus_is_greedy(engine: Engine) -> None:
    nucleus = WARM.model_copy(update={"top_p": 1e-6})
    found = drawn(engine, several(4), nucleus)
    assert [g.text for g in found] == [g.text for g in drawn(engine, several(4), GREEDY)]


def test_the_same_seeds_give_the_same_texts(engine: Engine) -> None:
    texts = [generation.text for generation in drawn(engine, several(12), WARM)]
    assert texts == [generation.text for generation in drawn(engine, several(12), WARM)]
    assert len(set(texts)) > 9


def test_a_sample_does_not_depend_on_its_neighbours(engine: Engine) -> None:
    together = drawn(engine, several(16), WARM)
    for place in (0, 5, 15):
        assert drawn(engine, [several(16)[place]], WARM)[0].text == together[place].text
    assert [g.text for g in drawn(engine, several(16)[::-3], WARM)] == [g.text for g in together[::-3]]


def test_samples_are_distributed_as_the_nucleus(engine: Engine, reference: Any) -> None:
    count = 600
    sampling = Sampling(temperature=0.7, top_p=0.8, max_tokens=1, logprobs=False)
    found = Counter(g.text for g in drawn(engine, [Draw("x = ", seed) for seed in range(count)], sampling))
    probabilities = (reference.logits(reference.tokenizer.encode("x = "))[-1] / 0.7).softmax(dim=-1)
    nucleus: dict[int, float] = {}
    for token in probabilities.argsort(descending=True).tolist():
        nucleus[token] = float(probabilities[token])
        if sum(nucleus.values()) >= 0.8:
            break
    expected = {reference.tokenizer.decode([t]): p / sum(nucleus.values()) for t, p in nucleus.items()}
    assert found.keys() <= expected.keys()
    for text, share in expected.items():
        # Five standard deviations of a binomial.
        assert abs(found[text] - count * share) <= 5 * math.sqrt(count * share * (1 - share)) + 1


def test_stop_strings_cut_the_text_before_them(engine: Engine) -> None:
    free = drawn(engine, several(12), WARM)
    long = [place for place, generation in enumerate(free) if len(generation.text) > 8]
    assert long
    for place in long[:3]:
        stop = free[place].text[4:6]
        sampling = WARM.model_copy(update={"stop": (stop, "never drawn")})
        found = drawn(engine, [several(12)[place]], sampling)[0]
        cut = free[place].text.index(stop)
        assert (found.text, found.finish_reason) == (free[place].text[:cut], "stop")
        assert found.output_tokens == cut + 2
        assert found.logprobs is not None
        assert len(found.logprobs) == cut + 2


def test_lengths_reasons_and_token_counts(engine: Engine, reference: Any) -> None:
    draws = several(64)
    found = drawn(engine, draws, WARM)
    for draw, generation in zip(draws, found, strict=True):
        assert generation.prompt_tokens == len(reference.tokenizer.encode(draw.prompt))
        assert generation.output_tokens == len(generation.text) + ended(generation)
        assert generation.finish_reason == "stop" or generation.output_tokens == 24
    assert {generation.finish_reason for generation in found} == {"stop", "length"}


def test_logprobs_are_those_of_a_forward_pass(engine: Engine, reference: Any) -> None:
    draws = several(12)
    for draw, generation in zip(draws, drawn(engine, draws, WARM), strict=True):
        expected = reference.logprobs(draw.prompt, generation.text, ended=ended(generation))
        assert generation.logprobs == pytest.approx(expected, abs=TOLERANCE)


def test_logprobs_do_not_know_the_temperature(engine: Engine, reference: Any) -> None:
    cold = WARM.model_copy(update={"temperature": 0.3, "top_p": 0.5})
    generation = drawn(engine, [Draw("x", 3)], cold)[0]
    expected = reference.logprobs("x", generation.text, ended=ended(generation))
    assert generation.logprobs == pytest.approx(expected, abs=TOLERANCE)


def test_logprobs_only_where_asked(engine: Engine) -> None:
    with_them = drawn(engine, several(4), WARM)
    without = drawn(engine, several(4), WARM.model_copy(update={"logprobs": False}))
    assert [g._replace(logprobs=None) for g in with_them] == without


def test_scores_are_those_of_a_forward_pass(engine: Engine, reference: Any) -> None:
    texts: list[tuple[Prompt, str]] = [
        (prompt, "    return a + b\n"[:length]) for length in (17, 3, 1, 0) for prompt in PROMPTS
    ]
    for (prompt, text), scores in zip(texts, engine.score(texts), strict=True):
        assert scores.logprobs == pytest.approx(reference.logprobs(prompt, text, ended=False), abs=TOLERANCE)
        assert scores.prompt_tokens in (len(prompt), None if not text else len(prompt))


def test_certainty_is_the_divergence_from_the_uniform_distribution(engine: Engine, reference: Any) -> None:
    texts: list[tuple[Prompt, str]] = [("def f(x):\n", "    return x\n"), ("x", "y"), ("a = ", "1 + 1\n")]
    for (prompt, text), scored in zip(texts, engine.score(texts), strict=True):
        if engine.describe().engine != "transformers":
            assert scored.certainty is None
            continue
        ids = reference.tokenizer.encode(prompt + text)
        chances = reference.logits(ids)[len(prompt) - 1 : -1].softmax(dim=-1).double()
        size = chances.shape[-1]
        # KL(U || p), summed by its definition.
        divergences = (chances.reciprocal() / size).log().sum(dim=-1) / size
        assert scored.certainty == pytest.approx(float(divergences.mean()), abs=TOLERANCE)


def test_scores_of_what_was_drawn_are_its_logprobs(engine: Engine) -> None:
    draws = several(12)
    found = drawn(engine, draws, WARM)
    scores = engine.score([(draw.prompt, generation.text) for draw, generation in zip(draws, found, strict=True)])
    for generation, score in zip(found, scores, strict=True):
        assert generation.logprobs is not None
        assert score.logprobs == pytest.approx(generation.logprobs[: len(generation.text)], abs=TOLERANCE)


def test_many_long_texts_are_scored(engine: Engine) -> None:
    texts: list[tuple[Prompt, str]] = [("x" * (1 + place % 7), "y = 1\n" * 20) for place in range(100)]
    scores = engine.score(texts)
    assert {len(score.logprobs) for score in scores} == {120}
    assert scores[0].logprobs == pytest.approx(scores[7].logprobs, abs=TOLERANCE)


def test_a_prompt_that_leaves_no_room_is_one_line(engine: Engine) -> None:
    with pytest.raises(UserError) as caught:
        drawn(engine, [Draw("x", 0), Draw("line\n" * 40, 0)], GREEDY)
    assert "\n" not in str(caught.value)
    assert "160" in str(caught.value)


def test_a_chat_goes_through_the_template(engine: Engine, reference: Any) -> None:
    chat = (Message("system", "be brief"), Message("user", "x?"))
    generation = drawn(engine, [Draw(chat, 0)], GREEDY)[0]
    rendered = "[system]be brief\n[user]x?\n[assistant]"
    assert generation.text == reference.greedy(rendered, 24)
    assert generation.prompt_tokens == len(rendered)
    expected = reference.logprobs(rendered, generation.text, ended=ended(generation))
    assert generation.logprobs == pytest.approx(expected, abs=TOLERANCE)


def test_what_a_caller_leaves_is_not_drawn_and_harms_nothing(engine: Engine) -> None:
    expected = drawn(engine, several(4), WARM)
    left = engine.generate(several(400), WARM)
    next(iter(left))
    left.close()
    assert [g.text for g in drawn(engine, several(4), WARM)] == [g.text for g in expected]


def test_nothing_to_do_is_no_work(engine: Engine) -> None:
    assert list(engine.generate([], GREEDY)) == []
    assert engine.score([]) == []


def test_it_tells_the_memory_of_its_weights_and_cache(engine: Engine, reference: Any) -> None:
    drawn(engine, several(3), Sampling(max_tokens=5))
    found = engine.memory()
    if engine.describe().engine == "openai":
        assert found == EngineMemory()
        return
    assert found.place in ("host", "device")
    # At 32 bits, with what an engine keeps beside: tables of positions, say.
    assert 4 * reference.parameters <= (found.weight_bytes or 0) <= 4 * reference.parameters + (1 << 20)
    assert (found.kv_bytes or 0) > 0


def test_it_says_what_it_is(engine: Engine) -> None:
    description = engine.describe()
    assert description.engine in ("transformers", "vllm", "openai")
    assert description.precision == "fp32"
    assert description.max_model_tokens == 160
    assert description.engine == "openai" or len(description.revision) == 64
    assert "right-key" not in description.model_dump_json()
