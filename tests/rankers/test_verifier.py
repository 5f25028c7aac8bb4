"""The verifier: what it computes of candidates, the file of its coefficients, and the ranking by both."""

import json
import random
import subprocess
import sys

import numpy as np
import pytest
from codebudget.errors import RankerError, UserError
from codebudget.rankers import Context, RankedPool, RememberingRunner, load_ranker
from codebudget.rankers.verifier.coefficients import Coefficients, View, read_coefficients
from codebudget.rankers.verifier.features import GROUPS, describe
from codebudget.rankers.verifier.identity import hashes_of
from codebudget.rankers.verifier.ranker import Verifier
from codebudget.records import Example, GeneratedTests, PublicTask

HEAD = "def double(x):\n"
TWICE, SUM, SQUARE, FAILS = (HEAD + f"    return {body}\n" for body in ("2 * x", "x + x", "x * x", "missing"))
RENAMED = "def double(y):\n    # doubles\n    return 2 * y\n"


def view(groups, weights=None, intercept=0.0):
    names = [name for group in groups for name in GROUPS[group]]
    return View(
        groups=tuple(groups),
        inverse_penalty=1.0,
        intercept=intercept,
        features={name: (0.0, 1.0, (weights or {}).get(name, 0.0)) for name in names},
    )


def with_logprobs(candidates, logprobs):
    return [one.model_copy(update={"logprobs": row}) for one, row in zip(candidates, logprobs, strict=True)]


class TestFeatures:
    def test_groups_are_those_that_there_is_something_for(self, task, context, pool):
        candidates = pool(TWICE, SQUARE)
        bare = task.model_copy(update={"examples": ()})
        assert describe(bare, candidates, context).available == {"text"}
        assert describe(task, candidates, context).available == {"text", "execution", "examples"}
        told = with_logprobs(candidates, [(-1.0,), (-2.0, -0.5)])
        assert describe(bare, told, context).available == {"text", "logprobs"}
        # Logprobs of some say nothing about the others.
        assert describe(bare, [told[0], candidates[1]], context).available == {"text"}
        tests = GeneratedTests(samples=("assert double(3) == 6\n",))
        tested = Context(random.Random(0), context.runner, tests=tests)
        assert describe(bare, candidates, tested).available == {"text", "execution", "tests"}
        assert describe(
            bare, candidates, Context(random.Random(0), context.runner, tests=GeneratedTests())
        ).available == {"text"}

    def test_behaviour_and_agreement(self, task, context, pool):
        found = describe(task, pool(TWICE, SUM, SQUARE, FAILS, TWICE), context)
        assert found.values["examples_held"].tolist() == pytest.approx([1, 1, 2 / 3, 0, 1])
        assert found.values["all_examples_held"].tolist() == [1, 1, 0, 0, 1]
        assert found.values["cluster_share"].tolist() == pytest.approx([0.6, 0.6, 0.2, 0.2, 0.6])
        assert found.values["cluster_relative"].tolist() == pytest.approx([1, 1, 1 / 3, 1 / 3, 1])
        assert found.values["ran"].tolist() == [1, 1, 1, 0, 1]
        assert found.values["distinct_results"][3] == 0
        assert found.cluster[0] == found.cluster[1] == found.cluster[4]
        assert len(set(found.cluster.tolist())) == 3

    def test_text_and_logprobs_stand_beside_the_pool(self, task, context, pool):
        bare = task.model_copy(update={"examples": ()})
        constant = HEAD + "    return 0\n"
        candidates = with_logprobs(
            pool(TWICE, RENAMED, constant, "def double(:"),
            [(-1.0, -3.0), (-1.0,), (float("-inf"),), (-2.0, -2.0, -2.0)],
        )
        found = describe(bare, candidates, context)
        assert found.values["form_share"].tolist() == [0.5, 0.5, 0.25, 0.25]
        assert found.values["unread"].tolist() == [0, 0, 1, 0]
        assert found.values["empty"].tolist() == [0, 0, 1, 1]
        assert found.values["unparsable"].tolist() == [0, 0, 0, 1]
        assert found.values["mean_logprob"].tolist() == [-2, -1, -50, -2]
        assert found.values["mean_logprob_off"].tolist() == [0, 1, -48, 0]
        odd = describe(bare, with_logprobs(pool(TWICE, SQUARE), [(1e308, 1e308), (-1e308, -1.0)]), context)
        assert odd.values["mean_logprob"].tolist() == [0, -25.5]
        assert found.values["least_logprob"].tolist() == [-3, -1, -50, -2]
        # Without a run, programs that differ in names alone behave alike.
        assert found.cluster.tolist() == [0, 0, 1, 2]

    def test_every_name_has_finite_values(self, task, context, pool):
        tests = GeneratedTests(samples=("assert double(3) == 6\nassert double(4) == 9\n",))
        offered = Context(random.Random(0), context.runner, tests=tests)
        for programs in ((TWICE,), (TWICE, TWICE), (FAILS, "", "\0"), (TWICE, SQUARE, FAILS)):
            candidates = with_logprobs(pool(*programs), [(-0.5,)] * len(programs))
            found = describe(task, candidates, offered)
            assert found.available == set(GROUPS)
            assert set(found.values) == {name for names in GROUPS.values() for name in names}
            assert all(np.isfinite(one).all() and one.shape == (len(programs),) for one in found.values.values())


class TestTasks:
    TASK = PublicTask(
        id="a/1",
        prompt='def add(a, b):\n    """Add both numbers, then give their sum.\n\n    >>> add(1, 2)\n    3\n    """\n',
        entry_point="add",
        examples=(Example(call="add(1, 2)", expected="3"),),
    )

    @pytest.mark.parametrize(
        "change",
        [
            {"id": "b/7"},
            {"prompt": TASK.prompt.replace("    ", "\t").replace("\n\n", "\n")},
            {"prompt": TASK.prompt.partition("\n\n")[0] + '\n    """\n', "examples": ()},
            {"prompt": f"Complete this function:\n```python\n{TASK.prompt}```"},
        ],
    )
    def test_one_is_known_again_in_another_form(self, change):
        assert not hashes_of(self.TASK).isdisjoint(hashes_of(self.TASK.model_copy(update=change)))

    @pytest.mark.parametrize(
        "change",
        [
            {"prompt": TASK.prompt.replace("Add both", "Multiply both"), "examples": ()},
            {"prompt": TASK.prompt.replace("add", "plus"), "entry_point": "plus", "examples": ()},
        ],
    )
    def test_another_is_told_apart(self, change):
        assert hashes_of(self.TASK).isdisjoint(hashes_of(self.TASK.model_copy(update=change)))


class TestFile:
    def test_what_is_written_is_read(self, tmp_path):
        made = Coefficients(
            views=(view(["text"], {"unread": -1.25}), view(["text", "examples"], {"examples_held": 1 / 3})),
            tasks=("0" * 20,),
        )
        path = tmp_path / "v.json"
        path.write_text(made.text())
        read = read_coefficients(str(path))
        assert read.tasks == made.tasks
        assert read.views[1].features["examples_held"] == (0, 1, pytest.approx(1 / 3, abs=1e-9))
        assert json.loads(path.read_text())["schema_version"] == 1

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"views": []}, "views"),
            ({"tasks": ["not a hash"]}, "tasks.0"),
            ({"pickle": "x"}, "pickle"),
            ({"views": [{**view(["text"]).model_dump(), "intercept": float("inf")}]}, "must be finite|finite number"),
            ({"views": [{**view(["text"]).model_dump(), "features": {}}]}, "train it anew"),
            ({"views": [{**view(["text"]).model_dump(), "groups": ["text", "fortune"]}]}, "train it anew"),
            ({"views": [view(["text", "examples"]).model_dump()]}, "no view on texts alone"),
        ],
    )
    def test_what_is_no_verifier_is_named(self, tmp_path, change, message):
        whole = json.loads(Coefficients(views=(view(["text"]),), tasks=()).text())
        path = tmp_path / "v.json"
        path.write_text(json.dumps(whole | change))
        with pytest.raises(UserError, match=message) as raised:
            load_ranker(f"verifier,model={path}")
        assert str(path) in str(raised.value)
        assert "\n" not in str(raised.value)

    def test_one_that_is_missing_or_binary_is_named(self, tmp_path):
        with pytest.raises(UserError, match=r"none\.json"):
            load_ranker(f"verifier,model={tmp_path / 'none.json'}")
        (tmp_path / "v.json").write_text("[1]")
        with pytest.raises(UserError, match=r"v\.json is no verifier of this codebudget: it holds no JSON object"):
            load_ranker(f"verifier,model={tmp_path / 'v.json'}")
        (tmp_path / "v.pkl").write_bytes(b"\x80\x04]\x94.")
        with pytest.raises(UserError, match=r"v\.pkl"):
            load_ranker(f"verifier,model={tmp_path / 'v.pkl'}")


class TestRanking:
    @staticmethod
    def ranked(coefficients, task, candidates, context):
        return RankedPool(Verifier.of(coefficients, "made"), task, candidates, context).ranking

    def test_probabilities_are_summed_over_what_behaves_alike(self, task, context, pool):
        made = Coefficients(views=(view(["text"], {"unread": -2.0}, intercept=-1.0),), tasks=())
        bare = task.model_copy(update={"examples": ()})
        constant = HEAD + "    return 1\n"
        # Two that are likely, one as likely, and four that are not: 2 x 0.27, 0.27, 4 x 0.05.
        scores = self.ranked(made, bare, [*pool(TWICE, RENAMED, SQUARE), *pool(*[constant] * 4)], context).scores
        assert scores == (2, 2, 1, 0, 0, 0, 0)
        scores = self.ranked(made, bare, [*pool(TWICE, SQUARE), *pool(*[constant] * 6)], context).scores
        assert scores == (0, 0, 1, 1, 1, 1, 1, 1)

    def test_among_those_that_behave_alike_the_likelier_comes_first(self, task, context, pool):
        groups = ["text", "logprobs", "execution", "examples"]
        made = Coefficients(views=(view(["text"]), view(groups, {"mean_logprob": 1.0})), tasks=())
        candidates = with_logprobs(pool(TWICE, SUM, SQUARE), [(-2.0,), (-1.0,), (-0.5,)])
        assert self.ranked(made, task, candidates, context).scores == (1, 2, 0)

    def test_the_view_with_most_groups_is_used(self, task, context, pool):
        made = Coefficients(
            views=(
                view(["text"], intercept=3.0),
                view(["text", "logprobs"], intercept=9.0),
                view(["text", "execution", "examples"], {"all_examples_held": 2.0}),
            ),
            tasks=(),
        )
        assert self.ranked(made, task, pool(TWICE, SQUARE), context).scores == (1, 0)

    def test_a_task_it_was_trained_on_is_refused(self, task, context, pool):
        made = Coefficients(views=(view(["text"]),), tasks=tuple(sorted(hashes_of(task))))
        with pytest.raises(RankerError, match="was trained on this task"):
            self.ranked(made, task, pool(TWICE), context)
        renumbered = task.model_copy(update={"id": "another/1"})
        with pytest.raises(RankerError, match="was trained on this task"):
            self.ranked(made, renumbered, pool(TWICE), context)

    def test_it_sees_logprobs_and_is_charged_for_runs(self, task, runner, pool):
        made = Coefficients(
            views=(view(["text"]), view(["text", "logprobs", "execution", "examples"], {"mean_logprob": 1.0})), tasks=()
        )
        candidates = with_logprobs(pool(TWICE, SQUARE), [(-0.1,), (-3.0,)])
        ranking = self.ranked(made, task, candidates, Context(random.Random(0), RememberingRunner(runner)))
        assert ranking.scores[0] > ranking.scores[1]
        assert ranking.executions == 2
        assert ranking.usage.prefill_flops == 0

    def test_its_version_is_that_of_its_coefficients(self):
        views = (view(["text"], {"unread": weight}) for weight in (0.0, 1.0))
        one, other = (Verifier.of(Coefficients(views=(made,), tasks=()), "made") for made in views)
        assert one.version != other.version
        assert one.data_sha256 != other.data_sha256


class TestShipped:
    def test_it_ranks_right_ones_first(self, task, context, pool):
        candidates = pool(SQUARE, TWICE, FAILS, SUM)
        scores = RankedPool(load_ranker("verifier"), task, candidates, context).ranking.scores
        assert min(scores[1], scores[3]) > max(scores[0], scores[2])

    def test_it_was_trained_on_nano_alone_and_on_none_of_its_benchmark(self):
        from codebudget.tasks import load_benchmark

        shipped = read_coefficients("nano")
        assert {source.benchmark for source in shipped.sources} == {"nano-3"}
        benchmark = load_benchmark("nano").tasks
        assert len(benchmark) == 164
        assert frozenset(shipped.tasks).isdisjoint(frozenset().union(*(hashes_of(task.public()) for task in benchmark)))

    def test_it_is_read_without_scikit_learn(self):
        code = (
            "import sys; sys.modules['sklearn'] = None\n"
            "from codebudget.rankers import load_ranker\n"
            "print(load_ranker('verifier').name, 'pickle' in sys.modules and 'joblib' in sys.modules)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
        assert done.stdout.split() == ["verifier", "False"]
