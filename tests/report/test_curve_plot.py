"""A curve's files: pictures that hold what they should, the same in every run, and CSV that gives the scores back."""

import csv
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from codebudget.errors import UserError
from codebudget.experiment.curves import Curve, CurveArm, CurvePoint
from codebudget.records import Crossing, Workload
from codebudget.report.curves import print_curve, write_plot
from codebudget.report.files import COLUMNS, write_curve

SVG = "{http://www.w3.org/2000/svg}"


def arm(spec: str, scores: list[float | None], metrics: tuple[str, ...]) -> CurveArm:
    points = tuple(
        CurvePoint(
            budget=10.0**place, k=None, value=None, low=None, high=None, undefined="below" if place < 2 else "above"
        )
        if score is None
        else CurvePoint(budget=10.0**place, k=place, value=score, low=score - 0.05, high=score + 0.05)
        for place, score in enumerate(scores)
    )
    return CurveArm(
        spec=spec,
        model=spec,
        precision="bf16",
        n=4,
        cost_of_one=10.0,
        cost_of_all=1e4,
        metrics=dict.fromkeys(metrics, points),
    )


def a_curve(*specs: str, metrics: tuple[str, ...] = ("pass_at_k", "examples"), by: str = "flops") -> Curve:
    scores = [[None, 0.1, 0.3, 0.5, None], [None, None, 0.2, 0.6, 0.7]]
    return Curve.model_validate(
        {
            "benchmark": "tiny",
            "workload": Workload(convention="paper", prompt_tokens=128, output_tokens=0, source="a test"),
            "sandbox": "process",
            "by": by,
            "tasks": 3,
            "left_out": {"x": "no sample of 7b"},
            "budgets": tuple(10.0**place for place in range(5)),
            "every_step": True,
            "arms": tuple(arm(spec, scores[place % 2], metrics) for place, spec in enumerate(specs)),
            "crossings": (
                Crossing(
                    metric="pass_at_k",
                    a=specs[0],
                    b=specs[-1],
                    outcome="overtakes",
                    leader=specs[-1],
                    budget=1e3,
                    sentence=f"{specs[-1]} overtakes {specs[0]} from 1e3 FLOPs.",
                ),
            ),
            "warnings": (),
            "sandbox_errors": 0,
        }
    )


def texts(path: Path) -> set[str]:
    return {"".join(node.itertext()) for node in ElementTree.parse(path).iter(f"{SVG}text")}


def test_a_picture_holds_both_arms_and_its_units(tmp_path: Path) -> None:
    # Neither a formula nor markup, and a legend leaves out what begins with _.
    names = ("_30b@int4", "$7b$<&>")
    write_plot(a_curve(*names), tmp_path / "curve.svg")
    shown = texts(tmp_path / "curve.svg")
    assert set(names) <= shown
    assert {
        "pass_flops@f",
        "rank-score_flops@f by examples",
        "budget (FLOPs per task)",
        "share of tasks solved",
    } <= shown
    assert {"1e0", "1e2", "1e4"} <= shown
    write_plot(a_curve("30b", "7b", by="runtime"), tmp_path / "time.svg")
    assert {"pass_time@t", "budget (seconds per task)", "100"} <= texts(tmp_path / "time.svg")


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_picture_is_the_same_in_every_run(tmp_path: Path, ending: str) -> None:
    for name in ("one", "two"):
        write_plot(a_curve("30b", "7b"), tmp_path / f"{name}.{ending}")
    one, two = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("one", "two"))
    assert one == two
    assert b"<dc:date>" not in one


@pytest.mark.parametrize(("arms", "metrics"), [(1, 1), (9, 2), (2, 5)])
def test_few_and_many_arms_and_metrics_fit(tmp_path: Path, arms: int, metrics: int) -> None:
    names = tuple(f"m{place}" for place in range(arms))
    curve = a_curve(*names, metrics=tuple(f"ranker{place}" for place in range(metrics)))
    write_plot(curve, tmp_path / "curve.svg")
    assert set(names) <= texts(tmp_path / "curve.svg")
    write_plot(curve, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


def test_a_file_that_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ending in \.png or \.svg"):
        write_plot(a_curve("7b"), tmp_path / "curve.pdf")
    with pytest.raises(UserError, match="does not exist"):
        write_plot(a_curve("7b"), tmp_path / "none" / "curve.svg")


def test_without_matplotlib_it_says_how_to_get_it(tmp_path: Path) -> None:
    script = (
        "import sys\nsys.modules['matplotlib'] = None\n"
        "from pathlib import Path\n"
        "from codebudget.errors import MachineError\n"
        "from codebudget.report.curves import check_plot\n"
        "try:\n    check_plot(Path('curve.svg'))\n"
        "except MachineError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "a plot needs matplotlib: pip install 'codebudget[report]'", done.stderr


def test_csv_gives_every_score_back(tmp_path: Path) -> None:
    curve = a_curve("30b,int4", '7b"')
    write_curve(curve, tmp_path / "curve.csv")
    with (tmp_path / "curve.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 2 * 2 * 5
    wanted = [
        (arm.spec, metric, point) for arm in curve.arms for metric, points in arm.metrics.items() for point in points
    ]
    for row, (spec, metric, point) in zip(rows, wanted, strict=True):
        assert (row["arm"], row["metric"], float(row["budget"])) == (spec, metric, point.budget)
        for name in ("k", "value", "low", "high"):
            assert (float(row[name]) if row[name] else None) == getattr(point, name)
        assert (row["undefined"] or None) == point.undefined


def test_json_is_the_record(tmp_path: Path) -> None:
    write_curve(a_curve("30b", "7b"), tmp_path / "curve.json")
    assert Curve.model_validate_json((tmp_path / "curve.json").read_text()) == a_curve("30b", "7b")


@pytest.mark.parametrize("metrics", [("pass_at_k",), ("pass_at_k", "random", "examples", "a-ranker-with-a-long-name")])
def test_the_tables_fit_a_hundred_columns(capsys: pytest.CaptureFixture[str], metrics: tuple[str, ...]) -> None:
    names = ("30b", "a-folder/with-a-rather-long-name/of-a-model@w4a16-g128", "7b")
    print_curve(a_curve(*names, metrics=metrics), ["a note"])
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 100
    assert "7b overtakes 30b from 1e3 FLOPs." in shown
    assert "0.300 [0.250, 0.350]" in shown
    assert "less than one sample" in shown
    assert "too few samples" in shown
    assert "Left out, no sample of 7b: 1 (x)" in shown
