"""Tasks of BigCodeBench's kind that use libraries: in the lean image, and in a box with this environment's packages."""

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from codebudget.errors import MachineError
from codebudget.records import HiddenTests, Limits, Task, Verdict
from codebudget.sandbox import Job, Sandbox, choose_launcher
from codebudget.sandbox.box import BOOTSTRAP, Box, Launcher
from codebudget.sandbox.launchers.local import start_worker
from codebudget.sandbox.launchers.ownership import make_folder

LEAN = "docker-bigcodebench-lean"


class WithPackages:
    """Boxes with the packages of this environment, for programs of our own."""

    name = "packages"
    promise = "none"
    libraries = ("numpy", "pandas", "matplotlib.pyplot")

    def prepare(self) -> None:
        """Do nothing."""

    def environment(self) -> str:
        return f"packages {sys.executable}"

    def launch(self) -> Box:
        configuration = {
            "separation": "none",
            "work_root": make_folder(),
            "remove_work_root": True,
            "libraries": self.libraries,
        }
        return start_worker([sys.executable, "-s", "-c", BOOTSTRAP], configuration)


@pytest.fixture(scope="module", params=["packages", pytest.param(LEAN, marks=pytest.mark.docker)])
def libraries(request: pytest.FixtureRequest) -> Launcher:
    if request.param == "packages":
        if not all(find_spec(name.partition(".")[0]) for name in WithPackages.libraries):
            pytest.skip("numpy, pandas and matplotlib are not all installed beside these tests")
        return WithPackages()
    try:
        return choose_launcher(LEAN).launcher
    except MachineError as error:
        if os.environ.get("CODEBUDGET_REQUIRE_DOCKER") == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def sandbox(libraries: Launcher) -> Iterator[Sandbox]:
    with Sandbox(libraries, limits=Limits(cpu_s=5.0, memory_bytes=256 << 20), workers=1) as one:
        yield one


def task(header: str, body: str, tests: str, imports: str = "") -> Task:
    """A task whose function takes `x`, with the body of a class TestCases."""
    indented = "".join(f"    {line}\n" for line in tests.strip().splitlines())
    prompt = f"{header}\ndef task_func(x):\n"
    return Task(
        id="test/0",
        benchmark="test",
        prompt=prompt,
        entry_point="task_func",
        reference=f"{prompt}    {body}\n",
        tests=HiddenTests(
            style="unittest", code=f"import unittest\n{imports}\nclass TestCases(unittest.TestCase):\n{indented}"
        ),
    )


def judged(sandbox: Sandbox, one: Task, *bodies: str) -> list[Verdict]:
    """Verdicts on the reference and on programs with other bodies."""
    (check,) = sandbox.check([one])
    assert check.ok, check.detail
    programs = [f"{one.reference}# again\n", *(f"{one.prompt}    {body}\n" for body in bodies)]
    verdicts = dict(sandbox.grade([Job(one, check, program) for program in programs]))
    return [verdicts[place] for place in range(len(programs))]


ARRAY = task(
    "import numpy as np",
    "return np.cumsum(x)",
    """
def test_one(self):
    np.testing.assert_array_equal(task_func(np.array([1, 2, 3])), np.array([1, 3, 6]))
def test_two(self):
    self.assertEqual(task_func([1.5]).tolist(), [1.5])
""",
    "import numpy as np",
)
FRAME = task(
    "import pandas as pd",
    "return x.groupby('name', as_index=False)['value'].sum()",
    """
def test_one(self):
    frame = pd.DataFrame({"name": ["a", "b", "a"], "value": [1, 2, 3]})
    pd.testing.assert_frame_equal(task_func(frame), pd.DataFrame({"name": ["a", "b"], "value": [4, 2]}))
""",
    "import pandas as pd",
)
PLOT = task(
    "import matplotlib.pyplot as plt",
    "figure, axes = plt.subplots(); axes.plot(x); figure.savefig('plot.png'); return axes",
    """
def tearDown(self):
    plt.close("all")
def test_one(self):
    axes = task_func([1, 4, 2])
    self.assertEqual(list(axes.lines[0].get_ydata()), [1, 4, 2])
    self.assertGreater(os.path.getsize("plot.png"), 1000)
""",
    "import os\nimport matplotlib.pyplot as plt",
)


def test_arrays_cross(sandbox: Sandbox) -> None:
    verdicts = judged(sandbox, ARRAY, "return np.cumsum(x)[::-1]", "return list(np.cumsum(x))")
    assert [(one.status, one.integrity) for one in verdicts] == [
        ("passed", "split"),
        ("wrong", "split"),
        ("wrong", "split"),
    ]


@pytest.mark.parametrize(("one", "wrong"), [(FRAME, "return x"), (PLOT, "return plt.gca()")], ids=["frame", "plot"])
def test_frames_and_plots_are_shared(sandbox: Sandbox, one: Task, wrong: str) -> None:
    good, bad = judged(sandbox, one, wrong)
    assert (good.status, good.integrity) == ("passed", "shared"), good.detail
    assert bad.status in ("wrong", "crashed")


def test_libraries_are_loaded_before_programs_and_draw_alike_in_every_box(libraries: Launcher) -> None:
    drawn = "raise KeyError(np.random.rand(), 'sys' in dir() or __import__('sys').modules.get('pandas') is not None)"
    details = []
    for _ in range(2):
        with Sandbox(libraries, limits=Limits(cpu_s=5.0), workers=1) as fresh:
            _, verdict = judged(fresh, ARRAY, drawn)
            details.append(verdict.detail)
    assert details[0] == details[1]
    assert "True" in details[0]


def test_libraries_do_not_use_up_a_programs_memory(sandbox: Sandbox) -> None:
    verdicts = judged(sandbox, ARRAY, "y = bytearray(100 << 20); return np.cumsum(x)", "y = bytearray(400 << 20)")
    assert [one.status for one in verdicts] == ["passed", "passed", "memory"]


def test_a_box_names_its_image(libraries: Launcher) -> None:
    assert libraries.environment().startswith(f"{libraries.name} ")


def test_the_lean_image_has_the_libraries_that_most_tasks_use(sandbox: Sandbox) -> None:
    if sandbox.launcher.name != LEAN:
        pytest.skip("the packages beside these tests may lack some")
    one = task(
        "import numpy as np\nfrom scipy import stats\nfrom sklearn.linear_model import LinearRegression",
        "return LinearRegression().fit(np.arange(len(x))[:, None], x).coef_[0], stats.zscore(x)[0]",
        "def test_one(self):\n    self.assertAlmostEqual(task_func([1, 3, 5])[0], 2)",
    )
    good, bad = judged(sandbox, one, "return x")
    assert (good.status, good.integrity, bad.status) == ("passed", "split", "wrong"), good.detail
