"""Cascades on recorded pools, against every way that they may go, counted one by one."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

import pytest
from codebudget.budgets.flops import decode_flops, prefill_flops
from codebudget.budgets.models import find_model
from codebudget.budgets.notation import parse_arm
from codebudget.budgets.plan import plan_arms
from codebudget.experiment.comparison import Terms, compare_arms
from codebudget.experiment.escalation import Rule
from codebudget.experiment.grading import Grader
from codebudget.experiment.ranking import Judging
from codebudget.experiment.samples import ArmSamples, StageSamples, staged
from codebudget.rankers import load_ranker
from codebudget.records import Candidate, Comparison, Example, HiddenTests, Plan, Task, Workload
from codebudget.sampler.store import open_store
from codebudget.sandbox import Sandbox
from codebudget.sandbox.launchers.process import ProcessLauncher
from codebudget.tasks import Benchmark

WORKLOAD = Workload(convention="tokens", prompt_tokens=20, output_tokens=10, source="this test")
TOKENS = {"7b": (20, 10), "13b": (21, 14), "34b": (22, 30)}


def task(name: str, right: str, calls: Sequence[int], shown: int | None) -> Task:
    prompt = f"def {name}(x):\n"
    function = eval(f"lambda x: {right}")
    checks = "".join(f"    assert candidate({x}) == {function(x)!r}\n" for x in calls)
    example = () if shown is None else (Example(call=f"{name}({shown})", expected=repr(function(shown))),)
    return Task(
        id=name,
        benchmark="hand",
        prompt=prompt,
        entry_point=name,
        examples=example,
        tests=HiddenTests(style="check", code=f"def check(candidate):\n{checks}"),
        reference=f"{prompt}    return {right}\n",
    )


SHOWN = (task("double", "2 * x", (2, 5), 2), task("square", "x * x", (2, 3), 2), task("negate", "-x", (1, 0), 1))
BARE = (task("thrice", "3 * x", (1, 4), None),)
SMALL = {
    "double": ["x + x", "x + 2", "0", "1"],
    "square": ["x + x", "x * x", "0", "1"],
    "negate": ["0", "1", "-x", "x"],
    "thrice": ["x * 3", "x*3", "x + 3", "0"],
}
LARGE = {
    "double": ["x * 2", "4"],
    "square": ["4", "x ** 2"],
    "negate": ["0 - x", "-1"],
    "thrice": ["x + x + x", "2 * x"],
}
GREEDY = {"double": ["x << 1"], "square": ["0"], "negate": ["-1 * x"], "thrice": ["3 * x"]}
ALL = {"7b": SMALL, "13b": LARGE, "34b": LARGE}


@pytest.fixture(scope="module")
def grader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grader]:
    folder = tmp_path_factory.mktemp("cascades")
    with open_store(folder / "store.sqlite") as store, Sandbox(ProcessLauncher(), workers=1) as sandbox:
        yield Grader(sandbox, store)


def pool_of(plan: Plan) -> Mapping[str, Sequence[str]]:
    return GREEDY if plan.arm.greedy else ALL[plan.arm.name]


def arm(plan: Plan, tasks: Sequence[Task]) -> ArmSamples:
    def candidates(single: Plan) -> list[Candidate]:
        prompt_tokens, output_tokens = TOKENS[single.arm.name]
        return [
            Candidate(
                task_id=one.id,
                arm=single.arm.spec,
                index=index,
                raw=body,
                program=f"def {one.id}(x):\n    return {body}\n",
                prompt_tokens=prompt_tokens,
                output_tokens=output_tokens,
            )
            for one in tasks
            for index, body in enumerate(pool_of(single)[one.id])
        ]

    if not plan.stages:
        return ArmSamples(plan, candidates(plan))
    stages = tuple(StageSamples() for _ in plan.stages)
    return ArmSamples(plan, staged([candidates(single) for single in plan.stages]), stages=stages)


RULE = Rule(0.0, 0.5)


def run(grader: Grader, *specs: str, tasks: Sequence[Task] = SHOWN, rule: Rule = RULE) -> Comparison:
    plans = plan_arms([parse_arm(spec) for spec in specs], family="codellama", workload=WORKLOAD)
    rankers = {name: load_ranker(name) for name in ("examples", "first", "shortest")}
    judging = Judging(grader, rankers, rule=rule)
    arms = [arm(plan, tasks) for plan in plans]
    return compare_arms(Benchmark("hand", tuple(tasks)), arms, Terms(WORKLOAD), judging, decisive_ranker="examples")


class Way:
    """One way that a cascade goes on a task: what it draws, the picks of `examples`, and its FLOPs."""

    def __init__(self, one: Task, stages: Sequence[tuple[str, bool, Sequence[str]]], rule: Rule) -> None:
        function = eval(f"lambda x: {(one.reference or '').partition('return ')[2].strip()}")
        shown = [int(example.call.partition("(")[2].rstrip(")")) for example in one.examples]

        def holds(body: str) -> bool:
            return all(eval(f"lambda x: {body}")(x) == function(x) for x in shown)

        drawn: list[str] = []
        self.flops = 0
        self.reached = 0
        for name, greedy, bodies in stages:
            drawn += bodies
            self.reached += 1
            architecture, (prompt, output) = find_model(name).architecture, TOKENS[name]
            self.flops += prefill_flops(architecture, prompt) + len(bodies) * decode_flops(architecture, prompt, output)
            is_last = self.reached == len(stages)
            from_these = bodies if is_last and greedy else drawn
            if is_last or self.suffices(drawn, holds, bool(shown), rule):
                break
        passes = {body: all(eval(f"lambda x: {body}")(x) == function(x) for x in range(7)) for body in drawn}
        best = [body for body in from_these if holds(body)] or list(from_these)
        self.passing = any(passes.values())
        self.examples = sum(passes[body] for body in best) / len(best)

    @staticmethod
    def suffices(drawn: Sequence[str], holds, is_shown: bool, rule: Rule) -> bool:
        if is_shown:
            return any(map(holds, drawn))
        # On inputs that are made up, since none is shown.
        given = [[eval(f"lambda x: {body}")(x) for x in range(9)] for body in drawn]
        alike = max(map(given.count, given))
        return len(drawn) > 1 and (alike - 1) / (len(drawn) - 1) >= rule.bare


def ways(one: Task, plan: Plan, rule: Rule) -> list[Way]:
    each = [
        [
            (single.model, single.arm.greedy, chosen)
            for chosen in itertools.combinations(pool_of(single)[one.id], single.k)
        ]
        for single in plan.stages
    ]
    named = [[(name.removeprefix("codellama-"), greedy, chosen) for name, greedy, chosen in some] for some in each]
    return [Way(one, stages, rule) for stages in itertools.product(*named)]


@pytest.mark.parametrize("spec", ["7b:2,34b:greedy", "7b:2,34b:1", "7b:1,13b:1,34b:greedy", "7b:4,34b:1", "7b:3,34b:2"])
@pytest.mark.parametrize("tasks", [SHOWN, BARE], ids=["shown", "bare"])
def test_scores_and_costs_are_means_over_all_ways(grader: Grader, spec: str, tasks: Sequence[Task]) -> None:
    rule = Rule(0.0, 0.5)
    comparison = run(grader, "34b:1", spec, tasks=tasks, rule=rule)
    got = comparison.arms[1]
    counted = [ways(one, got.plan, rule) for one in tasks]

    def mean(field: str) -> float:
        return sum(sum(getattr(way, field) for way in mine) / len(mine) for mine in counted) / len(counted)

    assert got.pass_at_k.value == pytest.approx(mean("passing"))
    assert got.rankers["examples"].value == pytest.approx(mean("examples"))
    assert got.realised.cost.flops == pytest.approx(mean("flops"))
    for stage, reached in enumerate(got.realised.reached):
        by_hand = [sum(way.reached > stage for way in mine) / len(mine) for mine in counted]
        assert reached == pytest.approx(sum(by_hand) / len(by_hand))
    usage = got.realised.usage
    assert usage.prefill_flops is not None
    assert usage.decode_flops is not None
    assert usage.prefill_flops + usage.decode_flops == pytest.approx(got.realised.cost.flops)
    assert got.realised.budget_ratio.flops == pytest.approx(
        got.realised.cost.flops / comparison.arms[0].realised.cost.flops  # type: ignore[operator]
    )


def test_the_chance_to_go_on_is_hypergeometric(grader: Grader) -> None:
    got = run(grader, "7b:2,34b:greedy").arms[0]
    # Of four, two hold the example of double, two that of square and one that of negate.
    by_hand = [math.comb(4 - held, 2) / math.comb(4, 2) for held in (2, 2, 1)]
    assert got.realised.reached == (1, pytest.approx(sum(by_hand) / 3))


def test_a_larger_agreement_goes_on_more_often(grader: Grader) -> None:
    reached = [
        run(grader, "7b:3,34b:1", tasks=(*SHOWN, *BARE), rule=Rule(least, least)).arms[0].realised.reached[1]
        for least in (0.0, 0.4, 0.8, 1.0)
    ]
    assert reached == sorted(reached)
    assert reached[0] < reached[-1]


def test_a_fitted_rule_scores_best_and_says_that_it_is_tuned(grader: Grader) -> None:
    tasks = (*SHOWN, *BARE)

    def score(rule: Rule) -> tuple[float, Comparison]:
        found = run(grader, "7b:3,34b:1", tasks=tasks, rule=rule)
        return found.arms[0].rankers["examples"].value or 0.0, found

    fitted, found = score(Rule(0.0, 0.5, is_fitted=True))
    others = [score(Rule(shown, bare))[0] for shown in (0.0, 0.5, 1.0) for bare in (0.0, 0.5, 1.0)]
    assert fitted == pytest.approx(max(fitted, *others))
    escalation = found.arms[0].escalation
    assert escalation is not None
    assert escalation.tuned
    assert escalation.words.endswith("(tuned with tests)")


def test_advice_says_where_a_cascade_goes_on(grader: Grader) -> None:
    (alone,) = run(grader, "7b:2,34b:greedy").arms
    found = run(grader, "7b:2,34b:greedy", "34b:1")
    share = alone.realised.reached[1]
    assert (
        f"34b greedily where none of them holds all visible examples ({share:.0%} of tasks)"
        in run(grader, "7b:2,34b:greedy").verdict.without_tests
    )
    assert found.arms[0].escalation is not None
    assert (found.arms[0].escalation.tasks_shown, found.arms[0].escalation.tuned) == (3, False)
