"""Finding rankers, and the worked example of a plug-in."""

import os
import shutil
import subprocess
import sys

import pytest
from codebudget.errors import UserError
from codebudget.rankers import available, load_ranker

GOOD = """
class Mine:
    \"\"\"Mine.\"\"\"
    name, version, needs, pointwise = "mine", "1", frozenset(), True
    def rank(self, task, candidates, context):
        raise NotImplementedError
"""


@pytest.fixture
def write(tmp_path):
    def to_file(text):
        path = tmp_path / "mine.py"
        path.write_text(text)
        return str(path)

    return to_file


def test_the_built_in_rankers_are_registered():
    found = {info.name: info for info in available() if info.distribution == "codebudget"}
    assert set(found) == {
        *("codebudget", "random", "first", "shortest", "longest", "examples", "majority", "executability"),
        *("mean-logprob", "sum-logprob", "scorer-logprob", "self-certainty", "coder-reviewer"),
        *("mbr-exec", "alphacode", "codet", "maxpass", "b4", "srank", "aces", "verifier", "reward"),
    }
    assert all(info.summary for info in found.values())
    for name in found:
        assert load_ranker(name).name == name


def test_an_unknown_name_gets_a_suggestion_and_the_list():
    with pytest.raises(
        UserError, match=r"unknown ranker 'majorty': did you mean 'majority'\?.*examples, exec.*FILE\.py"
    ):
        load_ranker("majorty")


def test_a_class_out_of_a_file(write):
    assert load_ranker(f"{write(GOOD)}:Mine").name == "mine"


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (GOOD, "Yours", "no such class"),
        ("import nowhere_to_be_found", "Mine", "mine.py cannot be imported: ModuleNotFoundError: .*nowhere"),
        ("def f(:", "Mine", "cannot be imported: SyntaxError"),
        ("class Mine: name = 'mine'", "Mine", "lacks version, needs, pointwise, rank"),
        (GOOD + "    def __init__(self, size): pass", "Mine", "cannot be created without arguments: TypeError"),
        (GOOD.replace("frozenset()", "['execution']"), "Mine", "needs must be a frozenset"),
        (GOOD.replace("frozenset()", "frozenset({'magic'})"), "Mine", "needs magic.*offers execution"),
    ],
)
def test_a_file_that_holds_no_ranker_says_what_is_wrong(write, text, name, message):
    with pytest.raises(UserError, match=message):
        load_ranker(f"{write(text)}:{name}")


def test_a_missing_file():
    with pytest.raises(UserError, match=r"no such file.*nowhere\.py"):
        load_ranker("nowhere.py:Mine")


def register(folder, distribution, name, target, text=""):
    """Lay out what an installed distribution looks like, as pip would."""
    info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[codebudget.rankers]\n{name} = {target}\n")
    (folder / f"{target.partition(':')[0]}.py").write_text(text)


def in_python(code, *paths):
    """Run code in a fresh interpreter that sees the folders as installed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


def test_a_plug_in_that_fails_to_import_names_itself_and_breaks_no_list(tmp_path):
    register(tmp_path, "broken-rankers", "boom", "broken_rankers:Boom", "raise RuntimeError('no luck')")
    code = """
from codebudget.rankers import available, load_ranker
print([info.summary for info in available() if info.name == "boom"])
print(len(available()))
load_ranker("boom")
"""
    result = in_python(code, tmp_path)
    assert "broken-rankers cannot be imported: RuntimeError: no luck" in result.stdout
    assert int(result.stdout.split()[-1]) >= 6
    last = result.stderr.strip().splitlines()[-1]
    assert "UserError: ranker 'boom' of the distribution broken-rankers cannot be imported" in last


def test_two_distributions_with_one_name_are_refused(tmp_path):
    register(tmp_path, "other-rankers", "majority", "other_rankers:Majority", GOOD.replace("Mine", "Majority"))
    result = in_python("from codebudget.rankers import load_ranker; load_ranker('majority')", tmp_path)
    assert "several distributions register a ranker 'majority': codebudget and other-rankers" in result.stderr


USE = """
import random, sys
import numpy as np
from codebudget.rankers import Context, available, load_ranker, score_task
from codebudget.records import Candidate, PublicTask
programs = [
    "def f(x):\\n    if x:\\n        return 1\\n",
    "def f(x):\\n    if x:\\n        return 1\\n    return 2\\n",
    "def f(x:",
]
task = PublicTask(id="toy", prompt="def f(x):\\n", entry_point="f")
pool = [Candidate(task_id="toy", arm="a", index=i, raw=p, program=p) for i, p in enumerate(programs)]
ranker = load_ranker(sys.argv[1] if len(sys.argv) > 1 else "returns")
passed = np.array([False, True, False])
result = score_task(ranker, task, pool, passed, 3, Context(random.Random(0)), seed=0)
print(result.ranking.scores, result.score)
print([info.distribution for info in available() if info.name == "returns"])
"""


@pytest.fixture(scope="module")
def example(repository, tmp_path_factory):
    """A copy of the example package: building leaves files beside the source."""
    copy = tmp_path_factory.mktemp("example") / "ranker-plugin"
    shutil.copytree(repository / "examples" / "ranker-plugin", copy)
    return copy


def test_the_example_plug_in_installs_and_ranks(example, tmp_path):
    site = tmp_path / "site"
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(example)], check=True)
    result = in_python(USE, site)
    assert result.stdout.splitlines() == ["(1.0, 2.0, 0.0) 1.0", "['codebudget-ranker-returns']"], result.stderr


def test_a_plug_in_that_misbehaves_is_named_with_its_distribution(example, tmp_path):
    text = (example / "codebudget_ranker_returns.py").read_text()
    one_short = text.replace("for candidate in candidates))", "for candidate in candidates[1:]))")
    assert one_short != text
    register(tmp_path, "spoilt-rankers", "returns", "spoilt_rankers:Returns", one_short)
    (tmp_path / "spoilt_rankers-1.0.dist-info" / "top_level.txt").write_text("spoilt_rankers\n")
    result = in_python(USE, tmp_path)
    assert "ranker 'returns' (distribution spoilt-rankers) gave 2 scores for 3 candidates" in result.stderr


def test_the_example_plug_in_out_of_its_file(example):
    ranker = load_ranker(f"{example / 'codebudget_ranker_returns.py'}:Returns")
    assert ranker.name == "returns"
    assert ranker.pointwise


@pytest.mark.parametrize(
    ("body", "score"),
    [
        ("return 1", 2),
        ("raise ValueError", 2),
        ("pass", 1),
        ("if x:\n        return 1\n    else:\n        return 2", 2),
        ("for i in x:\n        return i", 1),
        ("while True:\n        x += 1", 2),
        ("while True:\n        break", 1),
        ("with x:\n        return 1", 2),
        ("try:\n        return x[0]\n    except IndexError:\n        return None", 2),
        ("try:\n        return x[0]\n    except IndexError:\n        pass", 1),
    ],
)
def test_what_the_example_takes_for_an_end(example, task, context, pool, body, score):
    ranker = load_ranker(f"{example / 'codebudget_ranker_returns.py'}:Returns")
    assert ranker.rank(task, pool(f"def double(x):\n    {body}\n"), context).scores == (score,)
