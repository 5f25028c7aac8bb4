"""What models are asked for on boards: whole scripts, methods, and functions in prose."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from codebudget.errors import UserError
from codebudget.rankers.pairs import pairs_in
from codebudget.records import Candidate
from codebudget.sampler.engine import Message
from codebudget.sampler.pair_prompts import WORKED_PAIRS
from codebudget.sampler.prompting import (
    Settings,
    drawn_tests,
    preset_settings,
    prompt_of_task,
    sampling_of_task,
    settings_for_tests,
)
from codebudget.sampler.questions import WORKED_METHODS, WORKED_SCRIPTS, question_of
from codebudget.tasks import load_benchmark

HERE = Path(__file__).parents[1] / "tasks" / "boards"


def tasks_of(name: str, file: str, **choice: Any) -> Any:
    return load_benchmark(f"{name}:{HERE / file}.jsonl", **choice).by_id


def asked(task: Any, preset: str, benchmark: str = "livecodebench") -> str:
    prompt = prompt_of_task(task, preset_settings(preset, benchmark))
    if isinstance(prompt, str):
        return prompt
    (message,) = prompt
    assert isinstance(message, Message)
    assert message.role == "user"
    return message.content


def asked_for_tests(task: Any, preset: str) -> str:
    prompt = prompt_of_task(task, settings_for_tests(preset))
    return prompt if isinstance(prompt, str) else prompt[-1].content


def test_a_script_is_asked_for_as_apps_does() -> None:
    task = tasks_of("livecodebench", "livecodebench")["cup0_a"]
    question = "Lines until the end of the input. Print them in reverse order."
    assert asked(task, "completion") == f"QUESTION:\n{question}\nUse Standard Input format\nANSWER:\n"
    chat = asked(task, "chat")
    assert chat.endswith(f"\n\n{question}")
    assert "reads standard input" in chat
    few = asked(task, "few-shot")
    assert few.count("QUESTION:\n") == 4
    assert few.endswith(asked(task, "completion"))
    assert sampling_of_task(task, Settings()).stop[0] == "\nQUESTION:"
    assert sampling_of_task(task, preset_settings("chat", "livecodebench")).stop == ()


def test_tests_of_a_script_are_pairs_in_one_form() -> None:
    task = tasks_of("livecodebench", "livecodebench")["cup0_a"]
    question = "Lines until the end of the input. Print them in reverse order."
    plain = asked_for_tests(task, "completion")
    assert plain == f"QUESTION:\n{question}\nUse Standard Input format\nTESTS:\nInput:\n"
    few = asked_for_tests(task, "few-shot")
    assert few.endswith(plain)
    assert few.count("TESTS:\n") == 4
    assert "\nTESTS:" in sampling_of_task(task, settings_for_tests("few-shot")).stop
    chat = asked_for_tests(task, "chat")
    assert chat.endswith(f"\n\n{question}")
    assert "a line `Input:`" in chat
    assert sampling_of_task(task, settings_for_tests("chat")).stop == ()


@pytest.mark.parametrize(("worked", "text"), list(zip(WORKED_SCRIPTS, WORKED_PAIRS, strict=True)))
def test_worked_pairs_are_right_and_rankers_read_them(worked: tuple[str, str], text: str) -> None:
    pairs = pairs_in((text,))
    assert len(pairs) == text.count("Input:") == 2
    for pair in pairs:
        command = [sys.executable, "-I", "-c", worked[1]]
        done = subprocess.run(command, input=pair.case.input, capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout == pair.case.output


def test_tests_of_a_method_are_asserts_on_a_new_instance() -> None:
    task = tasks_of("livecodebench", "livecodebench")["9005"]
    plain = asked_for_tests(task, "completion")
    assert plain.startswith(task.prompt)
    assert plain.endswith('"""\n        pass\n\n# check the correctness of Solution().transpose\nassert ')
    compile(plain + "True", "<prompt>", "exec")
    assert asked_for_tests(task, "few-shot").endswith(plain)
    assert "Call it as `Solution().transpose(...)`." in asked_for_tests(task, "chat")


def test_tests_of_a_function_asked_for_in_prose_come_after_the_prose() -> None:
    task = tasks_of("apps-introductory", "apps")["4003"].model_copy(update={"prompt": "The spread of a list.\n"})
    assert asked_for_tests(task, "completion") == "The spread of a list.\n\n# check the correctness of spread\nassert "
    assert asked_for_tests(task, "chat").endswith("\n\nThe spread of a list.")


def test_pairs_come_out_of_answers_without_their_thoughts_and_cut_ends() -> None:
    task = tasks_of("livecodebench", "livecodebench")["cup0_a"]
    chat, plain = settings_for_tests("chat"), settings_for_tests("completion")

    def pairs(raw: str, settings: Settings, finish_reason: str) -> list[tuple[str, str]]:
        text = Candidate(task_id=task.id, arm="a", index=0, raw=raw, program="", finish_reason=finish_reason)
        return [(pair.case.input, pair.case.output) for pair in pairs_in((drawn_tests(task, text, settings),))]

    answer = "<think>Input:\nx\nOutput:\ny\n</think>Here:\n```\nInput:\na\nb\nOutput:\nb\na\n```\n"
    assert pairs(answer, chat, "stop") == [("a\nb\n", "b\na\n")]
    cut = "a\nb\nOutput:\nb\na\n\nInput:\nc\nd\nOutput:\nd\n"
    assert pairs(cut, plain, "stop") == [("a\nb\n", "b\na\n"), ("c\nd\n", "d\n")]
    assert pairs(cut, plain, "length") == [("a\nb\n", "b\na\n")]
    assert pairs("<think>Input:\nx\nOutput:\ny\n", chat, "length") == []


def test_a_method_is_asked_for_by_its_starter_code() -> None:
    task = tasks_of("livecodebench", "livecodebench")["9005"]
    assert asked(task, "completion") == task.prompt
    chat = asked(task, "chat")
    assert (
        "\n\nRows of equal length turned into columns.\n\n```python\nfrom typing import List\n\n\nclass Solution:\n"
        in chat
    )
    assert '"""' not in chat
    few = asked(task, "few-shot")
    assert few.count("class Solution:") == 4
    assert few.endswith(task.prompt)
    assert "\nclass" in sampling_of_task(task, Settings()).stop


def test_a_function_is_asked_for_as_before() -> None:
    task = tasks_of("apps-introductory", "apps")["4003"]
    assert asked(task, "completion") == task.prompt
    assert asked(task, "chat").endswith(f"```python\n{task.prompt.rstrip()}\n```")


def test_instructions_in_prose_stay_prose_and_hold_their_code_once() -> None:
    complete = tasks_of("bigcodebench", "bigcodebench")["BigCodeBench/9000"]
    instruct = tasks_of("bigcodebench", "bigcodebench", variant="instruct")["BigCodeBench/9000"]
    assert asked(complete, "board", "bigcodebench").endswith(f"```python\n{complete.prompt.rstrip()}\n```")
    chat = asked(instruct, "board", "bigcodebench")
    assert chat.startswith("Count the keys of the JSON object in a text.\nYou should write self-contained code")
    assert chat.count("def task_func(text):") == 1
    assert '"""' not in chat


def test_a_question_comes_back_out_of_its_docstring() -> None:
    text = 'Print "a\\nb" and """quotes""".\n\n    indented\n\\end'
    from codebudget.tasks.boards.headers import headed

    found = headed(text, "class Solution:\n    def f(self, x):\n        ", "f")
    assert found is not None
    task = tasks_of("livecodebench", "livecodebench")["9005"].model_copy(
        update={"prompt": found.prompt, "entry_point": found.entry_point}
    )
    question = question_of(task)
    assert question is not None
    assert question.text == text
    assert question.starter == "class Solution:\n    def f(self, x):"


def test_presets_are_the_papers_and_the_boards() -> None:
    for name in ("apps-introductory", "apps-interview", "apps-competition"):
        assert preset_settings("paper", name) == Settings(style="few-shot", shots=2, max_tokens=256, temperature=0.6)
    assert preset_settings("paper", "mbpp+") == Settings(style="few-shot", shots=3, max_tokens=256)
    assert preset_settings("paper", "humaneval+") == Settings()
    own = preset_settings("board", "livecodebench")
    assert (own.style, own.temperature, own.top_p, own.max_tokens) == ("chat", 0.2, 0.95, 2000)
    for name in ("bigcodebench", "bigcodebench-hard"):
        own = preset_settings("board", name)
        assert (own.style, own.temperature, own.max_tokens) == ("chat", 0.0, 1280)
    with pytest.raises(UserError, match="the preset board has settings only for livecodebench, bigcodebench"):
        preset_settings("board", "humaneval")
    with pytest.raises(UserError, match="not for codecontests"):
        preset_settings("paper", "codecontests")


def test_worked_examples_are_right() -> None:
    import subprocess
    import sys

    given = ["4 2\n8\n9\n", "a bcd\nefg h\n", "1 2 2 9\n"]
    printed = ["2\n3\n", "bcd\n", "YES\n"]
    for (_, program), text, right in zip(WORKED_SCRIPTS, given, printed, strict=True):
        done = subprocess.run(
            [sys.executable, "-I", "-c", program], input=text, capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout == right
    results = [([3, 8, 6], 5), ("a3b1", "aaab"), ([3, 4, 6], False)]
    for source, (argument, expected) in zip(WORKED_METHODS, results, strict=True):
        names: dict[str, Any] = {}
        exec(source, names)
        method = next(name for name in vars(names["Solution"]) if not name.startswith("_"))
        assert getattr(names["Solution"](), method)(argument) == expected
