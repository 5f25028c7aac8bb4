"""Rankings and programs come from the store where all that made them is the same, and only there."""

import gzip
import json
from dataclasses import replace

import pytest
from codebudget.experiment.grading import Grader
from codebudget.experiment.pools import Wanted, grade_arms
from codebudget.experiment.ranking import SPEC, Judging, rank_pool, score_rankers
from codebudget.experiment.samples import read_arm
from codebudget.rankers import Offers, load_ranker
from codebudget.records import Candidate, Example, GeneratedTests, HiddenTests, Ranking, Task
from codebudget.sampler import stored
from codebudget.sampler.store import open_store
from codebudget.sandbox import Sandbox
from codebudget.sandbox.launchers.process import ProcessLauncher
from codebudget.settings import Running
from codebudget.tasks import Benchmark

PROMPT = "def double(x):\n"
TASK = Task(
    id="double",
    benchmark="hand",
    prompt=PROMPT,
    entry_point="double",
    examples=(Example(call="double(2)", expected="4"),),
    tests=HiddenTests(style="check", code="def check(candidate):\n    assert candidate(5) == 10\n"),
    reference=PROMPT + "    return 2 * x\n",
)
BENCHMARK = Benchmark("hand", (TASK,))
BODIES = ("return 2 * x", "return x + x", "return x * x", "return 4", "return x")


def candidates(*bodies):
    return [
        Candidate(task_id="double", arm=SPEC, index=index, raw=body, program=f"{PROMPT}    {body}\n")
        for index, body in enumerate(bodies)
    ]


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.sqlite") as opened:
        yield opened


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(ProcessLauncher(), workers=1) as running:
        yield running


@pytest.fixture
def judging(sandbox, store):
    return Judging(Grader(sandbox, store), {name: load_ranker(name) for name in ("codebudget", "majority", "shortest")})


def scored(judging, bodies=BODIES, ks=(1, 2, 4)):
    return score_rankers(BENCHMARK, candidates(*bodies), ks, judging)


def seconds(ranked):
    return {name: found.wall_s for name, found in ranked.rankers.items()}


def test_the_second_time_nothing_is_ranked_and_the_seconds_are_the_first_ones(judging):
    first = scored(judging)
    again = scored(judging)
    # No two rankings take equally many seconds to the last digit.
    assert again == first


@pytest.mark.parametrize(
    "other",
    [
        lambda judging, store: scored(replace(judging, seed=1)),
        lambda judging, store: scored(judging, bodies=BODIES[::-1]),
        lambda judging, store: scored(judging, ks=(1, 2)),
        lambda judging, store: scored(replace(judging, offers={SPEC: Offers({"double": GeneratedTests()})})),
        lambda judging, store: scored(replace(judging, rankers={"majority": load_ranker("majority,dedupe=true")})),
        lambda judging, store: scored(replace(judging, grader=Grader(judging.grader.sandbox, store, fresh=True))),
    ],
    ids=["seed", "candidates", "ks", "tests", "settings", "fresh"],
)
def test_it_is_ranked_anew_where_something_differs(judging, store, other):
    first = seconds(scored(judging))
    assert all(taken != first[name] for name, taken in seconds(other(judging, store)).items() if name != "shortest")


def test_a_k_that_a_budget_leaves_is_scored_once(judging):
    graded = grade_arms(BENCHMARK, [Wanted(SPEC, 1, candidates(*BODIES))], judging.grader, allow_shared=False)
    found = [
        rank_pool(SPEC, graded.pools[0], graded.tasks, [4], judging, k_left=lambda *_, left=left: left)
        for left in (2, 3, 2, 3)
    ]
    assert found[0] == found[2]
    assert found[1] == found[3]
    assert found[0].rows["majority"][0].left[0] == 2


class Counting:
    """Counts how often it ranks."""

    name, version, needs, pointwise = "counting", "1", frozenset(), True

    def __init__(self):
        self.calls = 0

    def rank(self, task, candidates, context):
        self.calls += 1
        return Ranking(scores=(0.0,) * len(candidates))


def test_a_plug_in_is_always_asked(judging):
    counting = Counting()
    for times in (1, 2):
        scored(replace(judging, rankers={"counting": counting}))
        assert counting.calls == times


def test_programs_of_the_same_texts_are_extracted_once(tmp_path, monkeypatch):
    def write(*texts):
        with gzip.open(tmp_path / "samples.jsonl.gz", "wt") as file:
            file.write(json.dumps({"task_id": "double", "samples": texts}) + "\n")

    def read(**settings):
        running = Running(store=str(tmp_path / "store.sqlite"), **settings)
        return read_arm("7b", [str(tmp_path / "samples.jsonl.gz")], BENCHMARK, running).candidates

    taken = []
    extract = stored.programs_of
    monkeypatch.setattr(stored, "programs_of", lambda texts: taken.extend(texts) or extract(texts))
    write("    return 2 * x\n\nprint(3)", "Sure!\n```python\ndef double(x):\n    return x + x\n```")
    first = read()
    assert [candidate.program.rstrip() for candidate in first] == [
        f"{PROMPT}    return 2 * x",
        "def double(x):\n    return x + x",
    ]
    assert len(taken) == 1
    assert read() == first
    assert len(taken) == 1
    assert read(fresh=True) == first
    assert len(taken) == 2
    write("    return 2 * x\n\nprint(4)", "Sure!\n```python\ndef double(x):\n    return x + x\n```")
    read()
    assert len(taken) == 3
