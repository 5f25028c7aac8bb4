"""Drawing through the store: seeds, keys, resumption and what a kill may cost, with an engine that really draws."""

import os
import random
import resource
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from codebudget.budgets.dollars import TokenPrice
from codebudget.budgets.flops import decode_flops, prefill_flops
from codebudget.budgets.models import find_model
from codebudget.errors import MachineError, UserError
from codebudget.records import Candidate, Task
from codebudget.sampler.drawing import Drawn, DrawRequest, draw_samples
from codebudget.sampler.prompting import Settings, preset_settings
from codebudget.sampler.series import sample_seed, stored_series
from codebudget.sampler.stopping import Meter, parse_stop_after
from codebudget.sampler.store import Store, open_store

Tasks = tuple[Task, ...]
Engines = Callable[..., Any]
SETTINGS = Settings(max_tokens=60)
ARCHITECTURE = find_model("7b").architecture


def asked(k: int, **fields: Any) -> DrawRequest:
    return DrawRequest(spec=f"markov:{k}", model="markov", precision="fp32", k=k, **fields)


def draw(tasks: Tasks, engine: Any, store: Store, k: int, **options: Any) -> Drawn:
    fields = {
        name: options.pop(name) for name in ("greedy", "architecture", "price", "seed", "fresh") if name in options
    }
    return draw_samples(tasks, asked(k, **fields), engine, options.pop("settings", SETTINGS), store, **options)


def raws(candidates: tuple[Candidate, ...]) -> list[tuple[str, int, str]]:
    return [(candidate.task_id, candidate.index, candidate.raw) for candidate in candidates]


def test_every_task_gets_k_samples_in_order(tasks: Tasks, markov: Engines, tmp_path: Path) -> None:
    with open_store(tmp_path / "s") as store:
        drawn = draw(tasks, markov(), store, 3)
    places = [(candidate.task_id, candidate.index) for candidate in drawn.candidates]
    assert places == [(task.id, index) for task in tasks for index in range(3)]
    assert (drawn.new, drawn.missing) == (36, 0)
    for candidate in drawn.candidates:
        task = next(task for task in tasks if task.id == candidate.task_id)
        assert candidate.program.startswith(f"def {task.entry_point}")
        assert candidate.raw
        assert "\ndef" not in candidate.raw
        assert candidate.output_tokens == len(candidate.logprobs or ())
        assert candidate.prompt_tokens == len(task.prompt)
    assert len(set(raws(drawn.candidates))) == 36
    assert len({candidate.raw for candidate in drawn.candidates}) > 12


def test_five_samples_are_the_first_half_of_ten(tasks: Tasks, markov: Engines, tmp_path: Path) -> None:
    engine = markov()
    with open_store(tmp_path / "s") as store, open_store(tmp_path / "other") as other:
        five = draw(tasks, engine, store, 5)
        ten = draw(tasks, engine, store, 10)
        assert (five.new, ten.new, len(engine.drawn)) == (60, 60, 120)
        at_once = draw(tasks, markov(abreast=7), other, 10)
    assert raws(ten.candidates) == raws(at_once.candidates)
    assert [row for row in raws(ten.candidates) if row[1] < 5] == raws(five.candidates)


def test_what_is_there_is_not_drawn_again(tasks: Tasks, markov: Engines, tmp_path: Path) -> None:
    with open_store(tmp_path / "s") as store:
        first = draw(tasks, markov(), store, 2)
        engine = markov()
        again = draw(tasks, engine, store, 2)
        fewer = draw(tasks[:4], engine, store, 1)
        assert engine.drawn == []
        assert again.candidates == first.candidates
        assert fewer.candidates == tuple(c for c in first.candidates if c.index == 0)[:4]
        assert again.series == first.series
        renewed = draw(tasks, engine, store, 2, fresh=True)
        assert len(engine.drawn) == 24
        assert renewed.candidates == first.candidates


def test_whatever_makes_a_sample_is_in_its_key(tasks: Tasks, markov: Engines, tmp_path: Path) -> None:
    engine = markov()
    with open_store(tmp_path / "s") as store:
        first = draw(tasks, engine, store, 2)
        others: list[dict[str, Any]] = [
            {"seed": 1},
            {"settings": SETTINGS.model_copy(update={"temperature": 1.2})},
            {"settings": SETTINGS.model_copy(update={"top_p": 0.5})},
            {"settings": SETTINGS.model_copy(update={"max_tokens": 61})},
            {"settings": SETTINGS.model_copy(update={"style": "chat"})},
            {"settings": SETTINGS.model_copy(update={"style": "few-shot", "shots": 2})},
        ]
        for options in others:
            assert draw(tasks, engine, store, 2, **options).new == 24
        assert draw(tasks, markov(revision="2"), store, 2).new == 24
        changed = [task.model_copy(update={"prompt": task.prompt + "    "}) for task in tasks]
        assert draw(tuple(changed), engine, store, 2).new == 24
        assert draw(tasks, engine, store, 2).new == 0
        assert raws(draw(tasks, engine, store, 2, seed=1).candidates) != raws(first.candidates)
        assert len(list(stored_series(store))) == 8


def test_seeds_differ_by_all_that_they_are_made_of() -> None:
    seeds = {
        sample_seed(run, task, prompt, index)
        for run in (0, 1, None)
        for task in ("a", "b")
        for prompt in ("p", "q")
        for index in range(500)
    }
    assert len(seeds) == 6000
    assert all(0 <= seed < 2**53 for seed in seeds)
    assert max(seeds) > 2**52


def test_a_greedy_arm_is_one_sample_whatever_the_seed(tasks: Tasks, markov: Engines, tmp_path: Path) -> None:
    with open_store(tmp_path / "s") as store:
        greedy = draw(tasks, markov(), store, 1, greedy=True)
        hotter = SETTINGS.model_copy(update={"temperature": 1.5, "top_p": 0.3})
        assert draw(tasks, markov(), store, 1, greedy=True, seed=5, settings=hotter).new == 0
        cold = SETTINGS.model_copy(update={"temperature": 0.0})
        assert draw(tasks, markov(), store, 1, settings=cold).candidates == greedy.candidates
        assert len(greedy.candidates) == len(tasks)
        assert draw(tasks, markov(), store, 1).new == len(tasks)
        with pytest.raises(UserError, match="all 2 samples of a task are the same"):
            draw(tasks, markov(), store, 2, settings=cold)


def test_what_drawing_took_is_counted_over_all_sessions(tasks: Tasks, markov: Engines, tmp_path: Path) -> None:
    with open_store(tmp_path / "s") as store:
        draw(tasks, markov(), store, 2, architecture=ARCHITECTURE)
        tally = draw(tasks, markov(), store, 3, architecture=ARCHITECTURE).series.tally
        (listed,) = stored_series(store)
        candidates = draw(tasks, markov(), store, 3).candidates
    usage = tally.usage
    prompts = sum(len(task.prompt) for task in tasks)
    assert (tally.samples, tally.prompts, tally.sessions) == (36, 24, 2)
    assert usage.prompt_tokens == 2 * prompts
    assert usage.output_tokens == sum(candidate.output_tokens or 0 for candidate in candidates)
    assert usage.prefill_flops == 2 * sum(prefill_flops(ARCHITECTURE, len(task.prompt)) for task in tasks)
    assert usage.decode_flops == sum(
        decode_flops(ARCHITECTURE, candidate.prompt_tokens or 0, candidate.output_tokens or 0)
        for candidate in candidates
    )
    assert usage.wall_s is not None
    assert usage.busy_s is not None
    assert 0 < usage.busy_s <= usage.wall_s
    assert usage.peak_memory_bytes is not None
    assert usage.peak_memory_bytes > 1 << 20
    # The store has it up to the last batch that was written.
    assert listed.tally.samples == tally.samples
    assert listed.tally.usage.output_tokens == usage.output_tokens


def test_without_token_counts_nothing_is_invented(tasks: Tasks, markov: Engines, tmp_path: Path) -> None:
    with open_store(tmp_path / "s") as store:
        usage = draw(tasks, markov(counts=False), store, 1, architecture=ARCHITECTURE).series.tally.usage
        assert (usage.prompt_tokens, usage.output_tokens, usage.decode_flops) == (None, None, None)
        assert usage.wall_s is not None
        with pytest.raises(UserError, match="no token counts"):
            draw(tasks, markov(counts=False), store, 2, meter=Meter(parse_stop_after("5tokens")))


@pytest.mark.parametrize("text", ["300tokens", "1e13flops", "0.00005usd"])
def test_a_run_stops_at_its_limit_and_says_how_far_it_went(
    tasks: Tasks, markov: Engines, tmp_path: Path, text: str
) -> None:
    meter = Meter(parse_stop_after(text))
    options: dict[str, Any] = {
        "architecture": ARCHITECTURE,
        "price": TokenPrice(usd_per_mtok_in=0.1, usd_per_mtok_out=0.1),
    }
    with open_store(tmp_path / "s") as store:
        drawn = draw(tasks, markov(), store, 20, meter=meter, **options)
        stopped = meter.result()
        assert stopped is not None
        assert stopped.reached
        assert 0 < drawn.new < 240
        assert drawn.missing == 240 - drawn.new == 240 - len(drawn.candidates)
        # Less than one sample too far.
        without_last = sum(sorted(c.output_tokens or 0 for c in drawn.candidates)[:-1])
        if text.endswith("tokens"):
            assert without_last <= 300 <= stopped.spent == 300 + stopped.overshoot
        unchanged = draw(tasks, markov(), store, 20, meter=meter, **options)
        assert (unchanged.new, unchanged.candidates) == (0, drawn.candidates)
        rest = draw(tasks, markov(), store, 20)
        assert (rest.new, rest.missing) == (drawn.missing, 0)


def test_seconds_count_from_the_start_of_the_run(tasks: Tasks, markov: Engines, tmp_path: Path) -> None:
    ticks = iter(range(10_000))
    meter = Meter(parse_stop_after("40s"), clock=lambda: float(next(ticks)))
    with open_store(tmp_path / "s") as store:
        drawn = draw(tasks, markov(), store, 20, meter=meter)
    assert 0 < drawn.new < 240
    assert meter.result() is not None


@pytest.mark.parametrize("text", ["60", "s", "-3s", "0tokens", "1e999tokens", "60 parsecs", "3GiB", "nan usd"])
def test_a_limit_that_cannot_be_read_says_how_to_write_one(text: str) -> None:
    with pytest.raises(UserError, match=r"60s|1e6tokens"):
        parse_stop_after(text)


@pytest.mark.parametrize(
    ("text", "kind", "amount"),
    [
        ("60s", "runtime", 60.0),
        ("5min", "runtime", 300.0),
        ("1e15flops", "flops", 1e15),
        ("2 PFLOP", "flops", 2e15),
        ("1e6tokens", "tokens", 1e6),
        ("1 token", "tokens", 1.0),
        ("2usd", "usd", 2.0),
        ("$0.5", "usd", 0.5),
    ],
)
def test_limits_are_read_with_their_units(text: str, kind: str, amount: float) -> None:
    limit = parse_stop_after(text)
    assert (limit.kind, limit.amount) == (kind, amount)


class InterruptedRunError(Exception):
    """Stands for whatever ends a run from outside."""


def test_an_interrupted_run_keeps_all_that_was_finished(tasks: Tasks, markov: Engines, tmp_path: Path) -> None:
    finished = []

    def interrupt(step: str, done: int, total: int) -> None:
        finished.append(done)
        if len(finished) == 17:
            raise InterruptedRunError

    with open_store(tmp_path / "s") as store:
        with pytest.raises(InterruptedRunError):
            draw(tasks, markov(), store, 5, progress=interrupt)
        engine = markov()
        rest = draw(tasks, engine, store, 5)
    assert rest.new == len(engine.drawn) == 60 - 17


def test_a_store_that_cannot_be_written_stops_the_run(tasks: Tasks, markov: Engines, tmp_path: Path) -> None:
    with open_store(tmp_path / "s", busy_s=0.05) as store:
        other = sqlite3.connect(tmp_path / "s", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(MachineError, match="another process is writing"):
            draw(tasks, markov(), store, 40)
        other.execute("ROLLBACK")
        other.close()
        assert draw(tasks, markov(), store, 2).missing == 0


def test_a_full_disk_says_so_and_what_was_written_stays(tasks: Tasks, markov: Engines, tmp_path: Path) -> None:
    path = tmp_path / "s"
    open_store(path).close()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            # A limit on the size of files stands in for a full disk.
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
            with open_store(path) as store:
                draw(tasks, markov(), store, 50)
        except MachineError as error:
            code = 42 if "space" in str(error) else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 42
    with open_store(path) as store:
        rest = draw(tasks, markov(), store, 50)
    assert 0 < rest.new < 600
    assert (rest.missing, rest.series.tally.samples) == (0, 600)


KILLS = 50


def test_fifty_kills_lose_nothing_and_double_nothing(tasks: Tasks, markov: Engines, tmp_path: Path) -> None:
    path = tmp_path / "s"
    open_store(path).close()
    randomness = random.Random(4)
    known: set[tuple[str, int]] = set()
    kills, k = 0, 50
    while kills < KILLS:
        child = os.fork()
        if child == 0:
            try:
                with open_store(path) as store:
                    draw(tasks, markov(abreast=8), store, k)
            finally:
                os._exit(0)
        time.sleep(randomness.uniform(0, 0.1))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        with open_store(path) as store:
            kept = draw(tasks, markov(), store, k, meter=Meter(parse_stop_after("1e-9s")))
        places = {(candidate.task_id, candidate.index) for candidate in kept.candidates}
        assert known <= places
        assert kept.series.tally.samples == len(places) == len(kept.candidates)
        known = places
        if os.WIFSIGNALED(status):
            kills += 1
        else:
            # It was done before the kill came; the same arm with more samples goes on.
            k *= 2
    assert known
    with open_store(path) as store, open_store(tmp_path / "other") as other:
        engine = markov()
        resumed = draw(tasks, engine, store, k)
        assert len(engine.drawn) == k * len(tasks) - len(known)
        assert resumed.candidates == draw(tasks, markov(), other, k).candidates


def test_presets_are_the_papers_where_they_say_so() -> None:
    assert preset_settings("paper", "humaneval") == Settings(temperature=0.8, top_p=0.95, max_tokens=512)
    mbpp = preset_settings("paper", "google-research-datasets/mbpp:sanitized")
    assert (mbpp.style, mbpp.shots, mbpp.max_tokens, mbpp.temperature) == ("few-shot", 3, 256, 0.8)
    with pytest.raises(UserError, match="not for nano"):
        preset_settings("paper", "nano")
    with pytest.raises(UserError, match="unknown preset 'best'"):
        preset_settings("best", "humaneval")
