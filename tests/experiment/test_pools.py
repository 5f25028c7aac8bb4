from codebudget.experiment.pools import CandidatesByTask, pool_common_strata
from codebudget.records import Candidate


def drawn(*strata: str | None, task_id: str = "t") -> CandidatesByTask:
    return {
        task_id: [
            Candidate(task_id=task_id, arm="a", index=index, raw="", program="", stratum=stratum)
            for index, stratum in enumerate(strata)
        ]
    }


def kept(candidates: CandidatesByTask) -> list[str | None]:
    return [candidate.stratum for rows in candidates.values() for candidate in rows]


def test_without_strata_nothing_changes() -> None:
    arms = [drawn(None, None), drawn(None)]
    assert pool_common_strata(["a", "b"], arms) == (arms, [])


def test_the_same_strata_are_kept_without_a_word() -> None:
    arms = [drawn("long", "short"), drawn("short", "long", "long")]
    assert pool_common_strata(["a", "b"], arms) == (arms, [])


def test_arms_are_compared_on_what_all_have_and_it_is_said() -> None:
    arms = [drawn("long", "short", "chat"), drawn("short", "long"), drawn("long", "terse", "short")]
    common, warnings = pool_common_strata(["30b:1", "13b:1", "7b:1"], arms)
    assert [set(kept(arm)) for arm in common] == [{"long", "short"}] * 3
    assert warnings == [
        "30b:1: left out chat, which some arms lack",
        "7b:1: left out terse, which some arms lack",
    ]


def test_with_none_in_common_all_are_pooled_with_a_warning() -> None:
    arms = [drawn("long", "short"), drawn(None, None)]
    pooled, (warning,) = pool_common_strata(["30b:1", "7b:1"], arms)
    assert pooled == arms
    assert "30b:1: long, short; 7b:1: one file" in warning


def test_a_task_that_only_a_dropped_stratum_has_keeps_no_sample() -> None:
    first = drawn("long") | drawn("chat", task_id="u")
    (left, _), _ = pool_common_strata(["a", "b"], [first, drawn("long")])
    assert [len(rows) for rows in left.values()] == [1, 0]
