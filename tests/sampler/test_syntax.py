"""The longest prefix that parses, against trying them all; and what a program keeps of itself."""

import ast

from codebudget.sampler.syntax import is_unfinished, longest_prefix, select
from hypothesis import given, settings
from hypothesis import strategies as st

LINES = st.sampled_from(
    [
        "x = 1",
        "def f():",
        "    return (",
        "    )",
        "    pass",
        "if x:",
        "'''",
        "try:",
        "except E:",
        "x = [",
        "]",
        "prose here",
        "  y = 2",
        "",
        "# c",
        "x = 'a",
        "else:",
        "@d",
        "class C:",
        "\\",
        "return",
    ]
)


def parses(source: str) -> bool:
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    return True


@settings(max_examples=1000, deadline=None)
@given(st.lists(LINES, max_size=9), st.integers(1, 4))
def test_longest_prefix_is_the_longest_of_all(lines: list[str], first_line: int) -> None:
    ends = [end for end in range(first_line, len(lines) + 1) if parses("".join(f"{line}\n" for line in lines[:end]))]
    wanted = "".join(f"{line}\n" for line in lines[: ends[-1]]) if ends else None
    assert longest_prefix("".join(f"{line}\n" for line in lines), first_line) == wanted


def test_an_unfinished_text_is_told_from_a_wrong_one() -> None:
    for text in ("x = (1,", "def f():", "x = 1\nif x", "x = '''a\nb", "for x in y:\n    z = 'a"):
        assert is_unfinished(text), text
    for text in ("x = = 1\ny = 2\n", "x = )\ny = 2", "\0\n\n1"):
        assert not is_unfinished(text), text


def test_select_keeps_what_the_entry_point_needs() -> None:
    source = (
        "# first\nimport os\n\ndef f():\n    pass\n\n@cache\ndef f():\n    return g(K)  # k\n\nK = 1\n"
        "print(f())\ndef unused(): return 1\ndef g(x):\n    return h(x)\ndef h(x): return x\n"
        "def f(): return 0\nx = f()\n"
    )
    assert select(source, "f") == (
        "# first\nimport os\n\n\n@cache\ndef f():\n    return g(K)  # k\n\nK = 1\n"
        "def g(x):\n    return h(x)\ndef h(x): return x\n"
    )
    assert select("def f(): return 1\n# end\n", "f") == "def f(): return 1\n# end\n"
    assert select("def f(): pass\n", "f") is None
    assert select("x = 1\n", "f") is None
    assert select("(", "f") is None
