"""Rankers in `compare` that ask a model, and rankers that fail."""

import json

SAMPLES = ("--samples", "13b=big.jsonl", "--samples", "7b=small.jsonl")


def answer(result) -> dict:
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_each_arm_scores_its_own_candidates_once(compare, server, tiny) -> None:
    served = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": ""}
    options = ("13b:1", "7b:3", *SAMPLES, "--engine", "openai", "--ranker", "scorer-logprob", "--json")
    found = answer(compare(*options, "--scorer", "self", **served))
    single, ranked = (arm["rankers"]["scorer-logprob"]["cost_flops"] for arm in found["arms"])
    assert single == 0 < ranked
    asked = [request["model"] for request in server.requests]
    assert set(asked) == {"codellama/CodeLlama-13b-hf", "codellama/CodeLlama-7b-hf"}
    again = answer(compare(*options, "--scorer", "self", **served))
    assert [arm["rankers"]["scorer-logprob"]["cost_flops"] for arm in again["arms"]] == [
        arm["rankers"]["scorer-logprob"]["cost_flops"] for arm in found["arms"]
    ]
    assert len(server.requests) == len(asked)
    without = compare(*options)
    assert without.returncode == 2
    assert "--scorer ARM" in without.stderr


FAILS = """
class Fails:
    \"\"\"Fails.\"\"\"
    name, version, needs, pointwise = "fails", "1", frozenset(), True
    def rank(self, task, candidates, context):
        raise ValueError("no luck")
"""


def test_a_ranker_that_fails_is_left_out_unless_strict(compare, tiny) -> None:
    (tiny / "mine.py").write_text(FAILS)
    options = ("13b:1", "7b:3", *SAMPLES, "--ranker", "shortest", "--ranker", "mine.py:Fails")
    result = compare(*options, "--json")
    found = answer(result)
    assert set(found["arms"][0]["rankers"]) == {"shortest", "random", "oracle"}
    (warning,) = [line for line in found["warnings"] if "left out" in line]
    assert "mine.py:Fails is left out: ranker 'fails' (file " in warning
    assert "failed on double: ValueError: no luck" in warning
    assert warning in result.stderr
    strict = compare(*options, "--strict")
    assert strict.returncode == 2
    assert "ValueError: no luck" in strict.stderr
