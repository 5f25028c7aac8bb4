"""The longest prefix that parses, against trying them all; and what a program keeps of itself."""

import ast

import pytest
from codebudget.sampler.syntax import Needs, bound_names, is_unfinished, longest_prefix, select
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


@pytest.mark.parametrize("padding", ["", " # " + "c" * 150])
@settings(max_examples=1000, deadline=None)
@given(st.lists(LINES, max_size=9), st.integers(1, 4))
def test_longest_prefix_is_the_longest_of_all(padding: str, lines: list[str], first_line: int) -> None:
    # A long text is parsed from its beginning, in pieces.
    texts = [line if line.endswith("\\") else line + padding for line in lines]
    ends = [end for end in range(first_line, len(texts) + 1) if parses("".join(f"{text}\n" for text in texts[:end]))]
    wanted = "".join(f"{text}\n" for text in texts[: ends[-1]]) if ends else None
    assert longest_prefix("".join(f"{text}\n" for text in texts), first_line) == wanted


STATEMENTS = st.sampled_from(
    (
        "a = b",
        "b = c",
        "c = a, d",
        "a, d = e",
        "def e(): return f",
        "def f(): return a",
        "class a: b = c",
        "import b, f",
    )
) | st.sampled_from(
    ("try:\n    c = f\nexcept E:\n    pass", "def b(c): global d; d = c", "d: int = g", "g = 1", "from x import e as c")
)


def free(statement: ast.stmt) -> set[str]:
    names = [node for node in ast.walk(statement) if isinstance(node, ast.Name)]
    binds = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    binds |= {node.arg for node in ast.walk(statement) if isinstance(node, ast.arg)}
    declared = {name for node in ast.walk(statement) if isinstance(node, ast.Global) for name in node.names}
    return ({node.id for node in names} - binds) | declared


@settings(max_examples=500, deadline=None)
@given(st.lists(STATEMENTS, max_size=4), st.lists(st.lists(STATEMENTS, max_size=8), max_size=3))
def test_what_is_needed_is_what_going_through_all_again_and_again_finds(
    kept: list[str], rounds: list[list[str]]
) -> None:
    have = list(ast.parse("\n".join(kept)).body)
    needs = Needs(have)
    for candidates in (ast.parse("\n".join(texts)).body for texts in rounds):
        bound = {name for node in have for name in bound_names(node)}
        wanted = {name for node in have for name in free(node)} - bound
        taken: list[ast.stmt] = []
        before = -1
        while len(taken) > before:
            before = len(taken)
            for node in candidates:
                names = bound_names(node)
                if node not in taken and names & wanted and not names & bound:
                    taken.append(node)
                    bound |= names
                    wanted = (wanted | free(node)) - bound
        assert needs.take(candidates) == taken
        have += taken


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
