"""The lines about what an arm's samples lack."""

from __future__ import annotations

from codebudget.records import Candidate
from codebudget.sampler.endings import Lost, notes_of_samples
from codebudget.sampler.prompting import Settings

CHAT = Settings(style="chat", max_tokens=9)


def ended(index: int, reason: str | None, raw: str = "x") -> Candidate:
    return Candidate(task_id="t/0", arm="m", index=index, raw=raw, program="", finish_reason=reason)


def test_samples_that_answer_need_no_line() -> None:
    some = [ended(0, "stop"), ended(1, "length"), ended(2, None), ended(3, "stop", "<think>a</think>b")]
    assert notes_of_samples("m", some, [], CHAT) == ()


def test_many_reasons_are_few_lines() -> None:
    lost = [Lost("t/0", place, f"the server said {place // 2}") for place in range(11)]
    lines = notes_of_samples("m", [], lost, CHAT)
    assert (
        lines[0]
        == "m: missing: 2 samples (t/0 #0, t/0 #1), since the server said 0; the same command requests them again"
    )
    assert len(lines) == 4
    assert lines[-1] == "m: missing: 5 samples (t/0 #6, t/0 #7, t/0 #8, ...), for 3 other reasons, listed in --json"


def test_a_thought_alone_is_no_answer() -> None:
    cut = [ended(0, "length", "<think>a"), ended(1, "stop")]
    assert notes_of_samples("m", cut, [], CHAT) == (
        "m: cut off by the limit of 9 tokens before an answer: 1 sample (t/0 #0)",
    )
    assert notes_of_samples("m", cut[:1], [], CHAT)[0].endswith("before an answer: all 1 samples; raise `max_tokens`")
    (empty,) = notes_of_samples("m", [ended(0, "stop", "<think>a</think>\n")], [], CHAT)
    assert empty == "m: empty: 1 sample (t/0 #0); stored and graded unchanged"
