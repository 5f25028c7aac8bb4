"""Answers as models give them, by kind: each comes to the program that is meant, or to none.

`answers.jsonl` holds whole answers with what is right; the tables below hold others of the same kinds.
"""

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from codebudget.records import Task
from codebudget.sampler.extract import extract_program
from codebudget.sampler.files import program_in

CASES = [json.loads(line) for line in (Path(__file__).parent / "answers.jsonl").read_text("utf-8").split("\n") if line]
PROMPT = CASES[0]["prompt"]
STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
BODY = '    wanted = set("aeiou" + extra.lower())\n    return sum(ch in wanted for ch in text.lower())\n'
RIGHT = 'def count_vowels(text: str, extra: str = "") -> int:\n' + BODY
WRONG = 'def count_vowels(text: str, extra: str = "") -> int:\n    return -1\n'
READS_VOWELS = (
    'def count_vowels(text, extra=""):\n    return sum(c in VOWELS or c in extra.lower() for c in text.lower())\n'
)


def fenced(code: str, language: str = "python") -> str:
    return f"```{language}\n{code}```\n"


def is_right(raw: str, monkeypatch: pytest.MonkeyPatch, stop: tuple[str, ...] = STOP) -> bool:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    program = extract_program(raw, prompt=PROMPT, entry_point="count_vowels", stop=stop)
    namespace: dict[str, Any] = {"__name__": "candidate"}
    limit = sys.getrecursionlimit()
    try:
        exec(program, namespace)
        count = namespace["count_vowels"]
        return (count("Banana"), count("xyz", "y"), count("AEIOU"), count("")) == (3, 1, 5, 0)
    except Exception:
        return False
    finally:
        sys.setrecursionlimit(limit)


def is_invalid(raw: str) -> bool:
    program = extract_program(raw, prompt=PROMPT, entry_point="count_vowels", stop=STOP)
    try:
        compile(program, "<candidate>", "exec")
    except SyntaxError:
        return True
    return False


@pytest.mark.parametrize("case", CASES, ids=[f"{case['kind']}: {case['name']}" for case in CASES])
def test_a_given_answer(case: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_right(case["raw"], monkeypatch) == (case["expect"] == "right")


TAGS = [
    ("<think>", "</think>"),
    ("<Thinking>", "</Thinking>"),
    ("<thought>", "</thought>"),
    ("<thought_process>", "</thought_process>"),
    ("<reasoning>", "</reasoning>"),
    ("<analysis>", "</analysis>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<seed:think>", "</seed:think>"),
    ('<think effort="high">', "</think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<unused94>thought", "<unused95>"),
    ('<details type="reasoning" done="true">', "</details>"),
    ("Thinking...", "...done thinking."),
]


@pytest.mark.parametrize(("opening", "closing"), TAGS)
def test_a_thought_is_never_graded(opening: str, closing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = f"{opening}\nIt's a draft:\n{fenced(WRONG)}no.\n{closing}\n"
    assert is_right(f"{draft}\nHere:\n{fenced(RIGHT)}", monkeypatch)
    assert is_right(f"{opening}\n{WRONG}{closing}\n{RIGHT}", monkeypatch)
    assert is_right(f"{opening}\nok\n{closing}\n{BODY}", monkeypatch)
    assert not is_right(f"{opening}\n{fenced(RIGHT)}{closing}\n{fenced(WRONG)}", monkeypatch)
    assert is_invalid(f"{opening}\n{fenced(RIGHT)}\nWait")
    assert is_invalid(f"{opening}\n{fenced(RIGHT)}{closing}\n")


@pytest.mark.parametrize(
    "closing", [closing for _, closing in TAGS if closing[0] in "<[◁" and "details" not in closing]
)
def test_a_closing_tag_alone_ends_a_thought(closing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_right(f"I draft, in C#:\n{fenced(WRONG)}hmm.\n{closing}\n{fenced(RIGHT)}", monkeypatch)


def test_channels_and_other_forms_of_thoughts(monkeypatch: pytest.MonkeyPatch) -> None:
    analysis, final = "analysis<|message|>Draft:\n" + fenced(WRONG), "<|channel|>final <|constrain|>python<|message|>"
    for raw in (
        f"<|channel|>{analysis}<|end|><|start|>assistant{final}{RIGHT}<|return|>",
        f"{analysis}<|end|><|start|>assistant{final}{fenced(RIGHT)}",
        f"<|channel|>commentary<|message|>{fenced(WRONG)}<|end|><|start|>assistant{final}{fenced(RIGHT)}",
        f"analysisWe need {fenced(WRONG)}ok.assistantfinal{RIGHT}",
        f"<|im_start|>think\n{fenced(WRONG)}<|im_start|>answer\n{fenced(RIGHT)}",
        f"Here is my thought process:\n{fenced(WRONG)}\nHere is my response:\n{fenced(RIGHT)}",
        f"<think>I close </think> too early. {fenced(WRONG)}</think>\n{fenced(RIGHT)}",
        f"<think>\n```python\n{WRONG}\n</think>\n{fenced(RIGHT)}",
        f"<think>```python\n{WRONG}```</think>{fenced(RIGHT)}",
        f"<think>\n{fenced(WRONG)}\n<answer>\n{fenced(RIGHT)}</answer>",
        f"<think>a</think>\n{fenced(WRONG)}<think>That is wrong.</think>\nCorrected:\n{fenced(RIGHT)}",
        f"&lt;think&gt;\n{fenced(WRONG)}&lt;/think&gt;\n{fenced(RIGHT)}",
        f"{fenced(RIGHT)}\n<think>Did I",
    ):
        assert is_right(raw, monkeypatch), raw
    for raw in (f"<|channel|>analysis<|message|>{fenced(RIGHT)}", f"analysisWe need {fenced(RIGHT)}ok."):
        assert is_invalid(raw), raw


@pytest.mark.parametrize(
    "line",
    [
        "tags = ['<think>', \"</think>\"]",
        "# strip </think>",
        '"""Not\n    <think>\n    a thought\n    </think>\n    """',
        'end = "<|endoftext|>", "</s>"',
        '"""Ends with\n    <|endoftext|>\n    <eos>\n    ."""',
        'tick = "```"',
        '"""Example:\n    ```\n    count_vowels("a")\n    ```\n    """',
        '"""Example:\n```python\ncount_vowels("a")\n```\n"""',
        'parts = "x\\ny".split("\\n")\n    assert len(parts) == 2',
        'parts = "&lt;b&gt;".replace("&lt;", "<")\n    assert parts == "<b&gt;"',
        'parts = "a\u00a0b\u200bc"\n    assert len(parts) == 5',
        'parts = r"\\_" + "\\\\"\n    assert len(parts) == 3',
    ],
)
def test_what_stands_in_strings_and_comments_stays(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    code = RIGHT.replace("    wanted", f"    {line}\n    wanted", 1)
    for raw in (fenced(code), f"It's here:\n{fenced(code)}Isn't it?", code):
        assert is_right(raw, monkeypatch), raw


CORRECTIONS = [
    "Wait, this is wrong. Let me fix it:",
    "That doesn't handle `extra`. Here is the fixed version:",
    "Actually, we need to count. Updated code:",
    "However, this does not work. Final solution:",
    "I made a mistake above. Here is the right code:",
    "Use this instead:",
    "### Step 2: implementation",
    "This fails the second example. Revised:",
    "On reflection, the first version ignores the text, so:",
    "Edit:",
]
OFFERS = [
    "Alternatively, you can write:",
    "You could also use a one-liner:",
    "If you want to ignore extra, you can use the following code instead:",
    "For comparison, here is a naive version:",
    "### Approach 2",
    "A more concise variant (ignores extra):",
    "The following would be wrong:",
    "Don't write it like this:",
]
REJECTED = ["A common mistake is:", "Your code:", "Skeleton:", "First attempt:", "The wrong way:", "❌ Bad:"]
PLACEHOLDERS = [
    "    pass\n",
    "    ...\n",
    "    raise NotImplementedError\n",
    "    # your code here\n    return 0\n",
    "    return None  # placeholder\n",
    "    # Implementation goes here\n    result = 0\n    return result\n",
]


def test_of_several_versions_the_one_that_is_meant_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    for said in CORRECTIONS:
        assert is_right(f"{fenced(WRONG)}\n{said}\n\n{fenced(RIGHT)}", monkeypatch), said
        assert is_right(f"Here:\n\n{WRONG}\n{said}\n\n{RIGHT}\nDone.", monkeypatch), said
    for said in OFFERS:
        assert is_right(f"{fenced(RIGHT)}\nThis counts.\n\n{said}\n\n{fenced(WRONG)}", monkeypatch), said
        assert is_right(f"{RIGHT}\n\n{said}\n\n{WRONG}\nDone, isn't it?", monkeypatch), said
    for said in REJECTED:
        assert is_right(f"{said}\n{fenced(WRONG)}\nUse this:\n{fenced(RIGHT)}", monkeypatch), said
    assert is_right(fenced(f"{WRONG}\n# Corrected version\n{RIGHT}"), monkeypatch)
    assert is_right(fenced(f"{RIGHT}\n# Alternative\n{WRONG}"), monkeypatch)


@pytest.mark.parametrize("body", PLACEHOLDERS)
def test_a_placeholder_never_counts(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    placeholder = f'def count_vowels(text, extra=""):\n{body}'
    assert is_right(f"{fenced(placeholder)}\nthen\n{fenced(RIGHT)}", monkeypatch)
    assert is_right(f"{fenced(RIGHT)}\nTemplate, final:\n{fenced(placeholder)}", monkeypatch)
    assert is_right(fenced(f"{placeholder}\n{RIGHT}"), monkeypatch)


def test_helpers_and_versions_by_longer_names_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    set_up = fenced("VOWELS = set()\nfor c in 'aeiou':\n    VOWELS.add(c)\nprint(VOWELS)\n")
    assert is_right(f"First\n{set_up}then\n{fenced(READS_VOWELS)}", monkeypatch)
    test = fenced("from solution import count_vowels\n\ndef test():\n    assert count_vowels('a') == 1\n")
    assert is_right(f"{test}and\n{fenced(RIGHT)}", monkeypatch)
    assert is_right(
        fenced(RIGHT.replace("count_vowels", "count_vowels_by_set") + WRONG.replace("count", "other")), monkeypatch
    )


SET_UP = [
    'VOWELS = []\nVOWELS.extend("aeiou")',
    'VOWELS = {}\nfor c in "aeiou": VOWELS[c] = 1',
    'VOWELS = set()\nVOWELS |= set("aeiou")',
    'VOWELS = set()\ndef build():\n    for c in "aeiou":\n        VOWELS.add(c)\nbuild()',
    'VOWELS = None\ndef init():\n    global VOWELS\n    VOWELS = "aeiou"\ninit()',
    'try:\n    VOWELS = "aeiou"\nexcept Exception:\n    VOWELS = ""',
    'VOWELS = ""\nwhile len(VOWELS) < 5:\n    VOWELS += "aeiou"[len(VOWELS)]',
    'VOWELS = set()\n[VOWELS.add(c) for c in "aeiou"]',
    'class Table:\n    vowels = set("aeiou")\nVOWELS = Table.vowels',
]


@pytest.mark.parametrize("set_up", SET_UP)
def test_set_up_stays_wherever_it_stands(set_up: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = "\nprint(count_vowels(input()))\nassert count_vowels('a') == 2\n"
    for code in (f"{set_up}\n\n{READS_VOWELS}{shown}", f"{READS_VOWELS}\n{set_up}\n{shown}"):
        assert is_right(fenced(code), monkeypatch), code
    body = READS_VOWELS.partition("\n")[2]
    assert is_right(f"{body}\n\n{set_up}\n{shown}", monkeypatch)


def test_wrapping_and_registering_is_set_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    wrapped = f"import functools\n{RIGHT}\ncount_vowels = functools.cache(count_vowels)\ncount_vowels('a')\n"
    assert is_right(fenced(wrapped), monkeypatch)
    assert "cache" in extract_program(wrapped, prompt="", entry_point="count_vowels", stop=())
    rules = """RULES = []

def count_vowels(text, extra=''):
    return sum(any(rule(c, extra) for rule in RULES) for c in text.lower())

@RULES.append
def first(c, extra):
    return c in 'aeiou'

@RULES.append
def other(c, extra):
    return c in extra
"""
    assert is_right(fenced(rules), monkeypatch)


DEMONSTRATIONS = [
    "n = int(input())\nprint(n)",
    "data = input().split()\nfor x in data:\n    print(x)",
    "import sys\nlines = sys.stdin.read().split()\nn = int(lines[0])",
    "def main():\n    print(count_vowels(input()))",
    "while True:\n    x = input()\n    break",
    "assert False",
    "import pytest_is_missing\n\n@pytest_is_missing.fixture\ndef test_it():\n    assert count_vowels('a') == 1",
]


@pytest.mark.parametrize("shown", DEMONSTRATIONS)
def test_demonstrations_go(shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_right(fenced(f"{RIGHT}\n{shown}\nmain()\n"), monkeypatch)
    if "fixture" not in shown:
        assert is_right(fenced(f"{shown}\n\n{RIGHT}"), monkeypatch)


def test_imports_that_only_dropped_tests_use_go(monkeypatch: pytest.MonkeyPatch) -> None:
    plot = "import missing.pyplot as plt\n" + RIGHT + "\nplt.bar(['a'], [count_vowels('a')])\nplt.show()\n"
    assert is_right(fenced(plot), monkeypatch)
    program = extract_program(f"import re\nimport pytest\n{RIGHT}", prompt="", entry_point="count_vowels", stop=())
    assert "import re" in program
    assert "pytest" not in program


ENDS = [
    *(
        "<|endoftext|>",
        "<|im_end|>",
        "</s>",
        "<eos>",
        "<end_of_turn>",
        "<|eot_id|>",
        "<\uff5cend\u2581of\u2581sentence\uff5c>",
    ),
    *("<|return|>", "<step> Source: assistant", "[/INST] Sure", "[INST] more", "<jupyter_output>3", "<|user|>\nThanks"),
    "<|im_end|>\n<|im_start|>user\nMore?<|im_end|>\n<|im_start|>assistant\n" + fenced(WRONG),
]


@pytest.mark.parametrize("end", ENDS)
def test_a_glued_end_takes_no_line_with_it(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for raw in (f"{BODY.rstrip()}{end}", f"{RIGHT.rstrip()}{end}", f"{RIGHT}{end}\n", f"{fenced(RIGHT).rstrip()}{end}"):
        assert is_right(raw, monkeypatch), raw


@pytest.mark.parametrize(
    "start", ["<s>", "<|begin_of_text|>", "<|im_start|>assistant\n", "<start_of_turn>model\n", "[/INST] ", "<pad><pad>"]
)
def test_nor_does_a_glued_start(start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_right(start + RIGHT, monkeypatch)
    assert is_right(start + fenced(RIGHT), monkeypatch)


NUMBERED = RIGHT.rstrip().split("\n")
DRESSED = {
    "fence behind prose": f"Sure: ```py\n{RIGHT}``` done",
    "fence with code behind its language": f"```python {RIGHT}```",
    "fence with attributes": f'```python title="x.py"\n{RIGHT}```',
    "four backticks": f"````python\n{RIGHT}````How",
    "quotes for a fence": f"'''python\n{RIGHT}'''",
    "language below the fence": f"  ```\npython\n{RIGHT}```",
    "language above the code": f"\npython\n\n{RIGHT}",
    "glued fence": f"{BODY.rstrip()}```\nThis works",
    "HTML": f'<pre><code class="language-python">{RIGHT}</code></pre>',
    "LaTeX": f"\\begin{{lstlisting}}[language=Python]\n{RIGHT}\\end{{lstlisting}}",
    "literal line breaks": RIGHT.replace("\n", "\\n"),
    "quoted literal line breaks": json.dumps(RIGHT),
    "body with literal line breaks": BODY.replace("\n", "\\n"),
    "literal line breaks beside those of strings": "def count_vowels(text, extra=''):\\n    a = 'x\\ny'.split('\\n')\\n"
    "    return sum(c in 'aeiou' + extra.lower() for c in text.lower())\\n",
    "JSON": json.dumps({"explanation": "It's so.", "code": RIGHT}),
    "JSON in a fence": fenced(json.dumps({"solution": RIGHT}, indent=2) + "\n", "json"),
    "JSON of a chat answer": json.dumps([{"role": "assistant", "content": f"Sure\n{fenced(RIGHT)}"}]),
    "JSON in JSON": json.dumps({"name": "python", "arguments": json.dumps({"code": RIGHT})}),
    "JSON of a notebook": json.dumps({"cells": [{"cell_type": "code", "source": RIGHT.splitlines(keepends=True)}]}),
    "a Python literal": f"{{'code': '''{RIGHT}'''}}",
    "the end of JSON": RIGHT.rstrip() + '\\n"}',
    "entities": fenced(RIGHT.replace(">", "&gt;").replace('"', "&quot;")),
    "escaped underscores": RIGHT.replace("_", "\\_"),
    "quotation": "> Here:\n> ```python\n> " + RIGHT.rstrip().replace("\n", "\n> ") + "\n> ```\n",
    "notebook": "In [1]: import re\n\nIn [2]: " + RIGHT.rstrip().replace("\n", "\n   ...: ") + "\n\nOut[2]: 3\n",
    "transcript": ">>> " + RIGHT.rstrip().replace("\n", "\n... ") + "\n...\n>>> count_vowels('a')\n1\n",
    "line numbers": "\n".join(f"{place}.  {line}" for place, line in enumerate(NUMBERED, 8)) + "\n\nDone, isn't it?",
    "line numbers and bars": fenced("\n".join(f"{place:3} | {line}" for place, line in enumerate(NUMBERED, 1)) + "\n"),
    "Markdown's indentation": "1. So\n\n    " + RIGHT.rstrip().replace("\n", "\n    ") + "\n\nDone.",
    "a diff": fenced(
        "@@ -1 +1 @@\n-def count_vowels(text): pass\n+" + RIGHT.rstrip().replace("\n", "\n+") + "\n", "diff"
    ),
    "bold": f"**{RIGHT.rstrip()}**",
    "colours": "\x1b[32m" + RIGHT.replace("return", "\x1b[1mreturn\x1b[0m"),
    "a blank before all": f"\n {RIGHT}\nprint(count_vowels('a'))\n",
    "a blank before imports": f" import re\n\n{RIGHT}",
    "one blank too many": BODY.replace("    ", "     ") + "\n\nThis (is",
    "one blank too few": BODY.replace("    ", "   "),
    "a first line one blank in": " " + BODY,
    "two blanks": "  n = 0\n  for c in text.lower():\n    if c in 'aeiou' + extra.lower():\n      n += 1\n  return n\n",
}


@pytest.mark.parametrize("raw", DRESSED.values(), ids=DRESSED.keys())
def test_dress_is_undone(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_right(raw, monkeypatch)


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("[BEGIN]", "[DONE]"),
        ("[PYTHON]", "[/PYTHON]"),
        ("<answer>", "</answer>"),
        ("<code>", "</code>"),
        ("[START]", "[END]"),
    ],
)
def test_marks_around_an_answer_go(opening: str, closing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for raw in (
        f"{opening}\n{RIGHT}{closing}\nYou are an expert, isn't it?\n",
        f"{opening}{RIGHT.rstrip()}{closing}",
        f"{opening}\n{BODY}{closing}\n",
        f"Sure.\n{opening}\n{fenced(RIGHT)}{closing}\n{fenced(WRONG)}",
    ):
        assert is_right(raw, monkeypatch), raw


@pytest.mark.parametrize("character", ["\u00a0", "\u2003", "\u3000", "\u202f"])
def test_blanks_that_python_does_not_know_are_blanks(character: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for raw in (fenced(RIGHT.replace("    ", character * 4)), BODY.replace("    ", character * 4)):
        assert is_right(raw, monkeypatch)


@pytest.mark.parametrize("character", ["\u200b", "\u200d", "\ufeff", "\u2060", "\u00ad", "\u200e"])
def test_what_shows_as_nothing_is_nothing(character: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for raw in (fenced(character + RIGHT), character + BODY, RIGHT.replace("vowels", character + "vowels")):
        assert is_right(raw, monkeypatch)


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"])
def test_what_the_parser_does_not_count_ends_no_line(character: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"    '''a{character}b'''\n    c = 'a{character}b'\n    assert len(c) == 3\n"
    code = RIGHT.replace("\n", f"\n{line}", 1)
    helper = f"S = 'x{character}y'\n\n\ndef is_vowel(c, extra):\n    return c.lower() in 'aeiou' + extra.lower()\n"
    user = "def count_vowels(text, extra=''):\n    return sum(is_vowel(c, extra) for c in text)\n"
    for raw in (
        f"{code}\nThat's it (done",
        f"{fenced(code)}x",
        f"{line}{BODY}\nThat (is",
        fenced(helper) + fenced(user),
        fenced(f"S = 'x{character}y'\nprint(S)\n\n{RIGHT}\nprint(3)\n"),
    ):
        assert is_right(raw, monkeypatch), raw


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "I cannot help with that.",
        "```java\nint count_vowels(String t) { return 1; }\n```",
        '{"thought": "none", "code": ""}',
        "<|im_end|>",
        "x = 1\n",
        "# only a comment\n",
    ],
)
def test_an_answer_without_a_program_is_invalid(raw: str) -> None:
    assert is_invalid(raw)


def test_half_a_surrogate_pair_behind_an_escape_reaches_no_file() -> None:
    task = Task(id="0", benchmark="b", prompt=PROMPT, entry_point="count_vowels", stop=STOP)
    escaped = json.dumps(RIGHT + "# \ud800\n")
    program = program_in(escaped, task, None)
    assert "wanted" in program
    assert program.encode("utf-8")


def test_what_is_wrong_in_a_program_is_never_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    for code in (
        RIGHT.replace('"aeiou"', "“aeiou”"),
        RIGHT.replace("-> int:", "-> int\uff1a"),
        RIGHT.replace("    wanted", "    total = 1 \u2212 1\n    wanted", 1),
        "def count_vowels(text, extra=''):\n    return len(re.findall('[aeiou' + extra + ']', text.lower()))\n",
        "def count_vowels(text, extra='')\n" + BODY,
    ):
        assert not is_right(fenced(code), monkeypatch), code
