"""Commands in a folder that somebody else made: its links lead nowhere, and what its store says is not believed."""

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from codebudget.leaderboard import files

from support.rows import jsonl, read_rows

PROCESS = ("--sandbox", "process", "--workers", "1")
TINY = ("--benchmark", "tiny.jsonl")
BY_NOBODY = "weak"


@pytest.fixture
def precious(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("home") / "precious"
    file.write_text("precious")
    return file


def said(result) -> list[str]:
    return [line for line in result.stderr.splitlines() if BY_NOBODY not in line]


def last_json(result) -> dict[str, Any]:
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def link(path: Path, precious: Path) -> None:
    path.symlink_to(precious)


def pipe(path: Path, precious: Path) -> None:
    os.mkfifo(path)


@pytest.fixture
def untested(tiny: Path) -> Path:
    """The benchmark without hidden tests, which `rank` ranks into a file beside."""
    rows = read_rows(tiny / "tiny.jsonl")
    for row in rows:
        del row["test"]
    (tiny / "untested.jsonl").write_text(jsonl(rows))
    return tiny


@pytest.mark.parametrize("lay", [link, pipe])
def test_default_outputs_go_through_nothing(
    codebudget, untested: Path, precious: Path, lay: Callable[[Path, Path], None]
) -> None:
    lay(untested / "small.jsonl_results.jsonl", precious)
    lay(untested / "small.jsonl_ranked.jsonl", precious)
    executed = codebudget("execute", "small.jsonl", *TINY, *PROCESS)
    ranked = codebudget("rank", "small.jsonl", "--benchmark", "untested.jsonl", "--ranker", "first", *PROCESS)
    for result in (executed, ranked):
        assert (result.returncode, result.stdout) == (2, "")
        (line,) = said(result)
        assert "--out" in line
    assert precious.read_text() == "precious"
    assert not (untested / ".codebudget").exists()


def test_temporary_names_cannot_be_foreseen(codebudget, untested: Path, precious: Path) -> None:
    for name in ("small.jsonl_ranked.jsonl.partial", ".small.jsonl_ranked.jsonl.partial"):
        (untested / name).symlink_to(precious)
    ranked = codebudget("rank", "small.jsonl", "--benchmark", "untested.jsonl", "--ranker", "first", *PROCESS)
    assert ranked.returncode == 0, ranked.stderr
    assert precious.read_text() == "precious"


def test_results_are_not_put_behind_a_link_that_a_pattern_met(codebudget, tiny: Path, precious: Path) -> None:
    (precious.parent / "small.jsonl").write_text((tiny / "small.jsonl").read_text())
    (precious.parent / "small.jsonl_results.jsonl").write_text("mine")
    (tiny / "theirs").mkdir()
    (tiny / "theirs" / "deep").symlink_to(precious.parent)
    refused = codebudget("execute", "theirs/*/small.jsonl", *TINY, *PROCESS)
    assert refused.returncode == 2
    assert "through a link that you did not type" in refused.stderr
    assert (precious.parent / "small.jsonl_results.jsonl").read_text() == "mine"
    assert codebudget("execute", "theirs/deep/small.jsonl", *TINY, *PROCESS).returncode == 0


@pytest.mark.parametrize("option", ["--out", "--plot"])
def test_typed_outputs_are_refused_before_any_work(codebudget, tiny: Path, precious: Path, option: str) -> None:
    name = "c.json" if option == "--out" else "c.svg"
    (tiny / name).symlink_to(precious)
    result = codebudget("curve", "7b", "--samples", "7b=small.jsonl", option, name, *TINY, *PROCESS)
    assert (result.returncode, result.stdout) == (2, "")
    assert f"with {option}" in said(result)[-1]
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("ending", [".md", ".json", ".html"])
def test_reports_go_through_nothing(compare, tiny: Path, precious: Path, ending: str) -> None:
    (tiny / f"r{ending}").symlink_to(precious)
    result = compare("7b:2", "--samples", "7b=small.jsonl", "--report", f"r{ending}")
    assert (result.returncode, result.stdout) == (2, "")
    assert "with --report" in result.stderr
    assert precious.read_text() == "precious"


def test_samples_go_through_nothing(sample, tiny: Path, precious: Path, server) -> None:
    for name in ("s.jsonl", "s.parquet"):
        (tiny / name).symlink_to(precious)
        assert "with --out" in sample("7b:1", "--out", name).stderr
    (tiny / "t.jsonl").symlink_to(precious)
    assert "with --out" in sample("7b:1", "--tests", "--out", "t.jsonl").stderr
    assert server.requests == []
    assert precious.read_text() == "precious"


def test_a_devices_name_stays_a_device(codebudget, untested: Path) -> None:
    ranked = codebudget(
        *("rank", "small.jsonl", "--benchmark", "untested.jsonl", "--ranker", "first", "--out", "/dev/stdout"), *PROCESS
    )
    assert ranked.returncode == 0, ranked.stderr
    *rows, last = ranked.stdout.splitlines()
    assert [json.loads(row)["ranker"] for row in rows] == ["first"] * 9
    assert "are in /dev/stdout" in last


def test_a_calibration_goes_through_nothing(codebudget, tiny: Path, precious: Path) -> None:
    (tiny / "calibration.json").symlink_to(precious)
    result = codebudget("calibrate", "7b@fp32")
    assert result.returncode == 2
    assert "calibration.json is a symbolic link" in result.stderr


@pytest.mark.parametrize("name", [".codebudget", ".codebudget/store.sqlite", ".codebudget/store.sqlite-wal"])
def test_a_store_is_not_reached_through_a_link(codebudget, tiny: Path, precious: Path, name: str) -> None:
    (tiny / name).parent.mkdir(exist_ok=True)
    (tiny / name).symlink_to(precious.parent if name == ".codebudget" else precious)
    result = codebudget("execute", "small.jsonl", *TINY, *PROCESS)
    assert (result.returncode, result.stdout) == (2, "")
    assert "--store" in said(result)[-1]
    assert precious.read_text() == "precious"
    assert os.listdir(precious.parent) == ["precious"]


def test_a_store_with_two_names_is_not_written_to(codebudget, tiny: Path, precious: Path) -> None:
    (tiny / ".codebudget").mkdir()
    precious.write_bytes(b"")
    os.link(precious, tiny / ".codebudget" / "store.sqlite")
    assert "hard links" in codebudget("execute", "small.jsonl", *TINY, *PROCESS).stderr
    assert precious.read_bytes() == b""


def edit(folder: Path, statement: str) -> None:
    with sqlite3.connect(folder / ".codebudget" / "store.sqlite") as connection:
        connection.execute(statement)
    connection.close()


def test_forged_verdicts_are_made_again_and_said(codebudget, tiny: Path, tmp_path: Path) -> None:
    def execute(user: str) -> tuple[dict[str, Any], list[str]]:
        result = codebudget(
            "execute", "small.jsonl", *TINY, *PROCESS, "--json", XDG_STATE_HOME=str(tmp_path / "users" / user)
        )
        return last_json(result), said(result)

    honest, lines = execute("stranger")
    assert honest["passed"] == 3
    assert lines == []
    edit(tiny, """UPDATE verdicts SET value = replace(value, '"wrong"', '"passed"')""")
    for user in ("me", "stranger"):
        found, lines = execute(user)
        assert found["statuses"] == honest["statuses"]
        (line,) = lines
        assert ".codebudget/store.sqlite contains verdicts" in line
        assert "they are recomputed" in line
        assert execute(user)[1] == []


def test_samples_of_another_are_used_only_where_the_store_is_named(sample, tiny: Path, server) -> None:
    first = last_json(sample("7b:2", "--json", "--out", "a.jsonl"))
    drawn = len(server.requests)
    me = {"XDG_STATE_HOME": str(tiny / "me")}
    for arguments in (["7b:3"], ["7b:2"]):
        refused = sample(*arguments, **me)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "give --store .codebudget/store.sqlite to use them" in said(refused)[-1]
    assert len(server.requests) == drawn
    named = sample("7b:2", "--json", "--out", "b.jsonl", "--store", ".codebudget/store.sqlite", **me)
    assert last_json(named)["arms"][0]["samples"] == first["arms"][0]["samples"]
    assert sum("they are used, since you chose the store" in line for line in said(named)) == 1
    assert (tiny / "a.jsonl").read_text() == (tiny / "b.jsonl").read_text()
    assert len(server.requests) == drawn


def test_a_forged_description_chooses_no_samples(sample, tiny: Path, server) -> None:
    last_json(sample("7b:1", "--json"))
    edit(tiny, "UPDATE records SET value = replace(value, 'unknown', 'forged') WHERE kind = 'description'")
    found = sample("7b:1", "--json")
    assert last_json(found)["arms"][0]["engine"]["engine_version"] != "forged"
    assert any("they are recomputed" in line for line in said(found))


def test_without_a_home_a_command_works_and_says_what_it_cannot_keep(codebudget, tiny: Path, tmp_path: Path) -> None:
    away = {"HOME": "/proc/nowhere", "XDG_STATE_HOME": ""}
    first = codebudget("execute", "small.jsonl", *TINY, *PROCESS, "--json", **away)
    assert last_json(first)["passed"] == 3
    (line,) = said(first)
    assert "set CODEBUDGET_KEY_FILE" in line
    kept = away | {"CODEBUDGET_KEY_FILE": str(tmp_path / "key")}
    again = codebudget("execute", "small.jsonl", *TINY, *PROCESS, **kept)
    assert ["they are recomputed" in line for line in said(again)] == [True]
    assert said(codebudget("execute", "small.jsonl", *TINY, *PROCESS, **kept)) == []


def test_runs_and_archives_go_through_nothing(codebudget, tiny: Path, precious: Path) -> None:
    (tiny / "run").mkdir()
    for name in files.NAMES:
        (tiny / "run" / name).write_text(name)
    assert codebudget("leaderboard", "pack", "run", "--out", "kept.tar.gz").returncode == 0
    (tiny / "board.toml").write_text(
        'schema_version = 1\nname = "b"\narms = ["7b:1"]\n'
        '[[benchmarks]]\nname = "tiny.jsonl"\n[budget]\nmatch = "flops"\n'
    )
    (tiny / "run.tar.gz").symlink_to(precious)
    (tiny / "kept").symlink_to(precious.with_name("new"))
    (tiny / "board-run").symlink_to(precious.with_name("new"))
    for command in (("pack", "run"), ("unpack", "kept.tar.gz"), ("run", "board.toml")):
        result = codebudget("leaderboard", *command)
        assert (result.returncode, result.stdout) == (2, "")
        assert "is a symbolic link" in result.stderr
        assert "--out" in result.stderr
    assert precious.read_text() == "precious"
    assert os.listdir(precious.parent) == ["precious"]
