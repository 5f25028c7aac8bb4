"""docs/python.md: every example runs, in order, as it stands."""

import json
import re
import subprocess
import sys
from pathlib import Path

import codebudget
import pytest

TASKS = [
    {
        "task_id": name,
        "prompt": f"def {name}(x):\n",
        "entry_point": name,
        "canonical_solution": f"    return {body}\n",
        "test": f"def check(candidate):\n    assert candidate(3) == {expected}\n    assert candidate(0) == 0\n",
    }
    for name, body, expected in (("double", "2 * x", 6), ("negate", "-x", -3), ("same", "x", 3))
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files that the page's examples read."""
    tasks, more = TASKS[:2], TASKS[2:]
    big = [{"task_id": task["task_id"], "completion": task["canonical_solution"]} for task in TASKS]
    small = [
        {"task_id": task["task_id"], "completion": body}
        for task in TASKS
        for body in (task["canonical_solution"], "    y = x\n    return y\n")
    ]
    rows = {
        "tasks.jsonl": tasks,
        "more.jsonl": more,
        "big.jsonl": big[:2],
        "small.jsonl": small[:4],
        "both_big.jsonl": big,
        "both_small.jsonl": small,
    }
    for name, listed in rows.items():
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in listed), encoding="utf-8")
    return tmp_path


def test_every_example_runs(repository: Path, folder: Path) -> None:
    text = (repository / "docs" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 6
    # Any machine has this sandbox.
    script = "\n".join(blocks).replace('"auto"', '"process"')
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "5"
    assert lines.count("[1.0, 1.0]") == 4
    assert "{1: 0.5, 2: 1.0}" in lines
    assert "1.0 1.0" in lines
    assert (folder / "comparison.html").read_text(encoding="utf-8").startswith("<!")


def test_importing_is_quick_and_pulls_no_numpy() -> None:
    script = "import sys, codebudget; print(*({'numpy', 'pydantic', 'typer', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_every_public_name_is_there() -> None:
    for name in codebudget.__all__:
        assert getattr(codebudget, name) is not None
    assert dir(codebudget) == list(codebudget.__all__)
    with pytest.raises(AttributeError, match="'nothing'"):
        codebudget.nothing  # noqa: B018


def test_plans_are_a_sequence_that_shows_and_writes_itself(tmp_path: Path) -> None:
    plans = codebudget.plan(["70b:1", "13b"], codebudget.Planning(match="flops"))
    assert (len(plans), plans[1].k, plans[-1].arm.spec) == (2, 5, "13b")
    assert [plan.k for plan in plans] == [1, 5]
    assert "codellama-13b" in str(plans)
    assert plans._repr_html_().startswith("<pre>")
    for ending in ("html", "md", "json", "txt"):
        plans.write(tmp_path / f"plans.{ending}")
        assert "13b" in (tmp_path / f"plans.{ending}").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "plans.json").read_text()) == plans.to_dict()
    with pytest.raises(codebudget.UserError, match=r"\.html, \.md|\.json, \.txt"):
        plans.write(tmp_path / "plans.docx")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tolerance": -1}, "`tolerance` must be greater than or equal to 0, not -1"),
        ({"tolerence": 1}, "`tolerence` is not a setting"),
        ({"match": "flops", "limit": "flops=1e12"}, "give `match` or `limit`, not both"),
    ],
)
def test_a_wrong_setting_is_our_own_error(values: dict, message: str) -> None:
    with pytest.raises(codebudget.UserError, match=message):
        codebudget.Planning(**values)
