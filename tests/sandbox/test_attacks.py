"""Every program under sandbox/attacks/ on every launcher that works here, and the invariants after each.

The same code is what `codebudget sandbox check` runs.
"""

import os
import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from codebudget.sandbox import Job
from codebudget.sandbox.box import Box, Launcher
from codebudget.sandbox.conformance import Attack, Examiner, conformance, corpus, corpus_digest
from codebudget.sandbox.conformance.corpus import Expectation
from codebudget.sandbox.launchers.plugins import not_promised
from codebudget.sandbox.launchers.process import ProcessLauncher

ATTACKS = Path(__file__).resolve().parents[2] / "sandbox" / "attacks"
BY_NAME = {attack.name: attack for attack in corpus()}
WRONG = "def solve(numbers):\n    return list(numbers)\n"


@pytest.fixture(scope="module")
def examiner(launcher: Launcher) -> Iterator[Examiner]:
    with Examiner(launcher) as one:
        yield one


@pytest.mark.parametrize("name", BY_NAME)
def test_attack(examiner: Examiner, name: str) -> None:
    result = examiner.examine(BY_NAME[name])
    assert result.outcome != "FAILED", result.detail
    assert "passed" not in result.got or name.startswith("benign/")
    if result.outcome == "not promised" and result.detail.endswith("so it was not run"):
        pytest.skip(result.detail)


UNITTEST = [name for name, one in BY_NAME.items() if one.expects.style == "unittest"]


@pytest.mark.parametrize("name", UNITTEST)
def test_what_sharing_a_process_cannot_hold_is_known(examiner: Examiner, name: str) -> None:
    one = BY_NAME[name]
    if one.expects.harmful and one.expects.needs & not_promised(examiner.launcher):
        pytest.skip("it would harm the host")
    (check,) = examiner.sandbox.check([one.task()])
    assert (check.ok, check.integrity) == (True, "split")
    shared = check.model_copy(update={"integrity": "shared"})
    ((_, verdict),) = examiner.sandbox.grade([Job(one.task(), shared, one.program)])
    assert verdict.status in one.expects.in_one_process, verdict.detail
    assert verdict.integrity == "shared"


def silent(step: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def attack(program: str, group: str = "verdict", **expects: object) -> Attack:
    fields = {"does": "A test.", "statuses": ("wrong",), **expects}
    return Attack(f"{group}/made_up", program, Expectation.model_validate(fields))


@pytest.fixture(scope="module")
def weak() -> Iterator[Examiner]:
    launcher = ProcessLauncher()
    launcher.prepare()
    with Examiner(launcher) as one:
        yield one


def test_a_pass_of_what_is_no_honest_program_is_a_failure_whatever_is_promised(weak: Examiner) -> None:
    right = "def solve(numbers):\n    return sorted(set(numbers))\n"
    for needs in ([], ["network"]):
        result = weak.examine(attack(right, statuses=("passed",), needs=needs))
        assert result.outcome == "FAILED"
        assert result.detail.startswith("A FORGED PASS")


def test_another_status_than_expected_is_a_failure(weak: Examiner) -> None:
    assert weak.examine(attack(WRONG)).outcome == "ok"
    assert weak.examine(attack(WRONG, statuses=("crashed",))).outcome == "FAILED"
    assert weak.examine(attack(WRONG, group="benign", statuses=("passed",))).outcome == "FAILED"


def test_what_the_machine_delayed_is_tried_again_and_what_is_always_slow_fails(weak: Examiner) -> None:
    waits = "import time\ndef solve(numbers):\n    while time.time() < {}:\n        pass\n    return list(numbers)\n"
    assert weak.examine(attack(waits.format(time.time() + 1.5))).got == ("wrong",)
    endless = weak.examine(attack(waits.format("1e99")))
    assert (endless.outcome, endless.got) == ("FAILED", ("timeout",))


def test_getting_out_is_a_failure_only_where_it_is_promised_that_nothing_does(weak: Examiner) -> None:
    caller = "import socket\ndef solve(numbers):\n    socket.socket(socket.AF_UNIX).connect('\\0@ABSTRACT@')\n"
    quiet = caller + "    return list(numbers)\n"
    held = weak.examine(attack(quiet))
    assert (held.outcome, "abstract UNIX" in held.detail) == ("FAILED", True)
    excused = weak.examine(attack(quiet, needs=["network"]))
    assert (excused.outcome, excused.detail) == ("not promised", "not promised: network")
    escaped = weak.examine(attack("def solve(numbers):\n    raise RuntimeError('ESCAPED')\n", statuses=("crashed",)))
    assert escaped.outcome == "FAILED"


def test_what_would_harm_the_host_is_not_run(weak: Examiner) -> None:
    result = weak.examine(attack(WRONG, needs=["network"], harmful=True))
    assert (result.outcome, result.got) == ("not promised", ())


class Overstating(ProcessLauncher):
    """Promises what it does not hold."""

    not_promised = frozenset()


def test_a_launcher_that_promises_too_much_is_found_out() -> None:
    promising, honest = Overstating(), ProcessLauncher()
    reads = "def solve(numbers):\n    raise RuntimeError(f'ESCAPED: {open(\"@PACKAGE@/records.py\").read()[:9]}')\n"
    chosen = [attack(reads, group="isolation", needs=["host files"]), BY_NAME["verdict/always_equal"]]
    report = conformance(promising, silent, chosen)
    assert not report.holds
    assert [result.name for result in report.results if result.outcome == "FAILED"] == ["isolation/made_up"]
    excused = conformance(honest, silent, chosen)
    assert excused.holds
    assert excused.count("not promised") == 1
    assert excused.result_hash != report.result_hash


def test_the_hash_is_the_same_twice_and_changes_with_what_was_found() -> None:
    launcher = ProcessLauncher()
    chosen = [BY_NAME["verdict/always_equal"], BY_NAME["verdict/frame_walk"]]
    one, two = conformance(launcher, silent, chosen), conformance(launcher, silent, chosen[::-1])
    assert re.fullmatch("[0-9a-f]{64}", one.result_hash)
    assert one.result_hash == two.result_hash
    assert one.wall_s != two.wall_s
    assert one.model_copy(update={"corpus": "another"}).result_hash != one.result_hash
    assert one.model_copy(update={"environment": "another"}).result_hash != one.result_hash
    assert one.model_copy(update={"results": one.results[:-1]}).result_hash != one.result_hash
    slower = one.results[-1].model_copy(update={"wall_s": 9.0})
    assert one.model_copy(update={"results": (*one.results[:-1], slower)}).result_hash == one.result_hash
    failed = one.results[-1].model_copy(update={"outcome": "FAILED"})
    assert one.model_copy(update={"results": (*one.results[:-1], failed)}).result_hash != one.result_hash


class Fickle(ProcessLauncher):
    """Says something else each time, and leaves a box running."""

    def __init__(self) -> None:
        self.asked = 0
        self.boxes: list[Box] = []

    def environment(self) -> str:
        self.asked += 1
        return f"fickle {self.asked}"

    def prepare(self) -> None:
        self.boxes.append(self.launch())


def test_a_launcher_that_breaks_its_contract_is_not_attacked() -> None:
    launcher = Fickle()
    try:
        report = conformance(launcher, silent, [BY_NAME["verdict/always_equal"]])
    finally:
        for box in launcher.boxes:
            box.close()
    failed = {result.name for result in report.results if result.outcome == "FAILED"}
    assert failed == {"launcher/has_one_environment", "launcher/leaves_nothing"}
    assert not any(result.group == "verdict" for result in report.results)


def test_the_host_is_as_it_was_after_an_examination() -> None:
    before = dict(os.environ), set(Path("/tmp").glob("codebudget-*"))
    with Examiner(ProcessLauncher()) as one:
        assert os.environ["HF_TOKEN"] != before[0].get("HF_TOKEN")
        one.examine(BY_NAME["verdict/always_equal"])
    assert (dict(os.environ), set(Path("/tmp").glob("codebudget-*")) - before[1]) == (before[0], set())


def test_the_corpus_is_what_lies_in_the_folders() -> None:
    folders = {str(path.parent.relative_to(ATTACKS)) for path in ATTACKS.glob("*/*/attack.py")}
    assert set(BY_NAME) == folders
    assert re.fullmatch("[0-9a-f]{64}", corpus_digest())
    for name, one in BY_NAME.items():
        assert one.expects.does.endswith("."), name
        assert one.benign is (one.expects.statuses == ("passed",)), name


def test_the_list_of_attacks_names_every_folder_and_every_attack_of_the_reference() -> None:
    text = (ATTACKS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/]+)` \| ([^|]+) \|", text, re.MULTILINE)
    assert {name for name, _ in rows} == set(BY_NAME)
    assert len(rows) == len(BY_NAME)
    listed = {mark.strip() for _, marks in rows for mark in marks.split(",")}
    groups = {"A": 24, "B": 15, "C": 11, "D": 34}
    wanted = {f"{letter}{number}" for letter, last in groups.items() for number in range(1, last + 1)}
    assert wanted <= listed
    assert listed - wanted == {"own", "control"}
    assert sum(marks.strip() == "own" for _, marks in rows) >= 20


def test_the_list_says_what_sharing_a_process_cannot_hold() -> None:
    text = (ATTACKS / "README.md").read_text(encoding="utf-8")
    said = {}
    for row in ("a forged pass", "held"):
        (names,) = re.findall(rf"^\| {row} \| (.*) \|$", text, re.MULTILINE)
        said[row] = {f"unittest/{name}" for name in re.findall(r"`(\w+)`", names)}
    attacks = {name for name in UNITTEST if not BY_NAME[name].benign}
    forged = {name for name in attacks if "passed" in BY_NAME[name].expects.in_one_process}
    assert said == {"a forged pass": forged, "held": attacks - forged}


def test_expectations_are_toml_without_anything_else() -> None:
    for path in ATTACKS.glob("*/*/expect.toml"):
        assert tomllib.loads(path.read_text(encoding="utf-8")).keys() <= Expectation.model_fields.keys()
