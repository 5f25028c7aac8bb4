"""The table of a study -> five answers, each with its intervals, paired tests over tasks, and what cannot be separated.

Every answer is a pure function of the table. Groups that a test is over are named by their recipes, never chosen by
their scores, and p-values are adjusted over all tests of one answer (Holm 1979).
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from ..._util.figures import difference
from ..._util.printable import listed
from ...budgets.notation import format_amount
from ...estimators import mean_interval, paired_difference
from ...records import Record
from .paired import LEVEL, Pairing, Side, Test, adjusted_p, average, mean_notes, summary, tested
from .table import CLASS_2, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...budgets.recipe import Recipe
    from ...estimators import FloatArray

EQUAL_BITS: Final = 0.25
"""Effective bits within which two recipes count as equal: less than the step from one group size to the next."""

EQUAL_BYTES: Final = 0.05
"""Share by which the larger model may exceed the smaller one's bytes and still count as equal memory."""

FOUR_BITS: Final = 4
BITS: Final = (8, 4, 3, 2)
MARGIN: Final = 0.05
"""Loss of pass@1 that a recommended recipe must be shown to stay within."""

Question = Literal["scale", "granularity", "method", "sensitivity", "recommendation"]


class Choice(Record):
    """What is best within a memory budget: by one sample, and by as many as the largest fitting model's FLOPs buy."""

    memory_bytes: float
    label: str | None
    k: int
    metric: str
    score: float | None
    low: float | None
    high: float | None
    not_separated: tuple[str, ...]


class Advice(Record):
    """A recommendation for a model; `label` is its unquantised line where no recipe is shown to be safe."""

    model: str
    label: str
    size_bytes: int
    effective_bits: float
    perplexity_increase: float
    loss: float
    loss_low: float
    loss_high: float
    sentence: str


class Answer(Record):
    """One of the five answers."""

    question: Question
    sentence: str
    tests: tuple[Test, ...] = ()
    choices: tuple[Choice, ...] = ()
    advice: tuple[Advice, ...] = ()
    classes: dict[str, tuple[str, ...]] | None = None
    rule: str = ""


def answers_of(entries: Sequence[Entry], memory_bytes: Sequence[float]) -> list[Answer]:
    """Give the five answers.

    Args:
        entries: The table.
        memory_bytes: Budgets for the bytes of tensors; none for those of the unquantised models.
    """
    plain = sorted({float(one.line.size_bytes) for one in entries if one.recipe is None})
    return [
        scale(entries, sorted(memory_bytes) or plain),
        granularity(entries),
        method(entries),
        sensitivity(entries),
        recommendation(entries),
    ]


def scale(entries: Sequence[Entry], budgets: Sequence[float]) -> Answer:
    """Answer whether a larger model at 4 bits beats a smaller one at 16, and what is best at each memory budget.

    Only tensors count as memory. The larger model's side is the mean over all its recipes of 4-bit weights that take
    no more bytes than the smaller model at 16 bits, within `EQUAL_BYTES`. At the same FLOPs, the smaller one has as
    many samples as one of the larger model's costs.
    """
    raw: list[Pairing] = []
    plain = {one.line.model: one for one in entries if one.recipe is None}
    for small in plain.values():
        for large in plain.values():
            if large.line.parameters <= small.line.parameters:
                continue
            most = small.line.size_bytes * (1 + EQUAL_BYTES)
            fitting = [
                one
                for one in entries
                if one.line.model == large.line.model
                and one.recipe is not None
                and one.recipe.weight_bits == FOUR_BITS
                and one.line.size_bytes <= most
            ]
            if not fitting:
                continue
            name = f"{large.line.model} at 4 bits"
            sizes = {
                "a_bytes": float(np.mean([one.line.size_bytes for one in fitting])),
                "b_bytes": float(small.line.size_bytes),
            }
            side = Side(name, _mean_scores(fitting, 1))
            raw.append(Pairing(side, Side(small.line.label, small.scores(1)), "pass@1", len(fitting), sizes))
            k = _affordable(large, small)
            if k > 1:
                many = Side(f"{small.line.label} with {k} samples", small.scores(k))
                raw.append(Pairing(side, many, f"pass@1 against pass@{k}, at the same FLOPs", len(fitting), sizes))
    tests = tested(raw)
    choices = [choice for budget in budgets for choice in _choices(entries, budget)]
    memory = "memory is that of tensors alone, without the key-value cache, which would drown them in small models"
    said = summary(tests, "no larger model fits at 4 bits where a smaller one does at 16")
    return Answer(question="scale", sentence=f"{said}; {memory}", tests=tests, choices=tuple(choices))


def granularity(entries: Sequence[Entry]) -> Answer:
    """Answer whether, at equal effective bits, coarse groups with more bits beat fine groups with fewer."""
    raw = []
    for one, other in combinations([entry for entry in entries if entry.recipe is not None], 2):
        sides = _coarse_and_fine(one, other)
        if sides is not None:
            coarse, fine = sides
            notes = {
                "a_effective_bits": coarse.line.effective_bits,
                "b_effective_bits": fine.line.effective_bits,
                "a_perplexity": coarse.line.perplexity,
                "b_perplexity": fine.line.perplexity,
            }
            a, b = Side(coarse.line.label, coarse.scores(1)), Side(fine.line.label, fine.scores(1))
            raw.append(Pairing(a, b, "pass@1", 1, notes))
    if len(raw) > 1:
        coarse_all = Side("coarse groups with more bits", average([one.a.scores for one in raw]))
        fine_all = Side("fine groups with fewer bits", average([one.b.scores for one in raw]))
        raw.insert(0, Pairing(coarse_all, fine_all, "pass@1", len(raw), mean_notes(raw)))
    tests = tested(raw)
    absent = f"no two recipes of one model and method are within {EQUAL_BITS} effective bits at other groups and bits"
    return Answer(question="granularity", sentence=tests[0].sentence if tests else absent, tests=tests)


def method(entries: Sequence[Entry]) -> Answer:
    """Answer whether other methods beat rounding to nearest at each number of bits, and what LoRC gives back.

    A side is the mean over all models and schemes that both methods have. The notes of LoRC's tests say how many
    effective bits it adds, and what an added bit gives back of pass@1 and of perplexity.
    """
    raw: list[Pairing] = []
    quantised = [entry for entry in entries if entry.recipe is not None]
    by_key = {(one.line.model, one.line.recipe): one for one in quantised}
    for bits in BITS:
        methods: dict[str, list[tuple[Entry, Entry]]] = {}
        lorc: list[tuple[Entry, Entry]] = []
        for one in quantised:
            recipe = one.recipe
            if recipe is None or recipe.weight_bits != bits or recipe.format is not None:
                continue
            if recipe.method != "rtn":
                plain = by_key.get((one.line.model, recipe.model_copy(update={"method": "rtn"}).key))
                if plain is not None:
                    methods.setdefault(recipe.method, []).append((one, plain))
            if recipe.lorc_rank:
                plain = by_key.get((one.line.model, recipe.model_copy(update={"lorc_rank": 0}).key))
                if plain is not None:
                    lorc.append((one, plain))
        for name, pairs in methods.items():
            raw.append(_of_pairs(pairs, f"{name} at {bits} bits", f"rtn at {bits} bits", _seed_spread(pairs)))
        if lorc:
            raw.append(_of_pairs(lorc, f"LoRC at {bits} bits", f"no LoRC at {bits} bits", _gain_per_bit(lorc)))
    tests = tested(raw)
    return Answer(
        question="method", sentence=summary(tests, "no recipe is there by rtn and another method"), tests=tests
    )


def sensitivity(entries: Sequence[Entry]) -> Answer:
    """Answer whether weights or activations suffer more at the same bits, and sort recipes by perplexity's increase."""
    raw: list[Pairing] = []
    for bits in range(8, 1, -1):
        pairs = []
        for one in entries:
            recipe = one.recipe
            if recipe is None or (recipe.weight_bits, recipe.activation_bits, recipe.lorc_rank) != (bits, 16, 0):
                continue
            if recipe.method != "rtn" or recipe.group is not None or recipe.format is not None or not recipe.symmetric:
                continue
            other = next((entry for entry in entries if _only_activations(entry, one.line.model, bits)), None)
            if other is not None:
                pairs.append((one, other))
        if pairs:
            raw.append(_of_pairs(pairs, f"weights at {bits} bits", f"activations at {bits} bits", {}))
    tests = tested(raw)
    classes: dict[str, list[str]] = {"class-1": [], "class-2": [], "class-3": []}
    for one in entries:
        if one.recipe is not None:
            classes[one.line.sensitivity].append(one.line.label)
    counts = ", ".join(f"{len(labels)} in {name}" for name, labels in classes.items())
    said = summary(tests, "no bits are there for weights alone and for activations alone")
    return Answer(
        question="sensitivity",
        sentence=f"{said}; recipes by perplexity's increase: {counts}",
        tests=tests,
        classes={name: tuple(labels) for name, labels in classes.items()},
        rule="perplexity rises by at most 0.1 in class-1, by at most 0.5 in class-2, by more in class-3",
    )


def recommendation(entries: Sequence[Entry]) -> Answer:
    """Recommend a recipe per model: the fewest bytes that are shown to be safe."""
    rule = (
        f"the fewest tensor bytes among recipes whose perplexity rises by at most {CLASS_2} and whose pass@1 is, by "
        f"the 95 % interval of the paired difference, at most {MARGIN} below the unquantised model's"
    )
    found = []
    for base in sorted((one for one in entries if one.recipe is None), key=lambda one: one.line.parameters):
        safe = []
        for one in entries:
            if one.line.model != base.line.model or one.recipe is None:
                continue
            loss = paired_difference(one.scores(1), base.scores(1))
            if one.line.sensitivity != "class-3" and loss.low >= -MARGIN:
                safe.append((one.line.size_bytes, one.line.perplexity, one, loss))
        if not safe:
            sentence = f"{base.line.model}: keep 16 bits; no recipe of the study is shown to be safe"
            found.append(_advice(base, (0.0, 0.0, 0.0), sentence))
            continue
        one, loss = min(safe, key=lambda item: item[:2])[2:]
        sentence = (
            f"{base.line.model}: {one.line.recipe}, {one.line.effective_bits:.2f} effective bits, "
            f"{one.line.size_bytes / base.line.size_bytes:.0%} of the bytes of 16 bits; perplexity "
            f"{one.line.perplexity_increase:+.3f}, pass@1 {difference(loss.difference, loss.low, loss.high)}"
        )
        found.append(_advice(one, (-loss.difference, -loss.high, -loss.low), sentence))
    return Answer(
        question="recommendation",
        sentence="; ".join(one.sentence for one in found) or "there is no unquantised model to compare with",
        advice=tuple(found),
        rule=rule,
    )


def pareto(entries: Sequence[Entry], k: int) -> list[str]:
    """List the labels that no line of fewer or equal bytes beats in pass@k, by ascending bytes."""
    best, front = -math.inf, []
    for one in sorted(entries, key=lambda entry: (entry.line.size_bytes, -_value(entry, k))):
        if _value(one, k) > best:
            best = _value(one, k)
            front.append(one.line.label)
    return front


def _value(entry: Entry, k: int) -> float:
    return float(entry.scores(k).mean())


def _choices(entries: Sequence[Entry], budget: float) -> Iterable[Choice]:
    fitting = [one for one in entries if one.line.size_bytes <= budget]
    if not fitting:
        yield Choice(
            memory_bytes=budget, label=None, k=1, metric="pass@1", score=None, low=None, high=None, not_separated=()
        )
        return
    yield _best(fitting, dict.fromkeys((one.line.label for one in fitting), 1), budget, "pass@1")
    known = [one for one in fitting if one.line.sample_flops]
    if len(known) == len(fitting):
        dearest = max(fitting, key=lambda one: one.line.sample_flops or 0.0)
        ks = {one.line.label: _affordable(dearest, one) for one in fitting}
        yield _best(fitting, ks, budget, "pass@k at the same FLOPs")


def _best(fitting: Sequence[Entry], ks: dict[str, int], budget: float, metric: str) -> Choice:
    scores = {one.line.label: one.scores(ks[one.line.label]) for one in fitting}
    # Equal scores: the fewest bytes.
    best = min(fitting, key=lambda one: (-float(scores[one.line.label].mean()), one.line.size_bytes)).line.label
    others = [label for label in scores if label != best]
    adjusted = adjusted_p([paired_difference(scores[best], scores[label]).p_value for label in others])
    value = mean_interval(scores[best])
    return Choice(
        memory_bytes=budget,
        label=best,
        k=ks[best],
        metric=metric,
        score=value.value,
        low=value.low,
        high=value.high,
        not_separated=tuple(label for label, p in zip(others, adjusted, strict=True) if p >= LEVEL),
    )


def _affordable(large: Entry, small: Entry) -> int:
    """Count the small model's samples that one of the large model's costs, at most those drawn."""
    most, own = large.line.sample_flops, small.line.sample_flops
    # Rounded first: equal costs may differ in their last digits.
    return 1 if not most or not own else max(1, min(small.samples, math.floor(round(most / own, 6))))


def _coarse_and_fine(one: Entry, other: Entry) -> tuple[Entry, Entry] | None:
    a, b = one.recipe, other.recipe
    if a is None or b is None or one.line.model != other.line.model or a.format or b.format:
        return None
    if _beside_grid(a) != _beside_grid(b) or abs(one.line.effective_bits - other.line.effective_bits) > EQUAL_BITS:
        return None
    if a.weight_bits < b.weight_bits:
        one, other, a, b = other, one, b, a
    coarser = (a.group or math.inf) > (b.group or math.inf)
    return (one, other) if a.weight_bits > b.weight_bits and coarser else None


def _beside_grid(recipe: Recipe) -> tuple[object, ...]:
    return recipe.method, recipe.activation_bits, recipe.lorc_rank


def _only_activations(entry: Entry, model: str, bits: int) -> bool:
    recipe = entry.recipe
    if recipe is None or entry.line.model != model or recipe.method != "rtn":
        return False
    return (recipe.weight_bits, recipe.activation_bits) == (16, bits)


def _of_pairs(pairs: Sequence[tuple[Entry, Entry]], a: str, b: str, notes: dict[str, float]) -> Pairing:
    perplexities = {
        "a_perplexity_increase": float(np.mean([one.line.perplexity_increase for one, _ in pairs])),
        "b_perplexity_increase": float(np.mean([other.line.perplexity_increase for _, other in pairs])),
    }
    first = Side(a, _mean_scores([one for one, _ in pairs], 1))
    second = Side(b, _mean_scores([other for _, other in pairs], 1))
    return Pairing(first, second, "pass@1", len(pairs), {**perplexities, **notes})


def _seed_spread(pairs: Sequence[tuple[Entry, Entry]]) -> dict[str, float]:
    """Give the smallest and the largest difference of pass@1 that a calibration seed gave, on average over pairs."""
    seeds = sorted({one.seed for first, _ in pairs for one in first.line.seeds if one.seed is not None})
    by_seed = []
    for seed in seeds:
        values = [
            found.pass_at_1 - float(other.scores(1).mean())
            for first, other in pairs
            for found in first.line.seeds
            if found.seed == seed
        ]
        by_seed.append(float(np.mean(values)))
    if not by_seed:
        return {}
    return {"seeds": float(len(seeds)), "least_over_seeds": min(by_seed), "most_over_seeds": max(by_seed)}


def _gain_per_bit(pairs: Sequence[tuple[Entry, Entry]]) -> dict[str, float]:
    added = float(np.mean([one.line.effective_bits - other.line.effective_bits for one, other in pairs]))
    scores = float(np.mean([one.scores(1).mean() - other.scores(1).mean() for one, other in pairs]))
    lost = float(np.mean([other.line.perplexity - one.line.perplexity for one, other in pairs]))
    return {"added_bits": added, "pass_at_1_per_bit": scores / added, "perplexity_per_bit": lost / added}


def _mean_scores(entries: Sequence[Entry], k: int) -> FloatArray:
    return average([one.scores(k) for one in entries])


def _advice(one: Entry, loss: tuple[float, float, float], sentence: str) -> Advice:
    line = one.line
    return Advice(
        model=line.model,
        label=line.label,
        size_bytes=line.size_bytes,
        effective_bits=line.effective_bits,
        perplexity_increase=line.perplexity_increase,
        loss=loss[0],
        loss_low=loss[1],
        loss_high=loss[2],
        sentence=sentence,
    )


def describe_choice(choice: Choice) -> str:
    """Say a choice in a sentence."""
    budget = format_amount("memory", choice.memory_bytes)
    if choice.label is None or choice.score is None:
        return f"{budget}: nothing fits"
    samples = "1 sample" if choice.k == 1 else f"{choice.k} samples"
    rest = f"; cannot be separated from it: {listed(choice.not_separated, 4)}" if choice.not_separated else ""
    return (
        f"{budget}: {choice.label} with {samples}, {choice.metric} {choice.score:.3f} "
        f"[{choice.low or 0:.3f}, {choice.high or 0:.3f}]{rest}"
    )
