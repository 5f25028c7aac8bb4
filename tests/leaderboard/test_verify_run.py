"""`codebudget leaderboard verify`: an honest run is verified, and whatever is changed is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from codebudget.leaderboard.files import NAMES
from codebudget.leaderboard.verify.recheck import Verification

Verify = Callable[..., Verification]

OURS = ("--sandbox", "process", "--workers", "1", "--benchmark-file", "tiny.jsonl")


def named(result: Verification) -> str:
    return "\n".join(map(str, result.differences))


def test_an_honest_run_is_verified_whole(made: Path, verified: Verify) -> None:
    result = verified(made / "run")
    assert (named(result), result.flips, result.unstable, result.notes) == ("", [], [], [])
    assert (result.graded, result.verdicts) == (15, 15)
    assert (result.ranked, result.rankings) == (18, 18)
    assert result.numbers > 100


def test_a_sample_grades_as_many_as_it_says(made: Path, verified: Verify) -> None:
    result = verified(made / "run", sample=4)
    assert (named(result), result.graded) == ("", 4)
    assert 0 < result.ranked < 18


def test_the_command_says_what_it_did_and_what_it_cannot(made: Path, command) -> None:
    done = command(made, "leaderboard", "verify", "run", *OURS)
    assert done.returncode == 0, done.stderr
    assert "regraded 15 of 15 verdicts" in done.stdout
    assert "verified; run id" in done.stdout
    assert "forged as a whole and rehashed" in done.stdout


def test_the_command_fails_where_something_differs(tampered, made: Path, command) -> None:
    tampered.json("results.json", lambda value: value["benchmarks"][0].update(total_tasks=5)).hashed()
    done = command(made, "leaderboard", "verify", tampered.path, *OURS, "--json")
    assert done.returncode == 1, done.stderr
    answer = json.loads(done.stdout)
    assert not answer["verified"]
    assert answer["differences"] == [
        {
            "file": "results.json",
            "row": "",
            "field": "benchmarks[0].total_tasks",
            "recorded": "5",
            "recomputed": "4",
        }
    ]


def to_passed(rows: list[dict[str, Any]]) -> None:
    row = next(row for row in rows if row["status"] == "wrong")
    row.update(status="passed", tests_run=row["tests_expected"])
    del row["detail"]


def from_timeout(rows: list[dict[str, Any]]) -> None:
    row = next(row for row in rows if row["status"] == "timeout")
    row.update(status="passed", tests_run=row["tests_expected"])
    row.pop("detail", None)


def to_timeout(rows: list[dict[str, Any]]) -> None:
    row = next(row for row in rows if row["status"] == "passed")
    row["status"] = "timeout"
    del row["tests_run"]


def better_program(rows: list[dict[str, Any]]) -> None:
    row = next(row for row in rows if "x + 2" in row["raw"])
    row["program"] = row["program"].replace("x + 2", "x + x")


def other_text(rows: list[dict[str, Any]]) -> None:
    row = next(row for row in rows if "x + 2" in row["raw"])
    row["raw"], row["program"] = (row[key].replace("x + 2", "x + x") for key in ("raw", "program"))


def first_score(rows: list[dict[str, Any]]) -> None:
    rows[-1]["scores"][0] += 1


def at_k(rows: list[dict[str, Any]]) -> None:
    rows[-1]["at_k"]["2"] = 0.99


ROWS = {
    "a verdict": ("verdicts.jsonl.gz", to_passed, "verdicts.jsonl.gz: row "),
    "a timeout's verdict": ("verdicts.jsonl.gz", from_timeout, "recorded 'passed', found 'timeout'"),
    "a verdict that the machine might decide": ("verdicts.jsonl.gz", to_timeout, "recorded 'timeout', found 'passed'"),
    "how many tests ran": ("verdicts.jsonl.gz", lambda rows: rows[0].update(tests_run=1), "row 1 (13b:1"),
    "an integrity": ("verdicts.jsonl.gz", lambda rows: rows[0].update(integrity="shared"), "integrity"),
    "a verdict's place": ("verdicts.jsonl.gz", lambda rows: rows.reverse(), "out of order"),
    "a verdict missing": ("verdicts.jsonl.gz", lambda rows: rows.pop(), "no row"),
    "a verdict too many": ("verdicts.jsonl.gz", lambda rows: rows.append(rows[-1]), "second"),
    "a program": ("candidates.jsonl.gz", better_program, "program"),
    "a candidate": ("candidates.jsonl.gz", other_text, "verdicts.jsonl.gz: row "),
    "a token count": ("candidates.jsonl.gz", lambda rows: rows[0].update(output_tokens=1), "results.json"),
    "a candidate missing": ("candidates.jsonl.gz", lambda rows: rows.pop(1), "nothing to grade"),
    "a candidate too many": ("candidates.jsonl.gz", lambda rows: rows.insert(5, rows[4] | {"index": 4}), "no row"),
    "a candidate of no arm": ("candidates.jsonl.gz", lambda rows: rows[0].update(arm="70b:1"), "not declared"),
    "a field": ("candidates.jsonl.gz", lambda rows: rows[0].update(note="hi"), "candidates.jsonl.gz"),
    "a ranking's score": ("rankings.jsonl.gz", first_score, "rankings.jsonl.gz: row 18"),
    "a ranking's score@k": ("rankings.jsonl.gz", at_k, "rankings.jsonl.gz: row 18"),
    "a ranking's cost": ("rankings.jsonl.gz", lambda rows: rows[0].update(flops=1e9), "flops"),
    "a ranking missing": ("rankings.jsonl.gz", lambda rows: rows.pop(), "no row"),
}


@pytest.mark.parametrize("hashed", [False, True], ids=["plain", "hashed-again"])
@pytest.mark.parametrize("what", ROWS)
def test_a_changed_row_is_caught(what: str, hashed: bool, tampered, verified: Verify) -> None:
    name, change, says = ROWS[what]
    tampered.rows(name, change)
    result = verified((tampered.hashed() if hashed else tampered).path)
    assert result.differences
    if hashed:
        assert says in named(result)
    else:
        assert f"{name}: SHA-256: recorded" in named(result)


def leaves(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*place, key))]
    if isinstance(value, list):
        return [leaf for key, item in enumerate(value) for leaf in leaves(item, (*place, key))]
    return [place]


def changed(value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return not value
    return value * 1.001 + 0.001 if isinstance(value, int | float) else f"{value}x"


def change_at(value: Any, place: tuple[Any, ...]) -> None:
    for key in place[:-1]:
        value = value[key]
    value[place[-1]] = changed(value[place[-1]])


def test_every_number_of_the_results_is_computed_again(made: Path, tampered, verified: Verify) -> None:
    places = leaves(json.loads((made / "run" / "results.json").read_text()))

    def change(value: dict[str, Any]) -> None:
        for place in places:
            change_at(value, place)

    result = verified(tampered.json("results.json", change).hashed().path)
    found = [one for one in result.differences if one.file == "results.json"]
    assert len(found) == len(places) == result.numbers


def test_every_field_of_the_manifest_is_sealed(made: Path, tampered, verified: Verify) -> None:
    honest = (made / "run" / "manifest.json").read_bytes()
    for place in leaves(json.loads(honest)):
        tampered.path.joinpath("manifest.json").write_bytes(honest)
        result = verified(tampered.json("manifest.json", lambda value, place=place: change_at(value, place)).path)
        assert any(one.file == "manifest.json" for one in result.differences), place


@pytest.mark.parametrize(
    "place",
    [
        "schema_version",
        "name",
        "seed",
        "benchmarks.0.benchmark",
        "benchmarks.0.spec",
        "benchmarks.0.content_hash",
        "benchmarks.0.reference_check",
        "models.0.arm",
        "models.1.model",
        "models.1.precision",
        "models.0.source",
        "models.0.k",
        "models.1.lengths.output_tokens",
        "models.1.lengths.source",
        "rankers.examples.name",
        "rankers.examples.pointwise",
        "rankers.examples.sha256",
        "sandbox.launcher",
        "sandbox.limits.memory_bytes",
        "sandbox.allow_shared",
    ],
)
def test_what_a_manifest_says_can_be_looked_up_also_when_it_is_sealed_again(
    place: str, tampered, verified: Verify
) -> None:
    keys = tuple(int(key) if key.isdigit() else key for key in place.split("."))
    tampered.json("manifest.json", lambda value: change_at(value, keys)).hashed()
    assert any(one.file == "manifest.json" for one in verified(tampered.path).differences)


def test_a_key_that_only_reads_as_another_is_a_difference(tampered, verified: Verify) -> None:
    def change(value: dict[str, Any]) -> None:
        costs = value["benchmarks"][0]["arms"][0]["costs"]
        costs["01"] = costs.pop("1")

    found = verified(tampered.json("results.json", change).hashed().path).differences
    assert {one.field for one in found} == {"benchmarks[0].arms[0].costs.1", "benchmarks[0].arms[0].costs.01"}


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_named(name: str, tampered, verified: Verify) -> None:
    (tampered.path / name).unlink()
    assert name in named(verified(tampered.path))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "content", [b"", b"\x1f\x8b\x08", b"[" * 100_000, b"\xff\xfe"], ids=["empty", "gz", "deep", "bytes"]
)
def test_a_damaged_file_is_named(name: str, content: bytes, tampered, verified: Verify) -> None:
    (tampered.path / name).write_bytes(content)
    assert name in named(verified(tampered.path))


def test_an_extra_file_is_named(tampered, verified: Verify) -> None:
    (tampered.path / "notes.txt").write_text("hello")
    assert "notes.txt: recorded 'not part of a run'" in named(verified(tampered.path))


def test_a_link_is_no_file_of_a_run(tampered, verified: Verify, tmp_path: Path) -> None:
    (tampered.path / "report.md").rename(tmp_path / "report.md")
    (tampered.path / "report.md").symlink_to(tmp_path / "report.md")
    assert "report.md: recorded 'a regular file'" in named(verified(tampered.path))


def test_a_changed_report_is_named(tampered, verified: Verify) -> None:
    report = tampered.path / "report.md"
    report.write_text(report.read_text().replace("# tiny", "# TINY"))
    assert "report.md: line 1" in named(verified(tampered.hashed().path))


def test_a_changed_board_is_named(tampered, verified: Verify) -> None:
    board = tampered.path / "board.toml"
    board.write_text(board.read_text().replace('"shortest"', '"first"'))
    result = named(verified(tampered.hashed().path))
    assert "manifest.json: rankers" in result


def test_another_benchmark_than_the_installed_one_is_named(made: Path, tampered, verified: Verify) -> None:
    tampered.json("results.json", lambda value: value["benchmarks"][0].update(content_hash="0" * 64)).hashed()
    assert "content_hash" in named(verified(tampered.path))


def test_hostile_text_is_printed_as_one_plain_line(tampered, verified: Verify) -> None:
    tampered.json("results.json", lambda value: value.update(name="\x1b[31m\nred")).hashed()
    line = next(str(one) for one in verified(tampered.path).differences if one.field == "name")
    assert line.isprintable()


def test_a_ranker_that_is_not_here_is_said_and_its_scores_still_count(tampered, verified: Verify) -> None:
    tampered.json("manifest.json", lambda value: value["rankers"]["shortest"].update(version="0.0")).hashed()
    result = verified(tampered.path)
    assert any("shortest" in note for note in result.notes)

    def better(rows: list[dict[str, Any]]) -> None:
        next(row for row in rows if row["ranker"] == "shortest")["at_k"]["1"] = 0.123

    tampered.rows("rankings.jsonl.gz", better).hashed()
    assert "at_k" in named(verified(tampered.path))


def test_a_stranger_cannot_name_a_file_of_mine_to_run(tampered, made: Path, tmp_path: Path, verified: Verify) -> None:
    trap = tmp_path / "trap.py"
    trap.write_text("raise SystemExit('run')\n")
    board = tampered.path / "board.toml"
    board.write_text(board.read_text().replace('"shortest"', f'"{trap}:Ranker"'))
    assert "manifest.json: rankers" in named(verified(tampered.hashed().path))
