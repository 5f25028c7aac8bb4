"""What the syntax tree says about a program: which of its statements are the answer, and which are not."""

from __future__ import annotations

import ast
import heapq
import re
import sys
from typing import TYPE_CHECKING, Final

from .._util.parsing import Function
from .parser import Parser, is_unfinished, lines_in, longest_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "Needs",
    "bound_names",
    "free_names",
    "is_definition",
    "is_stub",
    "is_unfinished",
    "lines_of",
    "longest_prefix",
    "named_alike",
    "needed",
    "outside_functions",
    "select",
]

_TO_COME: Final = re.compile(
    r"#.*\b(?:todo|fixme|placeholder|stub|your (?:code|solution|implementation|logic)|code (?:goes )?here|goes here"
    r"|implement|(?:not|to be) (?:yet )?implemented|implementation (?:goes )?here|fill (?:this )?in|(?:add"
    r"|write)\b.*\bcode)",
    re.IGNORECASE,
)
"""A comment that stands for code to come."""

_CORRECTED: Final = re.compile(
    r"\b(?:correct(?:ed|ion)?|fix(?:ed|es)?|revised|updated|improved|final|actual|proper)\b", re.IGNORECASE
)
"""In a comment above a second definition, which is then the one that is meant."""

_SHOWS: Final = frozenset({"print", "pprint", "display", "help", "exit", "quit", "breakpoint"})
_ASKS: Final = frozenset({"input", "raw_input"})
_ASKING_ATTRIBUTES: Final = frozenset({"stdin", "argv", "parse_args"})
_SETS_UP: Final = re.compile(
    r"(?:^|_)set|seed|filter|basicConfig|register|enable|disable|stack_size|^(?:append|insert)$"
)
"""What functions of modules are called that change how the rest runs: `sys.setrecursionlimit`, `random.seed`."""

_TOKENS_PER_STATEMENT: Final = 4
_BYTES_PER_TOKEN: Final = 4
"""What it takes to look into a program, in tokens of the effort."""

_TEST_MODULES: Final = frozenset({"pytest", "unittest", "doctest", "hypothesis", "nose"})
_TEST_NAME: Final = re.compile(
    r"_*(?:test|check|demo|example|usage|benchmark)(?![a-z])|_*tests|_*(?:main|run_\w*tests?)$|Test"
)
_COMPREHENSIONS: Final = (ast.ListComp, ast.SetComp, ast.GeneratorExp)
_ACTS: Final = ast.Call | ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr
_BLOCKS: Final = ast.If | ast.Try | ast.With | ast.For | ast.While


def select(source: str, entry_point: str, parser: Parser | None = None) -> str | None:
    """A program without what is no part of the answer.

    Kept: the definition of the entry point that is meant; all before it but demonstrations, tests and requests for
    input; of what follows, the definitions and the set-up that it needs. Of several definitions the first is meant that
    is no placeholder, unless a comment above a later one says that it is the corrected one. Imports that only what was
    dropped has used go with it.

    Args:
        source: A whole program that parses.
        entry_point: The function, or the method `Class.name`, that it must define.
        parser: Parses it.

    Returns:
        The program, verbatim where nothing is dropped; None where nothing defines the entry point with a body. A method
        of the entry point's name is bound to it, and so is, to a class that is asked for, another that has its method.
    """
    parser = parser or Parser(source)
    tree = parser.tree(source)
    if tree is None:
        return None
    lines = lines_in(source)
    mains = _definitions(tree.body, entry_point, lines)
    main = _meant(mains, lines) if mains else None
    owner, _, method = entry_point.rpartition(".")
    entry_point = owner or entry_point
    binding = ""
    if main is None:
        main = next((node for node in tree.body if _has_method(node, method)), None)
        if isinstance(main, ast.ClassDef):
            binding = f"\n\n{entry_point} = {main.name}{f'().{method}' if not owner else ''}\n"
        elif not owner:
            main = next((node for node in tree.body if _is_imported(node, entry_point)), None)
    if main is None:
        return None
    if parser.effort.spend(_TOKENS_PER_STATEMENT * len(tree.body) + len(source) // _BYTES_PER_TOKEN):
        kept = _kept(tree.body, main, entry_point, is_last=not mains or main is mains[-1])
    else:
        kept = _kept_of_many(tree.body, main, entry_point)
    return _without(lines, tree.body, kept) + binding


def named_alike(source: str, entry_point: str, parser: Parser) -> str | None:
    """A program that defines the entry point by a longer name alone, which is then bound to it; else None.

    Models that offer versions of `fib` call them `fib_iterative` and `fib_recursive`: the first counts.
    """
    tree = parser.tree(source)
    if tree is None or _definitions(tree.body, entry_point, []):
        return None
    for node in tree.body:
        if isinstance(node, Function) and node.name.startswith(entry_point) and not is_stub(node):
            if re.search(r"_(?:test|main|demo|check|example|helper)", node.name[len(entry_point) :]):
                continue
            program = select(source, node.name, parser)
            return None if program is None else f"{program.rstrip()}\n\n\n{entry_point} = {node.name}\n"
    return None


def needed(program: Sequence[ast.stmt], others: Sequence[ast.stmt], entry_point: str) -> list[ast.stmt]:
    """Of the statements of other texts those that a program needs: definitions, and the set-up of what they define."""
    return _Effects([*others, *program], entry_point).needed(program, others, replaces=False)


def _definitions(body: Sequence[ast.stmt], entry_point: str, lines: Sequence[str]) -> list[ast.stmt]:
    """The statements that define the entry point and are no placeholders; `f = cache(f)` behind one defines nothing."""
    found: list[ast.stmt] = []
    for node in body:
        if not _defines(node, entry_point) or (isinstance(node, Function) and _is_placeholder(node, lines)):
            continue
        if not found or not _wraps(node, entry_point.partition(".")[0]):
            found.append(node)
    return found


def _meant(mains: Sequence[ast.stmt], lines: Sequence[str]) -> ast.stmt:
    """Of several definitions the first, or the last whose comment says that it is a correction."""
    meant = mains[0]
    for later in mains[1:]:
        above = lines_of(later).start - 2
        while above >= 0 and not lines[above].strip():
            above -= 1
        if above >= 0 and lines[above].startswith("#") and _CORRECTED.search(lines[above]):
            meant = later
    return meant


def _kept(body: list[ast.stmt], main: ast.stmt, entry_point: str, *, is_last: bool) -> list[ast.stmt]:
    """Of a program's statements those that belong to the answer."""
    place = body.index(main)
    effects = _Effects(body, entry_point)
    kept: list[ast.stmt] = []
    tests: list[ast.stmt] = []
    lost: set[str] = set()
    for node in body[:place]:
        bound = bound_names(node)
        is_run = not isinstance(node, Function | ast.ClassDef)
        if entry_point in bound or effects.demonstrates(node) or (is_run and lost and free_names(node) & lost):
            lost |= bound
        elif effects.is_test(node):
            tests.append(node)
        else:
            kept.append(node)
            lost -= bound
    kept.append(main)
    kept += effects.needed(kept, [*tests, *body[place + 1 :]], replaces=is_last)
    kept_nodes = set(kept)
    reads = {name for node in kept for name in _names_read(node)}
    shown = {name for node in body if node not in kept_nodes for name in _names_read(node)}
    return [node for node in kept if not _is_dropped_with(node, shown - reads, reads)]


def _kept_of_many(body: list[ast.stmt], main: ast.stmt, entry_point: str) -> list[ast.stmt]:
    """What belongs to the answer where there is no time to look into all: what stands before it, and what it reads."""
    place = body.index(main)
    kept = [node for node in body[:place] if entry_point not in bound_names(node)] + [main]
    return kept + Needs(kept).take([node for node in body[place + 1 :] if is_definition(node)])


def _is_dropped_with(node: ast.stmt, shown: set[str], reads: set[str]) -> bool:
    """Whether a statement imports what only dropped statements read, or a framework for tests that nothing reads."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return False
    modules = {alias.name for alias in node.names} if isinstance(node, ast.Import) else {node.module or ""}
    if "__future__" in modules:
        return False
    bound = bound_names(node)
    return bound <= shown or (not bound & reads and any(name.split(".")[0] in _TEST_MODULES for name in modules))


class _Effects:
    """What statements do to names, the functions and classes among them followed.

    Args:
        body: All the statements there are.
        entry_point: The function that is asked for.
    """

    def __init__(self, body: Sequence[ast.stmt], entry_point: str) -> None:
        self._entry_point = entry_point
        imports = (node for node in body if isinstance(node, ast.Import | ast.ImportFrom))
        self._imported = {name for node in imports for name in bound_names(node)}
        defined = {node.name: node for node in body if isinstance(node, Function | ast.ClassDef)}
        self._changes = {name: set(_changed_inside(node)) for name, node in defined.items()}
        reads = {name: _names_read(node) for name, node in defined.items()}
        self._readers: dict[str, set[str]] = {}
        for name, names in reads.items():
            for read in names:
                self._readers.setdefault(read, set()).add(name)
        self._users = self._reaching({entry_point}) - {entry_point}
        self._asking = self._reaching(set(_ASKS))

    def _reaching(self, targets: set[str]) -> set[str]:
        """Some names, and those of the functions that come to read one of them."""
        found, ahead = set(targets), list(targets)
        while ahead:
            new = self._readers.get(ahead.pop(), set()) - found
            found |= new
            ahead += new
        return found

    def demonstrates(self, node: ast.stmt) -> bool:
        """Whether a statement only shows or checks what a program does, or asks for input, of which there is none."""
        if isinstance(node, Function | ast.ClassDef | ast.Import | ast.ImportFrom) or _defines(node, self._entry_point):
            return False
        if isinstance(node, ast.Assert) or (isinstance(node, ast.If) and "__name__" in _names_read(node.test)):
            return True
        ran = list(outside_functions(node))
        called = {inner.func.id for inner in ran if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name)}
        if called & self._asking or self._entry_point in called:
            return True
        if any(isinstance(inner, ast.Attribute) and inner.attr in _ASKING_ATTRIBUTES for inner in ran):
            return True
        if isinstance(node, ast.Expr) and (isinstance(node.value, ast.Call) or not called):
            return self._is_shown(node.value)
        return isinstance(node, ast.Expr | _BLOCKS) and bool(called & (_SHOWS | self._users))

    def _is_shown(self, value: ast.expr) -> bool:
        if isinstance(value, ast.Constant):
            return False
        if not isinstance(value, ast.Call):
            # It does nothing, unless methods are called in it: the name of a language, `[BEGIN]`.
            return not any(isinstance(inner, ast.Call) for inner in ast.walk(value))
        if isinstance(value.func, ast.Name):
            name = value.func.id
            return name in _SHOWS or name in self._users or _TEST_NAME.match(name) is not None
        return _root(value.func) in _TEST_MODULES or (
            isinstance(value.func, ast.Attribute) and value.func.attr == "exit"
        )

    def is_test(self, node: ast.stmt) -> bool:
        """Whether a definition seems to be there to try the entry point."""
        if not isinstance(node, Function | ast.ClassDef):
            return False
        if isinstance(node, ast.ClassDef) and any("TestCase" in _names_read(base) for base in node.bases):
            return True
        return node.name in self._users or _TEST_NAME.match(node.name) is not None

    def _touched(self, node: ast.stmt) -> set[str]:
        """Names whose values a statement changes, or has its functions change; a decorator learns of its function."""
        if isinstance(node, Function | ast.ClassDef):
            return {_root(decorator) for decorator in node.decorator_list}
        if _wraps(node, self._entry_point):
            return {self._entry_point}
        found = set(_changed(outside_functions(node)))
        for name in _names_read(node) & self._changes.keys():
            found |= self._changes[name]
        return found

    def _sets_up(self, node: ast.stmt, touched: set[str], have: set[str]) -> bool:
        """Whether a statement that touches some names sets up one of those that are there."""
        known = touched & have
        if isinstance(node, ast.Assign | ast.AugAssign) or not known <= self._imported:
            return bool(known)
        # Few functions of a module change how the rest runs: `plt.show()` does not. Decorators know no entry point.
        if isinstance(node, Function | ast.ClassDef):
            return False
        attributes = (inner.attr for inner in outside_functions(node) if isinstance(inner, ast.Attribute))
        return bool(known) and any(_SETS_UP.search(attribute) for attribute in attributes)

    def needed(self, kept: Sequence[ast.stmt], others: Sequence[ast.stmt], *, replaces: bool) -> list[ast.stmt]:
        """Of other statements those that the kept ones need: what they read, and what sets that up, transitively.

        Args:
            kept: The statements that stay anyway.
            others: The statements to choose from.
            replaces: Whether the others, which run later, may bind names anew; else the first of a name counts.
        """
        usable = [
            node
            for node in others
            if not self.demonstrates(node)
            and (self._entry_point not in bound_names(node) or _wraps(node, self._entry_point))
        ]
        binds = [bound_names(node) - {self._entry_point} for node in usable]
        touches = [self._touched(node) for node in usable]
        by_name: dict[str, list[int]] = {}
        for place, names in enumerate(zip(binds, touches, strict=True)):
            for name in names[0] | names[1]:
                by_name.setdefault(name, []).append(place)
        have: set[str] = set()
        wanted: set[str] = set()
        ahead: list[int] = []

        def add(node: ast.stmt) -> None:
            bound, free = bound_names(node), free_names(node)
            for name in (bound - have) | (free - wanted):
                for other in by_name.get(name, ()):
                    heapq.heappush(ahead, other)
            have.update(bound)
            wanted.update(free)

        for node in kept:
            add(node)
        taken: set[int] = set()
        while ahead:
            place = heapq.heappop(ahead)
            if place in taken:
                continue
            node = usable[place]
            is_wanted = bool((binds[place] if replaces else binds[place] - have) & wanted)
            if is_wanted or self._sets_up(node, touches[place], have):
                taken.add(place)
                add(node)
        return [usable[place] for place in sorted(taken)]


class Needs:
    """What some statements read and do not bind, and so need of others; scopes are taken as one, about."""

    def __init__(self, statements: Iterable[ast.stmt]) -> None:
        self._wanted: set[str] = set()
        self._bound: set[str] = set()
        for statement in statements:
            self._add(statement, bound_names(statement))

    def take(self, candidates: Sequence[ast.stmt]) -> list[ast.stmt]:
        """Of some definitions those that are needed, transitively, the first of each name; they now belong to it.

        Candidates are gone through in turn, as often as that brings something.
        """
        names = [bound_names(node) for node in candidates]
        binding: dict[str, list[int]] = {}
        for place, bound in enumerate(names):
            for name in bound:
                binding.setdefault(name, []).append(place)
        turns = [(0, place) for place, bound in enumerate(names) if bound & self._wanted]
        heapq.heapify(turns)
        taken: list[ast.stmt] = []
        while turns:
            turn, place = heapq.heappop(turns)
            if names[place] & self._bound:
                continue
            taken.append(candidates[place])
            for name in self._add(candidates[place], names[place]):
                for other in binding.get(name, ()):
                    heapq.heappush(turns, (turn if other > place else turn + 1, other))
        return taken

    def _add(self, statement: ast.stmt, bound: set[str]) -> set[str]:
        """Count a statement in; the names that are wanted for its sake and were not before."""
        self._bound |= bound
        wanted = free_names(statement) - self._bound - self._wanted
        self._wanted |= wanted
        self._wanted -= self._bound
        return wanted


def free_names(statement: ast.stmt) -> set[str]:
    """Names that a statement reads and does not bind within itself, about: scopes are taken as one."""
    loads: set[str] = set()
    binds: set[str] = set()
    declared: set[str] = set()
    ahead: list[ast.AST] = [statement]
    while ahead:
        node = ahead.pop()
        if isinstance(node, ast.Name):
            (loads if isinstance(node.ctx, ast.Load) else binds).add(node.id)
            continue
        if isinstance(node, ast.arg):
            binds.add(node.arg)
        elif isinstance(node, ast.Global):
            declared.update(node.names)
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                ahead += [item for item in value if isinstance(item, ast.AST)]
            elif isinstance(value, ast.AST):
                ahead.append(value)
    return declared | (loads - binds)


def _names_read(node: ast.AST) -> set[str]:
    """Every name that stands in a tree to be read, and the modules that it imports names of."""
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load)}


def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a statement that run where it stands: not the bodies of functions."""
    ahead = [node]
    while ahead:
        inner = ahead.pop()
        yield inner
        if not isinstance(inner, Function | ast.Lambda):
            ahead += ast.iter_child_nodes(inner)


def _root(node: ast.AST) -> str:
    """The name that attributes, elements and calls are of; empty where there is none."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Starred):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _changed(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Names whose values some nodes change without binding them: attributes, elements, methods called for effect."""
    for node in nodes:
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
            yield _root(node)
        elif isinstance(node, ast.AugAssign):
            yield _root(node.target)
        elif isinstance(node, ast.Expr):
            call = node.value.elt if isinstance(node.value, _COMPREHENSIONS) else node.value
            if not isinstance(call, ast.Call):
                continue
            if isinstance(call.func, ast.Attribute):
                yield _root(call.func)
            elif isinstance(call.func, ast.Name) and call.func.id in ("setattr", "delattr") and call.args:
                yield _root(call.args[0])


def _changed_inside(definition: Function | ast.ClassDef) -> set[str]:
    """Names of the module whose values a definition changes when it is used."""
    nodes = list(ast.walk(definition))
    declared = {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
    own = {node.arg for node in nodes if isinstance(node, ast.arg)}
    own |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return declared | (set(_changed(nodes)) - own)


def bound_names(node: ast.stmt) -> set[str]:
    """Names that a top-level statement binds."""
    if isinstance(node, Function | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.For | ast.AsyncFor):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        bound = {
            inner.id
            for target in targets
            for inner in ast.walk(target)
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
        }
        return bound | _bound_within(node) if isinstance(node, ast.For | ast.AsyncFor) else bound
    return _bound_within(node) if isinstance(node, _BLOCKS) else set()


def _bound_within(block: ast.stmt) -> set[str]:
    """Names that the statements of a block bind, at any depth."""
    found: set[str] = set()
    ahead: list[ast.AST] = [block]
    while ahead:
        for child in ast.iter_child_nodes(ahead.pop()):
            if isinstance(child, _BLOCKS):
                ahead.append(child)
                if isinstance(child, ast.For):
                    found |= {inner.id for inner in ast.walk(child.target) if isinstance(inner, ast.Name)}
            elif isinstance(child, ast.excepthandler | ast.withitem):
                ahead.append(child)
            elif isinstance(child, ast.stmt):
                found |= bound_names(child)
            elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                found.add(child.id)
    return found


def is_definition(node: ast.stmt) -> bool:
    """Whether a top-level statement binds names."""
    return bool(bound_names(node))


def is_stub(node: Function) -> bool:
    """Whether a function does nothing: a docstring, `pass`, `...`, None, `raise NotImplementedError`, itself once more.

    So does one that names values and has no use for them, as prose and JSON do where they parse as its body.
    """
    return all(
        isinstance(statement, ast.Pass)
        or (isinstance(statement, Function) and statement.name == node.name)
        or (isinstance(statement, ast.Expr) and not any(isinstance(inner, _ACTS) for inner in ast.walk(statement)))
        or (isinstance(statement, ast.Return) and _is_nothing(statement.value))
        or (isinstance(statement, ast.Raise) and statement.exc is not None and _says_unimplemented(statement.exc))
        for statement in node.body
    )


def _is_nothing(value: ast.expr | None) -> bool:
    """Whether a returned value is none: nothing, None, `...`, NotImplemented."""
    if isinstance(value, ast.Name):
        return value.id == "NotImplemented"
    return value is None or (isinstance(value, ast.Constant) and value.value in (None, ...))


def _is_placeholder(node: Function, lines: Sequence[str]) -> bool:
    """Whether a function stands for one to come: a stub, or one whose comment says so and that returns a constant."""
    if is_stub(node):
        return True
    if not all(
        isinstance(statement, ast.Pass | ast.Return | ast.Expr | ast.Assign | ast.AnnAssign | ast.Raise)
        and not any(isinstance(inner, ast.Call | ast.BinOp | ast.Compare) for inner in _values(statement))
        for statement in node.body
    ):
        return False
    return any(_TO_COME.search(lines[number - 1]) for number in lines_of(node) if number <= len(lines))


def _values(statement: ast.stmt) -> Iterator[ast.AST]:
    """The nodes of a statement; what it prints or raises is no value."""
    is_said = isinstance(statement, ast.Raise) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and _root(statement.value) == "print"
    )
    return iter(()) if is_said else ast.walk(statement)


def _says_unimplemented(expression: ast.expr) -> bool:
    """Whether "NotImplemented" stands anywhere in an expression."""
    return any(
        "NotImplemented" in value
        for node in ast.walk(expression)
        for _, value in ast.iter_fields(node)
        if isinstance(value, str)
    )


def _defines(node: ast.stmt, entry_point: str) -> bool:
    """Whether a statement gives the entry point a body, be it in a branch; a method's, as part of its class."""
    owner, _, method = entry_point.rpartition(".")
    if owner:
        return isinstance(node, ast.ClassDef) and node.name == owner and _has_method(node, method)
    if isinstance(node, Function):
        return node.name == entry_point and not is_stub(node)
    if isinstance(node, ast.If | ast.Try | ast.With):
        if entry_point not in bound_names(node) or (isinstance(node, ast.If) and "__name__" in _names_read(node.test)):
            return False
        inside = (inner for inner in outside_functions(node) if isinstance(inner, ast.stmt) and inner is not node)
        return any(_defines(inner, entry_point) for inner in inside if not isinstance(inner, _BLOCKS))
    return isinstance(node, ast.Assign | ast.AnnAssign) and entry_point in bound_names(node)


def _wraps(node: ast.stmt, entry_point: str) -> bool:
    """Whether a statement binds the entry point to something made of itself."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or entry_point not in bound_names(node):
        return False
    return node.value is not None and any(
        isinstance(inner, ast.Name) and inner.id == entry_point for inner in outside_functions(node.value)
    )


def _has_method(node: ast.stmt, entry_point: str) -> bool:
    return isinstance(node, ast.ClassDef) and any(_defines(inner, entry_point) for inner in node.body)


def _is_imported(node: ast.stmt, entry_point: str) -> bool:
    """Whether a statement takes the entry point out of the standard library, which may have what was asked for."""
    if not isinstance(node, ast.ImportFrom) or node.level or entry_point not in bound_names(node):
        return False
    return (node.module or "").split(".")[0] in sys.stdlib_module_names


def _without(lines: list[str], statements: list[ast.stmt], kept: list[ast.stmt]) -> str:
    """The source less the lines of the statements that are not kept, and less all behind the last one that is."""
    if len(kept) == len(statements):
        return "".join(lines)
    kept_nodes = set(kept)
    kept_lines = {line for node in kept for line in lines_of(node)}
    dropped_lines = {line for node in statements if node not in kept_nodes for line in lines_of(node)} - kept_lines
    last_line = max(kept_lines)
    return "".join(text for number, text in enumerate(lines, 1) if number <= last_line and number not in dropped_lines)


def lines_of(node: ast.stmt) -> range:
    """The lines of a statement with its decorators, counted from 1."""
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    return range(first, (node.end_lineno or node.lineno) + 1)
