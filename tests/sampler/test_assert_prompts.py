"""How tests are asked for, and rows of them."""

import json

import pytest
from codebudget.budgets.flops import decode_flops, prefill_flops
from codebudget.budgets.models import find_model
from codebudget.errors import UserError
from codebudget.sampler.drawing import DrawRequest, draw_samples
from codebudget.sampler.generated_tests import read_tests, rows_of_tests, write_test_rows
from codebudget.sampler.prompting import (
    WORKED_ASSERTS,
    WORKED_EXAMPLES,
    asserts_of_answer,
    preset_settings,
    prompt_of_task,
    sampling_of_task,
    settings_for_tests,
)
from codebudget.sampler.store import open_store
from codebudget.sampler.transfer import stored_samples

from support.markov import Markov


def test_completion_is_codets_prompt_and_settings(tasks) -> None:
    settings = settings_for_tests("completion")
    assert (settings.temperature, settings.top_p, settings.max_tokens, settings.logprobs) == (0.8, 0.95, 300, False)
    prompt = prompt_of_task(tasks[3], settings)
    assert prompt == ('def add_3(x):\n    """Add 3."""\n    pass\n\n# check the correctness of add_3\nassert ')
    assert sampling_of_task(tasks[3], settings).stop == ("\nclass", "\ndef", "\n#", "\nif", "\nprint")


def test_a_prompt_that_ends_within_a_line_gets_its_line_break(tasks) -> None:
    cut = tasks[0].model_copy(update={"prompt": tasks[0].prompt.rstrip() + "\n    "})
    settings = settings_for_tests("completion")
    assert prompt_of_task(cut, settings) == prompt_of_task(tasks[0], settings)
    bare = tasks[0].model_copy(update={"prompt": tasks[0].prompt.rstrip()})
    assert prompt_of_task(bare, settings) == prompt_of_task(tasks[0], settings)


def test_worked_asserts_hold_and_stand_before_the_task(tasks) -> None:
    assert set(WORKED_ASSERTS) == set(WORKED_EXAMPLES)
    for name, example in WORKED_EXAMPLES.items():
        scope: dict[str, object] = {}
        exec(example + WORKED_ASSERTS[name], scope)
    prompt = prompt_of_task(tasks[0], settings_for_tests("few-shot"))
    assert prompt.endswith(prompt_of_task(tasks[0], settings_for_tests("completion")))
    assert prompt.count("# check the correctness of ") == len(WORKED_EXAMPLES) + 1
    compile(prompt + "True", "<prompt>", "exec")


def test_a_chat_is_asked_and_its_answer_taken_apart(tasks) -> None:
    settings = settings_for_tests("chat")
    (message,) = prompt_of_task(tasks[0], settings)
    assert "def add_0(x):" in message.content
    assert sampling_of_task(tasks[0], settings).stop == ()
    fenced = "Sure!\n\n```python\n# Small ones.\nassert f(1) == 2\n\nassert f(2) == 3  # two\n```\nThat is all."
    assert asserts_of_answer(fenced) == "f(1) == 2\nassert f(2) == 3  # two"
    assert asserts_of_answer("assert f(1) == 2\n") == "f(1) == 2"
    assert asserts_of_answer("```\nassert f(1) == 2\nassert f(") == "f(1) == 2\nassert f("
    assert asserts_of_answer("```python\ndef f(x):\n    return x\n```") == ""


def test_the_paper_has_no_tests() -> None:
    with pytest.raises(UserError, match="unknown preset 'paper' for tests: choose from completion, few-shot, chat"):
        settings_for_tests("paper")


def test_tests_are_drawn_beside_solutions_and_read_back_with_their_cost(tasks, tmp_path) -> None:
    corpus = [f"assert add_{number}({x}) == {x + number}\n" for number in range(12) for x in range(3)]
    engine = Markov(corpus + [task.reference for task in tasks])
    request = DrawRequest(spec="m:3", model="m", precision="fp32", k=3, architecture=find_model("7b").architecture)
    settings = settings_for_tests("completion").model_copy(update={"max_tokens": 60})
    with open_store(tmp_path / "s") as store:
        solutions = draw_samples(tasks, request, engine, preset_settings("completion", "adding"), store)
        drawn = draw_samples(tasks, request, engine, settings, store)
        assert drawn.new == solutions.new == 36
        assert draw_samples(tasks, request, engine, settings, store).new == 0
        assert drawn.series.key != solutions.series.key
        assert drawn.candidates == stored_samples(store, drawn.series, tasks)
    assert {text.program for text in drawn.candidates} == {""}
    path = tmp_path / "tests.jsonl.gz"
    rows = list(rows_of_tests(tasks, drawn.series, drawn.candidates, request.architecture))
    assert write_test_rows(path, rows) == 36
    assert json.dumps(rows)
    read = read_tests([str(path)], {task.id: task for task in tasks})
    assert set(read) == {task.id for task in tasks}
    for task in tasks:
        mine = [text for text in drawn.candidates if text.task_id == task.id]
        found = read[task.id]
        assert found.samples == tuple(text.raw for text in mine)
        prompt = len(prompt_of_task(task, settings))
        assert found.usage.prompt_tokens == prompt
        assert found.usage.prefill_flops == prefill_flops(request.architecture, prompt)
        assert found.usage.decode_flops == sum(
            decode_flops(request.architecture, prompt, text.output_tokens) for text in mine
        )
        assert found.usage.wall_s == pytest.approx(drawn.series.tally.usage.wall_s / 12)


def test_what_is_not_known_is_left_out(tasks, markov, tmp_path) -> None:
    engine = markov(counts=False)
    request = DrawRequest(spec="m:1", model="m", precision="fp32", k=1)
    with open_store(tmp_path / "s") as store:
        drawn = draw_samples(tasks, request, engine, settings_for_tests("completion"), store)
    for row in rows_of_tests(tasks, drawn.series, drawn.candidates, find_model("7b").architecture):
        assert "output_tokens" not in row
        assert "decode_flops" not in row
