"""The answers of a study from rows made by hand, whose answers are known."""

import pytest
from codebudget.errors import UserError
from codebudget.experiment.study.answers import answers_of, pareto
from codebudget.experiment.study.board import StudyBoard
from codebudget.experiment.study.result import StudyResult, result_of
from codebudget.experiment.study.rows import StepSeconds, StudyRow
from codebudget.experiment.study.table import Entry, entries_of, sensitivity_of
from codebudget.report.study import markdown_of, study_as_json

TASKS = 160
SAMPLES = 10


def row(
    model: str,
    recipe: str,
    passing: int,
    *,
    size: int,
    bits: float = 16.0,
    perplexity: float = 2.0,
    seed: int | None = None,
    flops: float = 1.0,
    hits: int = SAMPLES,
) -> StudyRow:
    """A row in which the first `passing` of 40 parts of the tasks pass `hits` of their samples and the others none."""
    tasks = [f"t{place}" for place in range(TASKS)]
    return StudyRow(
        key=f"{model} {recipe} {seed}",
        model=model,
        parameters={"small": 100, "large": 400}[model],
        recipe=recipe,
        seed=seed,
        form="unquantised" if recipe == "bf16" else "stored",
        planned_bytes=size,
        tensor_bytes=size,
        file_bytes=size + 100,
        effective_bits=bits,
        perplexity=perplexity,
        text_tokens=1000,
        sample_flops=flops,
        samples=SAMPLES,
        passed={task: hits if place < 4 * passing else 0 for place, task in enumerate(tasks)},
        greedy={task: "same" if place < 4 * passing else recipe for place, task in enumerate(tasks)},
        left_out={},
        seconds=StepSeconds(drawing=2.0),
        device="hand",
    )


SMALL = row("small", "bf16", 10, size=200)
LARGE = row("large", "bf16", 30, size=800, flops=4.0)


def answer(question: str, *rows: StudyRow, memory: tuple[float, ...] = ()) -> object:
    found = {one.question: one for one in answers_of(entries_of(rows, (1,)), memory)}
    return found[question]  # type: ignore[index]


def test_the_larger_model_at_four_bits_beats_the_smaller_at_sixteen() -> None:
    found = answer("scale", SMALL, LARGE, row("large", "w4a16", 30, size=205, bits=4.1, flops=4.0), memory=(100, 250))
    first, second = found.tests
    assert (first.a, first.b, first.difference, first.separated) == ("large at 4 bits", "small@bf16", 0.5, True)
    assert first.sentence.startswith("large at 4 bits beats small@bf16")
    # The small model's samples pass all or none, so that four of them are no better than one.
    assert (second.b, second.difference) == ("small@bf16 with 4 samples", 0.5)
    empty, best, same_flops = found.choices
    assert (empty.label, best.label, best.k, best.score) == (None, "large@w4a16", 1, 0.75)
    assert best.not_separated == ()
    assert same_flops.label == "large@w4a16"


def test_more_samples_of_the_smaller_model_win_at_the_same_flops() -> None:
    small = row("small", "bf16", 40, size=200, hits=4)
    large = row("large", "w4a16", 24, size=205, bits=4.1, flops=4.0)
    found = answer("scale", small, LARGE, large, memory=(250,))
    one, many = found.tests
    assert one.difference == pytest.approx(0.2)
    # 1 - C(6, 4) / C(10, 4)
    assert many.difference == pytest.approx(0.6 - (1 - 15 / 210))
    assert many.separated
    assert found.choices[1].label == "small@bf16"
    assert found.choices[1].k == 4


def test_what_cannot_be_separated_is_said() -> None:
    found = answer("scale", SMALL, LARGE, row("large", "w4a16", 11, size=205, bits=4.1, flops=4.0), memory=(250,))
    assert not found.tests[0].separated
    assert "cannot be separated" in found.tests[0].sentence
    assert found.choices[0].not_separated == ("small@bf16",)


def test_four_bits_that_take_more_bytes_are_no_equal_memory() -> None:
    found = answer("scale", SMALL, LARGE, row("large", "w4a16", 40, size=300, bits=4.1, flops=4.0))
    assert found.tests == ()


def test_coarse_groups_with_more_bits_against_fine_ones_with_fewer() -> None:
    coarse = row("large", "w4a16", 30, size=205, bits=4.1)
    fine = row("large", "w3a16-g16", 10, size=203, bits=4.0)
    beyond = row("large", "w2a16-g16", 0, size=150, bits=3.0)
    found = answer("granularity", LARGE, fine, coarse, beyond)
    (one,) = found.tests
    assert (one.a, one.b, one.difference, one.separated) == ("large@w4a16", "large@w3a16-g16", 0.5, True)


def test_methods_over_seeds_and_what_an_added_bit_gives_back() -> None:
    rows = [
        LARGE,
        row("large", "w4a16", 20, size=205, bits=4.0, perplexity=3.0),
        *(
            row("large", "w4a16-gptq", passing, size=205, bits=4.0, perplexity=2.5, seed=seed)
            for seed, passing in enumerate((28, 30, 32))
        ),
        row("large", "w4a16-lorc8", 24, size=220, bits=4.5, perplexity=2.8),
    ]
    gptq, lorc = answer("method", *rows).tests
    assert (gptq.a, gptq.b, gptq.separated) == ("gptq at 4 bits", "rtn at 4 bits", True)
    assert gptq.difference == pytest.approx(0.25)
    assert gptq.notes["seeds"] == 3
    assert gptq.notes["least_over_seeds"] == pytest.approx(0.2)
    assert gptq.notes["most_over_seeds"] == pytest.approx(0.3)
    assert lorc.notes["added_bits"] == pytest.approx(0.5)
    assert lorc.notes["pass_at_1_per_bit"] == pytest.approx(0.2)
    assert lorc.notes["perplexity_per_bit"] == pytest.approx(0.4)


def test_weights_against_activations_and_classes() -> None:
    rows = [
        LARGE,
        row("large", "w8a16", 30, size=410, bits=8.1, perplexity=2.1),
        row("large", "w16a8", 10, size=800, perplexity=2.3),
        row("large", "w2a16", 0, size=110, bits=2.1, perplexity=90.0),
    ]
    found = answer("sensitivity", *rows)
    (one,) = found.tests
    assert (one.a, one.b, one.difference) == ("weights at 8 bits", "activations at 8 bits", 0.5)
    assert found.classes == {
        "class-1": ("large@w8a16",),
        "class-2": ("large@w16a8",),
        "class-3": ("large@w2a16",),
    }


@pytest.mark.parametrize(("increase", "name"), [(-1, "class-1"), (0.1, "class-1"), (0.3, "class-2"), (0.51, "class-3")])
def test_classes_by_increase(increase: float, name: str) -> None:
    assert sensitivity_of(increase) == name


def test_the_fewest_bytes_that_are_shown_to_be_safe_are_recommended() -> None:
    safe = row("large", "w8a16", 30, size=410, bits=8.1, perplexity=2.1)
    also = row("large", "w4a16-g32", 30, size=230, bits=4.5, perplexity=2.4)
    worse = row("large", "w4a16", 24, size=205, bits=4.1, perplexity=2.4)
    odd = row("large", "w3a16", 30, size=160, bits=3.1, perplexity=2.6)
    (advice,) = answer("recommendation", LARGE, safe, also, worse, odd).advice
    assert advice.label == "large@w4a16-g32"
    (kept,) = answer("recommendation", LARGE, worse, odd).advice
    assert kept.label == "large@bf16"
    assert "keep 16 bits" in kept.sentence


def test_the_table_has_agreement_recovery_and_the_mean_over_seeds() -> None:
    some = [row("large", "w4a16-gptq", passing, size=205, bits=4.0, seed=seed) for seed, passing in enumerate((15, 21))]
    base, gptq = entries_of([LARGE, *some], (1, 2))
    assert base.line.agreement.value == 1
    assert base.line.recovery_percent.value == 100
    # The outputs that pass are the same.
    assert gptq.line.agreement.value == pytest.approx((15 + 21) / 2 / 40)
    assert gptq.line.pass_at[1].value == pytest.approx(18 / 40)
    assert gptq.line.recovery_percent.value == pytest.approx(60)
    assert gptq.line.recovery_percent.low < 60 < gptq.line.recovery_percent.high  # type: ignore[operator]
    assert [one.pass_at_1 for one in gptq.line.seeds] == [15 / 40, 21 / 40]


def test_only_tasks_that_all_rows_have_are_scored() -> None:
    lacking = SMALL.model_copy(update={"passed": {"t0": SAMPLES, "t39": 0}})
    entries = entries_of([lacking, row("small", "w4a16", 1, size=60, bits=4.0)], (1,))
    assert [one.line.pass_at[1].value for one in entries] == [0.5, 0.5]
    with pytest.raises(UserError, match="no graded task in common"):
        entries_of([SMALL.model_copy(update={"passed": {}})], (1,))
    with pytest.raises(UserError, match="no unquantised row"):
        entries_of([row("small", "w4a16", 1, size=60)], (1,))


def test_the_front_has_what_nothing_smaller_beats() -> None:
    rows = [SMALL, LARGE, row("small", "w4a16", 10, size=60), row("small", "w2a16", 2, size=40)]
    entries: list[Entry] = entries_of(rows, (1,))
    assert pareto(entries, 1) == ["small@w2a16", "small@w4a16", "large@bf16"]


def made() -> StudyResult:
    board = StudyBoard(schema_version=1, name="*hand* | made", models=["small"], recipes=["w4a16"], samples=SAMPLES)
    return result_of(board, [SMALL, row("small", "w4a16", 10, size=60, bits=4.1)], {})


def test_json_has_five_answers_with_sentences() -> None:
    found = study_as_json(made())
    assert [one["question"] for one in found["answers"]] == [
        *("scale", "granularity", "method", "sensitivity", "recommendation"),
    ]
    assert found["complete"] is True
    assert found["answers"][4]["advice"][0]["label"] == "small@w4a16"


def test_markdown_has_a_table_and_escapes_names() -> None:
    text = markdown_of(made())
    assert text.startswith("## \\*hand\\* \\| made\n")
    assert "| `small` | `w4a16` | 60 | 4.10 |" in text
    assert "### Recommendation" in text
