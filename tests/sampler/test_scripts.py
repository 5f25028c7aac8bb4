"""Scripts and methods taken out of texts: what runs must do what its author meant, and nothing of it may be lost."""

import subprocess
import sys
import time
from typing import Any

import pytest
from codebudget.records import Task
from codebudget.sampler.extract import TOO_LONG, extract_program
from codebudget.sampler.files import program_in
from codebudget.sampler.scripts import extract_script

STOP = ("\nQUESTION:", "\nANSWER:")
A = "n = int(input())\nprint(n * 2)\n"
MAIN = "def main():\n    print(2 * int(input()))\n\n\nif __name__ == '__main__':\n    main()\n"

SCRIPTS = {
    "plain": A,
    "with CRLF": A.replace("\n", "\r\n"),
    "indented": "    n = int(input())\n    print(n * 2)\n",
    "in a fence": f"Here it is:\n\n```python\n{A}```\nIt doubles the number.",
    "in a fence that a token limit left open": f"```python\n{A}",
    "behind a fence that closes the prompt's": f"{A}```\n\nExplanation: it doubles.",
    "behind a thought": f"<think>try ```python\nprint(int(input()))\n```</think>\n```python\n{A}```",
    "behind a thought that the template began": f"so print it\n</think>\n\n{A}",
    "before another turn": f"{A}<|im_end|>\n<|im_start|>user\nThanks! Now print it once.",
    "marked as the answer": f"Let me think.\n<answer>\n{A}</answer>",
    "with a guard": f"```python\n{MAIN}```",
    "with a demonstration that is the program": f"```python\ndef double(x):\n    return 2 * x\n\n{A}```",
    "a correction": f"```python\nprint(int(input()))\n```\nWait, that is wrong. Corrected:\n```python\n{A}```",
    "a first version, the other on offer": f"```python\n{A}```\nAlternatively, you could use:\n```\nprint(1)\n```",
    "with its input and output shown": f"```python\n{A}```\nInput:\n```\n5\n```\nOutput:\n```\n10\n```",
    "with a shell command": f"```python\n{A}```\nRun it:\n```bash\npython double.py < in.txt\n```",
    "in pieces": f"Define it:\n```python\n{MAIN.partition('if')[0]}```\nand call it:\n```python\nmain()\n```",
    "in pieces, the import first": "```python\nimport sys\n```\nSo:\n```python\nprint(2 * int(sys.stdin.read()))\n```",
    "among prose": f"The solution:\n\n{A}\nThis doubles the number, doesn't it?",
    "before the next question": f"{A}\nQUESTION:\nAdd two numbers.\nANSWER:\nprint(sum(map(int, input().split())))\n",
    "escaped for a page": A.replace("print", "if n &gt; -1000: print"),
    "reading bytes": "import sys\nprint(2 * int(sys.stdin.buffer.readline()))\n",
    "reading a file": "```py\nprint(2 * int(open(0).read()))\n```",
    "reading by os": "```python\nimport os\nprint(2 * int(os.read(0, 100)))\n```",
    "in a class": "class Run:\n    def go(self):\n        print(2 * int(input()))\n\n\nRun().go()\n",
    "with a match": "match input().split():\n    case [n]:\n        print(2 * int(n))\n",
    "with a global": "def go():\n    global n\n    n = int(input())\n\n\ngo()\nprint(2 * n)\n",
    "that exits": "import sys\nn = int(input())\nprint(n * 2)\nsys.exit()\nprint('no')\n",
}


@pytest.mark.parametrize("raw", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_is_found_whole(raw: str) -> None:
    program = extract_script(raw, stop=STOP)
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], input="21", capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout.strip(), done.returncode) == ("42", 0), program


def test_a_script_is_kept_verbatim() -> None:
    for program in (A, MAIN, "import unused\n" + A, "assert True\n" + A + "print('demo')\n"):
        assert extract_script(program, stop=STOP) == program
        assert extract_script(f"Here:\n```python\n{program}```", stop=STOP).strip() == program.strip()


@pytest.mark.parametrize("raw", ["", "  \n", "42", "x", "I do not know.", "```\n5 3\n```", "<think>never ends"])
def test_a_text_without_a_script_is_none(raw: str) -> None:
    program = extract_script(raw, stop=STOP)
    with pytest.raises(SyntaxError):
        compile(program, "<script>", "exec")


def test_what_does_not_parse_is_left_as_it_is() -> None:
    assert extract_script("```python\nn = input()\nprint n\n```", stop=STOP) == "n = input()\nprint n"
    assert extract_script("```python\nn = int(input())\nprint(n *", stop=STOP) == "n = int(input())\nprint(n *"


def test_a_text_that_is_too_long_or_slow_ends_soon() -> None:
    assert extract_script("x" * (400 << 10), stop=STOP) == TOO_LONG
    started = time.process_time()
    for raw in ("(" * 100_000, "for x in y:\n" * 20_000, "```python\n" * 20_000, "if x:\n print(1)\n'" * 10_000):
        assert isinstance(extract_script(raw, stop=STOP), str)
    assert time.process_time() - started < 20


def test_the_tasks_kind_decides_what_is_taken_out() -> None:
    task = Task(id="a", benchmark="b", prompt="Double it.\n", entry_point="", stop=STOP)
    assert program_in(f"```python\n{MAIN}```", task, None).strip() == MAIN.strip()


PROMPT = (
    "from typing import List\n\n\nclass Solution:\n    def total(self, xs: List[int]) -> int:\n"
    '        """\n        The sum.\n        """\n'
)
BODY = "        return sum(xs)\n"
WHOLE = f"class Solution:\n    def total(self, xs: List[int]) -> int:\n{BODY}"

METHODS = {
    "body": BODY,
    "body, then another class": f"{BODY}\n\nclass Other:\n    pass\n",
    "body, then a demonstration": f"{BODY}\nprint(Solution().total([1]) + ')')\n",
    "body, then half a line": f"{BODY}\n    def other(self",
    "body with the indentation lost": "return sum(xs)\n",
    "whole, without its import": WHOLE,
    "whole, in a fence": f"Sure:\n```python\n{WHOLE}```\nIt sums.",
    "whole, with a demonstration": f"```python\n{WHOLE}\n\nsolution = Solution()\nprint(solution.total('x'))\n```",
    "whole, behind a thought": f"<think>class Solution: no</think>\n{WHOLE}",
    "with a helper before": "def add(xs):\n    return sum(xs)\n\n\n" + WHOLE.replace("sum(xs)", "add(xs)"),
    "with a helper behind": WHOLE.replace("sum(xs)", "add(xs)") + "\n\ndef add(xs):\n    return sum(xs)\n",
    "with a helper method": WHOLE.replace("sum(xs)", "self.add(xs)")
    + "\n    def add(self, xs):\n        return sum(xs)\n",
    "with a base": WHOLE.replace("Solution:", "Solution(object):"),
    "the method again": f"    def total(self, xs: List[int]) -> int:\n{BODY}",
    "the method alone": "def total(self, xs):\n    return sum(xs)\n",
    "a function": "```python\ndef total(xs):\n    return sum(xs)\n```",
    "in another class": "class Answer:\n    def total(self, xs):\n        return sum(xs)\n",
    "a stub, then the class": f"class Solution:\n    def total(self, xs):\n        pass\n\n\n{WHOLE}",
}


def total_of(program: str, xs: list[int]) -> int:
    names: dict[str, Any] = {}
    exec(compile(program, "<text>", "exec"), names)
    total: int = names["Solution"]().total(xs)
    return total + 0


@pytest.mark.parametrize("raw", METHODS.values(), ids=METHODS)
def test_a_method_is_found_with_what_it_needs(raw: str) -> None:
    stop = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")
    program = extract_program(raw, prompt=PROMPT, entry_point="Solution.total", stop=stop)
    assert total_of(program, [1, 2]) == 3, program


@pytest.mark.parametrize("raw", ["", "I cannot.", "class Solution:\n    pass\n", "class Other:\n    x = 1\n"])
def test_a_text_without_the_method_has_no_program_that_works(raw: str) -> None:
    program = extract_program(raw, prompt=PROMPT, entry_point="Solution.total", stop=())
    with pytest.raises((SyntaxError, AttributeError, NameError, KeyError)):
        total_of(program, [1])
