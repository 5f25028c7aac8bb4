"""Tokens of compressed arms in a run: rows there and back, and rows that do not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from codebudget.compression.divergence import Along, BaseTokens
from codebudget.errors import UserError
from codebudget.experiment.compressed import ComparedTokens
from codebudget.experiment.planning import plan
from codebudget.leaderboard.results import PlannedBenchmark
from codebudget.leaderboard.rows import TokenRow, parse_row
from codebudget.leaderboard.run import compressions_of
from codebudget.settings import Planning
from codebudget.tasks import load_benchmark

if TYPE_CHECKING:
    from codebudget.records import Compression

TASKS = load_benchmark("nano").first(3)
PLANNED = plan(["250k@w4a16:1"], Planning(), family="nano", benchmark=TASKS)
BENCHMARK = PlannedBenchmark("nano", TASKS, PLANNED, PLANNED.plans)
SPEC = "250k@w4a16:1"
TOKENS = ComparedTokens(
    BaseTokens(
        prompt_tokens=(5, 6, 7),
        ids=((1, 2, 3), (4, 5, 6), (7, 8, 9)),
        floor=Along(differing=((), (), ((2, 1),)), mean_logprobs=(-0.1, -0.2, -0.3)),
        vocabulary="key",
    ),
    Along(differing=((), ((0, 9), (2, 9)), ((1, 3),)), mean_logprobs=(-0.5, -0.6, -0.7)),
)


def rows() -> list[TokenRow]:
    return TokenRow.all_of("nano", SPEC, TASKS.tasks, TOKENS)


def computed(given: list[TokenRow]) -> dict[str, Compression]:
    return compressions_of(BENCHMARK, given, seed=0)


def test_metrics_follow_from_rows_as_written() -> None:
    written = [parse_row(row.model_dump_json().encode(), TokenRow) for row in rows()]
    found = computed(written)[SPEC]
    assert found == TOKENS.compression(PLANNED.plans[0])
    assert found.divergence.fdt.mean == pytest.approx((3 + 0 + 1) / 3)
    assert found.divergence.sdt.mean == pytest.approx(1)
    assert found.divergence.never.mean == pytest.approx(1 / 3)
    assert found.floor.fdt.mean == pytest.approx((3 + 3 + 2) / 3)
    assert found.flops is not None
    assert computed([]) == {}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda given: given[:2],
        lambda given: [given[1], given[0], given[2]],
        lambda given: [given[0], given[1], given[2].model_copy(update={"base_ids": (7, 8)})],
        lambda given: [given[0].model_copy(update={"differing": ((3, 1),)}), *given[1:]],
        lambda given: [given[0].model_copy(update={"differing": ((0, 1),)}), *given[1:]],
    ],
)
def test_rows_that_do_not_fit_together_are_refused(spoil: object) -> None:
    with pytest.raises(UserError, match=r"one row per task|no token can differ"):
        computed(spoil(rows()))  # type: ignore[operator]
