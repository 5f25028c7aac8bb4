"""From a task in prose, with a reference and asserts, to a prompt that a completion can continue."""

from __future__ import annotations

import ast
from collections import Counter

from .._util.parsing import Function, find_function
from .source import module, source_of


def defines(source: str, entry_point: str, *, is_open: bool = False) -> bool:
    """Whether Python source defines a function at its top level.

    Args:
        source: The source.
        entry_point: The function's name.
        is_open: Whether the source may end where the function's body would begin.
    """
    for closing in ("", "\n    pass\n") if is_open else ("",):
        tree = module(source + closing)
        if tree is not None:
            return find_function(tree, entry_point) is not None
    return False


def called_function(test: str, reference: str) -> str | None:
    """Find the reference's function that the tests call, or call most where they call several."""
    test_tree, reference_tree = module(test), module(reference)
    if test_tree is None or reference_tree is None:
        return None
    functions = {node.name for node in reference_tree.body if isinstance(node, Function)}
    calls = Counter(
        node.func.id
        for node in ast.walk(test_tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions
    )
    return calls.most_common(1)[0][0] if calls else None


def completed(prompt: str, body: str, entry_point: str) -> str:
    """Join a prompt and its solving body as a program.

    Where the body is indented differently from the prompt's docstring, so that the two do not parse together, the
    docstring is left out: a body may have any indentation.

    Args:
        prompt: Source that ends where the body of the entry point begins.
        body: The rest.
        entry_point: The function that the two define.
    """
    program = prompt + body
    tree = module(prompt + "\n    pass\n")
    if module(program) is not None or tree is None:
        return program
    function = find_function(tree, entry_point)
    if function is None:
        return program
    first_line = function.body[0].lineno
    without_docstring = "".join(prompt.splitlines(keepends=True)[: first_line - 1]) + body
    return without_docstring if module(without_docstring) is not None else program


def unquoted(prose: str) -> str:
    """Unquote a prompt that is only a docstring; else return it as is."""
    tree = module(prose)
    if tree is None or len(tree.body) != 1 or (text := ast.get_docstring(tree)) is None:
        return prose
    return text


def stub_prompt(prose: str, reference: str, entry_point: str) -> str:
    """Make the reference's header, with the prose as docstring, open for a body.

    Nothing else of the reference is shown but imports its header needs.

    Args:
        prose: The function's description.
        reference: Source that defines the function.
        entry_point: The function's name.

    Raises:
        ValueError: The reference does not define it, or its header is nested too deeply to be written out.
    """
    tree = module(reference)
    node = find_function(tree, entry_point)
    if tree is None or node is None:
        raise ValueError("it does not define the entry point")
    outer = (node.args, node.returns) if node.returns else (node.args,)
    needed = {name.id for part in outer for name in ast.walk(part) if isinstance(name, ast.Name)}
    imports = [
        _written(statement)
        for statement in tree.body
        if isinstance(statement, ast.Import | ast.ImportFrom)
        and any((alias.asname or alias.name).split(".")[0] in needed for alias in statement.names)
    ]
    keyword = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {_written(node.returns)}" if node.returns else ""
    text = prose.strip().replace("\r\n", "\n").replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    indented = "\n".join(f"    {line}".rstrip() for line in text.split("\n"))
    preamble = "\n".join(imports) + "\n\n\n" if imports else ""
    return f'{preamble}{keyword} {entry_point}({_written(node.args)}){returns}:\n    """\n{indented}\n    """\n'


def _written(node: ast.AST) -> str:
    source = source_of(node)
    if source is None:
        raise ValueError("its header is nested too deeply")
    return source
