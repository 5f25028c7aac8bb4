"""The contract, on rankers that keep it and on rankers that each break it in one way."""

import itertools
import json
import random
import re

import pytest
from codebudget.rankers import Context, RememberingRunner, available, check_contract, load_ranker
from codebudget.rankers.check.toys import toys
from codebudget.records import Ranking

from support.command import codebudget

KEEPING = [
    *(info.name for info in available() if info.distribution == "codebudget"),
    *(
        "examples+codet,tests=2+shortest",
        "executability+mean-logprob",
        "b4,a=10,b0=100",
        "codet,dedupe=true",
        "majority,dedupe=true",
    ),
]


@pytest.mark.parametrize("typed", KEEPING)
def test_the_built_in_rankers_keep_it(typed, sandbox):
    findings = check_contract(lambda: load_ranker(typed), sandbox)
    assert [finding for finding in findings if not finding.ok] == []


def test_the_example_keeps_it(repository, sandbox):
    typed = f"{repository / 'examples' / 'rankers' / 'robust.py'}:Robust,calls=5"
    assert [finding for finding in check_contract(lambda: load_ranker(typed), sandbox) if not finding.ok] == []


class Base:
    """Prefers nothing."""

    name, version, needs, pointwise = "base", "1", frozenset(), True

    def rank(self, task, candidates, context):
        return Ranking(scores=tuple(self.score(task, candidate, context) for candidate in candidates))

    def score(self, task, candidate, context):
        return 0.0


class Unnamed(Base):
    """Has no version."""

    version = ""


class Undocumented(Base):
    pass


Undocumented.__doc__ = None


class Crashing(Base):
    """Fails on an empty program."""

    def score(self, task, candidate, context):
        return float(ord(candidate.raw[0]))


class CrashingOnNone(Base):
    """Cannot do without candidates."""

    def rank(self, task, candidates, context):
        longest = max(len(candidate.program) for candidate in candidates)
        return Ranking(scores=tuple(len(candidate.program) / longest for candidate in candidates))


class NeedingHeaders(Base):
    """Looks for a function, which a script need not have."""

    def score(self, task, candidate, context):
        return float(-candidate.program.index(f"def {task.entry_point}("))


class NeedingOutputs(Base):
    """Runs scripts, and does not expect that one fails."""

    needs, ranks_scripts = frozenset({"execution"}), True

    def rank(self, task, candidates, context):
        if not task.is_script:
            return Ranking(scores=(0.0,) * len(candidates))
        rows = context.runner.evaluate(task, [candidate.program for candidate in candidates], ["2\n3 4\n"])
        return Ranking(scores=tuple(float(len(row[0].value)) for row in rows))


class NotANumber(Base):
    """Divides badly."""

    def score(self, task, candidate, context):
        return float("nan")


class Short(Base):
    """Leaves one out."""

    def rank(self, task, candidates, context):
        return Ranking(scores=(0.0,) * (len(candidates) - 1))


class Bare(Base):
    """Returns a list."""

    def rank(self, task, candidates, context):
        return [0.0] * len(candidates)


class Counting(Base):
    """Remembers how often it was asked."""

    def __init__(self):
        self.asked = itertools.count()

    def score(self, task, candidate, context):
        return float(next(self.asked))


class ByPlace(Base):
    """Breaks ties by position."""

    def rank(self, task, candidates, context):
        return Ranking(scores=tuple(map(float, range(len(candidates)))))


class Noisy(Base):
    """Breaks ties by chance."""

    def score(self, task, candidate, context):
        return context.rng.random()


class FalselyPointwise(Base):
    """Prefers the program whose length is next to the mean of all."""

    def rank(self, task, candidates, context):
        lengths = [len(candidate.program) for candidate in candidates]
        return Ranking(scores=tuple(-abs(length * len(lengths) - sum(lengths)) / 1.0 for length in lengths))


class OtherInSubsets(Base):
    """Prefers by one thing alone, and by another in subsets."""

    pointwise = False

    def subset_ranking(self, task, candidates, context):
        return lambda subsets: subsets.astype(float)


class FewInSubsets(Base):
    """Scores too few in subsets."""

    pointwise = False

    def subset_ranking(self, task, candidates, context):
        return lambda subsets: subsets[1:].astype(float)


class UndeclaredRunner(Base):
    """Runs programs without saying so."""

    def score(self, task, candidate, context):
        return float(len(context.runner.evaluate(task, [candidate.program], ["1"])))


class SwallowedRunner(Base):
    """As before, and hides that it was refused."""

    def score(self, task, candidate, context):
        try:
            return float(len(context.runner.evaluate(task, [candidate.program], ["1"])))
        except ValueError:
            return 0.0


class UndeclaredLogprobs(Base):
    """Reads logprobs without saying so."""

    def score(self, task, candidate, context):
        return sum(candidate.logprobs or ())


class Peeking(Base):
    """Asks for the verdict."""

    def score(self, task, candidate, context):
        return float(candidate.verdict.status == "passed")


class PeekingSoftly(Base):
    """Asks for hidden tests in case they are there."""

    def score(self, task, candidate, context):
        return float(getattr(task, "tests", None) is not None) + float(hasattr(context, "verdicts"))


BREAKING = [
    (Unnamed, "says what it is", "version is ''"),
    (Undocumented, "says what it is", "no docstring"),
    (Crashing, "ranks", "fails with 5 candidates of toy/negate: IndexError"),
    (CrashingOnNone, "takes no candidates, or one", "fails with 0 candidates .* ValueError"),
    (NeedingHeaders, "ranks", "fails with 9 candidates of toy/sum: ValueError"),
    (NotANumber, "ranks", "gives nan on toy/middle: scores must be finite"),
    (Short, "ranks", "9 scores for 10 candidates"),
    (Bare, "ranks", "returns list: return codebudget.records.Ranking"),
    (Counting, "is deterministic for a seed", "keep no state between calls"),
    (ByPlace, "follows its candidates", "never by its position in the list"),
    (Noisy, "ties equal candidates", "leave ties unbroken"),
    (FalselyPointwise, "is pointwise as declared", "put pointwise = False"),
    (OtherInSubsets, "ranks subsets as one by one", "otherwise than rank does"),
    (FewInSubsets, "ranks subsets as one by one", "one finite score per candidate of each subset"),
    (UndeclaredRunner, "declares what it uses", r"needs = frozenset\(\{'execution'\}\)"),
    (SwallowedRunner, "declares what it uses", r"needs = frozenset\(\{'execution'\}\)"),
    (UndeclaredLogprobs, "declares what it uses", r"needs = frozenset\(\{'logprobs'\}\)"),
    (Peeking, "sees what is shown alone", "asks a candidate for 'verdict': no ranker gets hidden tests"),
    (PeekingSoftly, "sees what is shown alone", "asks the task for 'tests', the context for 'verdicts'"),
]


@pytest.mark.parametrize(("kind", "check", "message"), BREAKING, ids=[kind.__name__ for kind, _, _ in BREAKING])
def test_each_breach_is_found_and_says_what_to_mend(kind, check, message):
    found = {finding.check: finding for finding in check_contract(kind, None)}
    assert found[check].ok is False
    assert re.search(message, found[check].detail), found[check].detail


def test_a_ranker_that_runs_programs_is_tried_on_scripts_if_it_says_so(sandbox):
    def ranks(kind):
        return {finding.check: finding for finding in check_contract(kind, sandbox)}["ranks"]

    assert ranks(NeedingOutputs).ok is False
    assert "fails with 9 candidates of toy/sum: TypeError" in ranks(NeedingOutputs).detail

    class OnFunctions(NeedingOutputs):
        """Does not rank scripts."""

        ranks_scripts = False

    assert ranks(OnFunctions) == ("ranks", True, "functions alone: it does not say ranks_scripts = True")
    assert ranks(Base) == ("ranks", True, "functions and scripts")


def test_scripts_tell_rankers_apart(sandbox):
    """The candidates of the script do different things, so that no ranker keeps the contract by ranking nothing."""
    (toy,) = [toy for toy in toys(scripts=True) if toy.task.id == "toy/sum"]
    for typed in ("examples", "codet", "majority", "executability", "codebudget"):
        context = Context(random.Random(0), RememberingRunner(sandbox), tests=toy.tests)
        scores = load_ranker(typed).rank(toy.task, toy.candidates, context).scores
        assert scores[0] == scores[1] == max(scores), typed
        assert scores[-1] < scores[0], typed
    assert not any(toy.task.is_script for toy in toys(scripts=False))


def test_what_cannot_be_tried_is_no_success():
    found = {finding.check: finding.ok for finding in check_contract(Short, None)}
    assert found["is deterministic for a seed"] is None
    assert found["says what it is"] is True


def test_the_base_of_these_keeps_it():
    assert all(finding.ok for finding in check_contract(Base, None))


def test_the_command_checks_several_and_ends_with_1(repository, tmp_path):
    (tmp_path / "peek.py").write_text(
        "from codebudget.records import Ranking\n"
        'class Peek:\n    """Peeks."""\n    name, version, needs, pointwise = "peek", "1", frozenset(), True\n'
        "    def rank(self, task, candidates, context):\n"
        "        return Ranking(scores=tuple(float(c.verdict == 'passed') for c in candidates))\n"
    )
    plug_in = repository / "examples" / "ranker-plugin" / "codebudget_ranker_returns.py"
    typed = ["peek.py:Peek", f"{plug_in}:Returns", "nothing-like-it", "examples+shortest"]
    done = codebudget(tmp_path, "rankers", "check", *typed, "--sandbox", "process", "--workers", 1, "--json")
    assert done.returncode == 1, done.stderr
    answer = {row["ranker"]: row for row in json.loads(done.stdout)["rankers"]}
    assert [answer[name]["ok"] for name in typed] == [False, True, False, True]
    assert "unknown ranker" in answer["nothing-like-it"]["checks"][0]["detail"]
    shown = codebudget(tmp_path, "rankers", "check", "peek.py:Peek")
    assert shown.returncode == 1
    assert "breaks the contract" in shown.stdout
    assert "FAILS" in shown.stdout


def test_show_tells_parameters_needs_and_origin(tmp_path):
    (row,) = json.loads(codebudget(tmp_path, "rankers", "show", "b4,a=10", "--json").stdout)["rankers"]
    assert row["parameters"] == {"tests": 0, "asserts": 5, "a": 10.0, "b0": 1e5, "dedupe": False, "keep": 1.0}
    assert row["needs"] == ["execution", "tests"]
    assert row["pointwise"] is False
    assert row["origin"] == "ranker 'b4' (distribution codebudget)"
    shown = codebudget(tmp_path, "rankers", "show", "executability+shortest").stdout
    assert "uses        tests" in shown
    assert "'shortest'" in shown
