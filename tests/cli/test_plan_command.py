import json
import subprocess
import sys

import pytest
import typer
from codebudget.cli.plan import plan
from codebudget.errors import UserError
from typer.testing import CliRunner, Result

COST_KEYS = {"flops", "runtime_s", "memory_bytes", "usd"}


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(plan)
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, UserError):
        raise result.exception
    return result


def test_json_has_the_keys_of_the_design() -> None:
    result = run("70b:1", "34b", "13b", "7b", "--match", "flops", "--json")
    assert result.exit_code == 0
    answer = json.loads(result.stdout.splitlines()[-1])
    assert set(answer) == {"arms", "convention"}
    assert answer["convention"] == "paper"
    assert [arm["k"] for arm in answer["arms"]] == [1, 2, 5, 10]
    for arm in answer["arms"]:
        assert set(arm) == {
            *("spec", "model", "precision", "k", "cost", "budget_ratio", "matched", "equal", "binding", "leftover")
        }
        assert set(arm["cost"]) == set(arm["budget_ratio"]) == set(arm["leftover"]) == COST_KEYS
        assert arm["cost"]["runtime_s"] is None


@pytest.mark.parametrize(
    "extra", [[], ["--prompt-tokens", "150", "--output-tokens", "200"], ["--budget", "flops=1e15"]]
)
def test_table_fits_and_names_convention_and_source(extra: list[str]) -> None:
    result = run("70b:1", "13b@w4a16-g128-sym", "codellama/CodeLlama-34b-hf", "7b:greedy", *extra)
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 100
    for word in ("codellama-70b", "w4a16-g128-sym", "greedy", "TFLOP", "convention"):
        assert word in result.stdout
    assert ("--prompt-tokens" if "--prompt-tokens" in extra else "2404.00725") in result.stdout


def test_every_kind_of_cost_fits_the_table_and_says_what_runtime_is() -> None:
    where = ("--hardware", "h100x8", "--usd-per-hour", "2.5", "--match", "runtime", "--benchmark", "humaneval")
    result = run("70b@int4:1", "34b", "13b", "7b@int4", *where)
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 100
    for word in ("GiB", "$", "full batches", "--regime latency", "h100x8", "MFU"):
        assert word in result.stdout
    latency = run("70b:1", "7b", *where, "--regime", "latency", "--json")
    answer = json.loads(latency.stdout)
    assert "alone" in answer["runtime"]
    assert all(value is not None for arm in answer["arms"] for value in arm["cost"].values())


def test_a_table_of_long_names_is_wider_rather_than_that_it_breaks_a_word() -> None:
    where = ("--hardware", "h100x8", "--usd-per-hour", "2.5", "--match", "runtime", "--benchmark", "humaneval")
    result = run("70b@w4a16-g128-sym:1", "codellama/CodeLlama-34b-hf", *where)
    assert result.exit_code == 0
    words = result.stdout.split()
    for word in ("70b@w4a16-", "g128-sym:1", "codellama/", "CodeLlama-", "34b-hf", "FLOPs/task", "matched", "binding"):
        assert word in words
    assert max(map(len, result.stdout.splitlines())) <= 104


def test_the_papers_seconds_give_the_papers_samples() -> None:
    answer = json.loads(
        run("70b:1", "7b", "13b", "34b", *["--match", "runtime", "--calibration", "paper", "--json"]).stdout
    )
    assert [arm["k"] for arm in answer["arms"]] == [1, 14, 8, 1]
    assert "2404.00725" in answer["runtime"]


def test_text_like_markup_is_printed_as_it_is() -> None:
    with pytest.raises(UserError, match=r"\[red\]"):
        run("[red]:1")


def test_a_plan_says_which_shapes_are_unverified() -> None:
    recalled = run("phi-4-14b:2", "codestral-22b", "--match", "flops")
    (line,) = (line for line in recalled.stdout.splitlines() if "unverified" in line)
    assert line.startswith("codestral-22b is unverified")
    assert json.loads(run("phi-4-14b:2", "codestral-22b", "--json").stdout)["unverified"] == ["codestral-22b"]
    assert "unverified" not in run("7b:1", "--json").stdout


def test_strict_is_about_matching() -> None:
    assert run("70b:1", "7b:10", "--strict").exit_code == 0
    assert run("70b:1", "7b:1").exit_code == 0
    assert run("70b:1", "7b:1", "--strict").exit_code == 1
    assert run("70b:1", "7b:11", "--strict", "--tolerance", "0.06").exit_code == 0


def test_token_counts_make_the_convention() -> None:
    tokens = ("--prompt-tokens", "150", "--output-tokens", "200")
    assert json.loads(run("70b:1", *tokens, "--json").stdout)["convention"] == "tokens"
    assert json.loads(run("70b:1", "--convention", "paper", "--json").stdout)["convention"] == "paper"


def test_a_benchmark_names_the_workload_and_typed_counts_take_its_place() -> None:
    def flops(*extra: str) -> float:
        answer = json.loads(run("7b:1", "--benchmark", "humaneval", *extra, "--json").stdout)
        assert answer["convention"] == ("paper" if "paper" in extra else "tokens")
        value: float = answer["arms"][0]["cost"]["flops"]
        return value

    assert flops("--output-tokens", "4000") > flops()
    assert flops("--prompt-tokens", "4000") > flops()
    assert flops("--convention", "paper") == pytest.approx(1.69e12, rel=5e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["70b:1", "--prompt-tokens", "150"], "needs `benchmark`, or both"),
        (["70b:1", "--convention", "tokens"], "needs `benchmark`, or both"),
        (["70b:1", "--convention", "paper", "--output-tokens", "9"], "128 tokens"),
        (["70b:1", "--match", "runtime"], "depends on the machine.*`hardware`.*`calibration`"),
        (["70b:1", "--match", "usd"], "need a price"),
        (["70b:1", "--hardware", "h100", "--match", "flops"], "use h100x2"),
        (["70b:1", "--hardware", "h10"], "did you mean h100"),
        (["70b:1", "--hardware", "h100x8", "--usd-per-hour", "0"], "greater than 0"),
        (["70b:1", "--usd-per-mtok", "1"], "IN,OUT"),
        (["70b:1", "13b", "--match", "memory", "--concurrency", "4"], "does not limit"),
        (["70b:1", "--match", "flops", "--budget", "flops=1e15"], "not both"),
        (["70b", "7b:1"], "first arm"),
        (["71b:1"], "did you mean 7b or 70b"),
    ],
)
def test_mistakes_are_the_users(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        run(*arguments)


def test_planning_imports_nothing_heavy() -> None:
    code = (
        "import sys, codebudget.cli.plan\n"
        "from codebudget.experiment.planning import plan\n"
        "from codebudget.settings import Planning\n"
        "plan(['70b:1', '7b'], Planning(match='flops'))\n"
        "assert not {'torch', 'numpy', 'transformers', 'datasets', 'docker'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
