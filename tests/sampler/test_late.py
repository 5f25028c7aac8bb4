"""An engine that nothing must be drawn from is not started, and one that has changed is noticed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from codebudget.records import Task
from codebudget.sampler.drawing import DrawRequest, draw_samples
from codebudget.sampler.late import LateEngine, StaleDescriptionError, circumstances
from codebudget.sampler.prompting import Settings
from codebudget.sampler.store import open_store

REQUEST = DrawRequest(spec="m:2", model="m", precision="fp32", k=2)


def test_an_engine_starts_only_where_something_is_missing(
    tasks: tuple[Task, ...], markov: Callable[..., Any], tmp_path: Path
) -> None:
    started: list[Any] = []

    def start(revision: str) -> Callable[[], Any]:
        def run() -> Any:
            started.append(markov(revision=revision))
            return started[-1]

        return run

    settings = Settings(max_tokens=20)
    with open_store(tmp_path / "s") as store:
        first = draw_samples(tasks, REQUEST, LateEngine(start("1"), store, "key"), settings, store)
        again = draw_samples(tasks, REQUEST, LateEngine(start("1"), store, "key"), settings, store)
        assert (len(started), again.new) == (1, 0)
        assert again.candidates == first.candidates
        # Elsewhere, or with other packages, nothing is remembered.
        draw_samples(tasks, REQUEST, LateEngine(start("1"), store, "other"), settings, store)
        assert len(started) == 2
        more = REQUEST._replace(k=3)
        changed = LateEngine(start("2"), store, "key")
        with pytest.raises(StaleDescriptionError):
            draw_samples(tasks, more, changed, settings, store)
        assert started[-1].drawn == []
        drawn = draw_samples(tasks, more, changed, settings, store)
        assert drawn.new == 3 * len(tasks)
        assert drawn.series.origin.description.revision == "2"


def test_circumstances_follow_the_models_files(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    key = circumstances("auto", str(model), "bf16")
    assert key == circumstances("auto", str(model), "bf16")
    assert key != circumstances("vllm", str(model), "bf16")
    assert key != circumstances("auto", str(model), "int4")
    (model / "config.json").write_text("{ }")
    assert key != circumstances("auto", str(model), "bf16")
