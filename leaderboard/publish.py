"""A run -> what the Hugging Face hub shows of it: evaluation results per model, and a dataset with the run's files.

The results' format is that of `.eval_results/*.yaml` in a model's repository:
https://huggingface.co/docs/hub/eval-results (read in 2026-11).
"""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._util.outputs import check_output_folder, replacing_folder
from .._util.printable import one_line
from ..budgets.models import catalogue_model, looks_like_hub_id
from ..errors import MachineError, UserError
from . import files
from .manifest import Manifest, run_id_of
from .reading import RunFolder
from .results_file import Results

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .manifest import ModelPart
    from .results_file import ArmScores, BenchmarkScores

MODELS: Final = "models"
DATASET: Final = "dataset"
RESULTS_FOLDER: Final = ".eval_results"
_MARK: Final = "published.json"

HUB_DATASETS: Final[Mapping[str, str]] = {
    "humaneval": "openai/openai_humaneval",
    "humaneval+": "evalplus/humanevalplus",
    "mbpp": "google-research-datasets/mbpp",
    "mbpp+": "evalplus/mbppplus",
    "apps-introductory": "codeparrot/apps",
    "apps-interview": "codeparrot/apps",
    "apps-competition": "codeparrot/apps",
    "livecodebench": "livecodebench/code_generation_lite",
    "codecontests": "deepmind/code_contests",
    "bigcodebench": "bigcode/bigcodebench",
    "bigcodebench-hard": "bigcode/bigcodebench-hard",
}
"""Where the hub has the benchmarks that codebudget knows by name."""

_TASK: Final = "default"


class HubTask(NamedTuple):
    """A benchmark of the hub: a dataset's id, and the task in its `eval.yaml`."""

    dataset: str
    task: str = _TASK


class Published(NamedTuple):
    """What was written.

    Attributes:
        folder: Where it is.
        results: Files of results, by the model's id on the hub, relative to the folder.
        left_out: Why other arms have none.
    """

    folder: Path
    results: dict[str, list[str]]
    left_out: tuple[str, ...]


def parse_hub_tasks(typed: Sequence[str]) -> dict[str, HubTask]:
    """Read `BENCHMARK=OWNER/DATASET[:TASK]`.

    Raises:
        UserError: One is not of that form.
    """
    found = {}
    for text in typed:
        name, _, place = text.partition("=")
        dataset, _, task = place.partition(":")
        if not name or not looks_like_hub_id(dataset) or (task and not re.fullmatch(r"[\w.+-]+", task)):
            raise UserError(f"`hub_tasks` {text}: write BENCHMARK=OWNER/DATASET or BENCHMARK=OWNER/DATASET:TASK")
        found[name] = HubTask(dataset, task or _TASK)
    return found


def write_published(
    run: Path, out: Path, *, dataset: str | None = None, hub_tasks: Mapping[str, HubTask] | None = None, typed: bool
) -> Published:
    """Write a run's results as the hub reads them, and its files as a dataset.

    Args:
        run: The run directory; every file must have the hash that its manifest names.
        out: The folder to write; an earlier one of this kind is replaced.
        dataset: The dataset's id on the hub, which results then name as their source.
        hub_tasks: Datasets by the names of benchmarks, beside `HUB_DATASETS`.
        typed: The user typed `out`.

    Raises:
        UserError: It is no whole run, or something else is at `out`.
        MachineError: The folder cannot be written.
    """
    if dataset is not None and not looks_like_hub_id(dataset):
        raise UserError(f"`dataset` {dataset}: write OWNER/NAME, as the hub does")
    folder, manifest, results = _read(run)
    if out.exists() and not (out / _MARK).is_file():
        raise UserError(f"{out} exists and is no folder of this kind; choose another with `out` DIR")
    check_output_folder(out, typed=typed)
    tasks = {**{name: HubTask(place) for name, place in HUB_DATASETS.items()}, **(hub_tasks or {})}
    entries, left_out = _entries(folder, manifest, results, tasks, dataset)
    written: dict[str, list[str]] = {}
    with replacing_folder(out, typed=typed) as made:
        for model, name, entry in entries:
            place = f"{MODELS}/{model.replace('/', '--')}/{RESULTS_FOLDER}/{name}"
            (made / place).parent.mkdir(parents=True, exist_ok=True)
            (made / place).write_text(_yaml([entry]))
            written.setdefault(model, []).append(place)
        (made / DATASET).mkdir()
        for name in folder.there():
            with folder.open(name) as source, (made / DATASET / name).open("wb") as copy:
                shutil.copyfileobj(source, copy)
        (made / DATASET / "README.md").write_text(_card(manifest, results, folder))
        (made / _MARK).write_text(json.dumps({"run_id": manifest.run_id, "dataset": dataset, "results": written}))
    return Published(out, written, tuple(left_out))


def push(published: Published, dataset: str) -> list[str]:
    """Upload a written folder: the dataset, and for each model a pull request with its results.

    Args:
        published: What was written.
        dataset: The dataset's id on the hub; made if there is none.

    Returns:
        Addresses of what was uploaded.

    Raises:
        UserError: No token is known.
        MachineError: The hub is out of reach, or refuses.
    """
    from huggingface_hub import HfApi

    check_token()
    api, places = HfApi(), []
    try:
        api.create_repo(dataset, repo_type="dataset", exist_ok=True)
        api.upload_folder(
            repo_id=dataset,
            repo_type="dataset",
            folder_path=published.folder / DATASET,
            commit_message="Add a run of codebudget",
        )
        places.append(f"{api.endpoint}/datasets/{dataset}")
        for model in published.results:
            commit = api.upload_folder(
                repo_id=model,
                folder_path=published.folder / MODELS / model.replace("/", "--"),
                commit_message="Add evaluation results of codebudget",
                # Whose model it is decides.
                create_pr=True,
            )
            places.append(str(commit.pr_url or commit.commit_url))
    except Exception as error:  # The errors of connections are those of whatever client the library uses.
        done = f" ({', '.join(places)} done)" if places else ""
        raise MachineError(f"the hub refused{done}: {type(error).__name__}: {one_line(str(error))}") from None
    return places


def check_token() -> None:
    """Refuse to upload without a token, before anything is written.

    Raises:
        UserError: No token is known.
    """
    from huggingface_hub import get_token

    if get_token() is None:
        raise UserError("`push` needs a token of the hub: set HF_TOKEN, or run hf auth login")


def _read(run: Path) -> tuple[RunFolder, Manifest, Results]:
    """Read a run whose files are those that its manifest names."""
    folder = RunFolder(run)
    lacking = folder.lacking()
    if lacking:
        raise UserError(f"{run} is not a complete run: it lacks {', '.join(lacking)}; make the run again")
    shown = folder.json(files.MANIFEST)
    manifest = shown.model(Manifest)
    changed = [
        name for name in manifest.files if name in folder.lacking() or folder.sha256(name) != manifest.files[name]
    ]
    if manifest.run_id != run_id_of(shown.value) or changed:
        what = ", ".join(changed) or files.MANIFEST
        raise UserError(f"{run}: {what} changed after the run was made; verify it with codebudget leaderboard verify")
    return folder, manifest, folder.model(files.RESULTS, Results)


Entry = tuple[str, str, dict[str, Any]]
"""A model's id on the hub, a file's name, and an entry of results."""


def _entries(
    folder: RunFolder, manifest: Manifest, results: Results, tasks: Mapping[str, HubTask], dataset: str | None
) -> tuple[list[Entry], list[str]]:
    specs = {part.benchmark: part.spec for part in manifest.benchmarks}
    date = folder.json(files.TIMINGS).value.get("started_at")
    found: list[Entry] = []
    left_out = []
    for section in results.benchmarks:
        place = _hub_task(section.benchmark, specs.get(section.benchmark, ""), tasks)
        if place is None:
            left_out.append(
                f"{one_line(section.benchmark)}: no dataset of the hub is known for it; give `hub_tasks` "
                f"{one_line(section.benchmark)}=OWNER/DATASET"
            )
            continue
        for arm in section.arms:
            model = _hub_model(arm.model)
            if model is None:
                left_out.append(f"{one_line(arm.spec)}: {one_line(arm.model)} is no model of the hub")
                continue
            part = next(
                (one for one in manifest.models if (one.benchmark, one.arm) == (section.benchmark, arm.spec)), None
            )
            entry: dict[str, Any] = {
                "dataset": {"id": place.dataset, "task_id": place.task},
                "value": round(100 * pass_at_1(arm), 4),
            }
            if isinstance(date, str):
                entry["date"] = date
            if dataset is not None:
                name = f"codebudget run {manifest.run_id[:10]}"
                entry["source"] = {"url": f"https://huggingface.co/datasets/{dataset}", "name": name}
            entry["notes"] = _notes(section, arm, part, manifest)
            found.append((model, _file_name(section, arm, [name for owner, name, _ in found if owner == model]), entry))
    return found, left_out


def pass_at_1(arm: ArmScores) -> float:
    """Compute an arm's mean pass@1 over the scored tasks from all its samples."""
    shares = [passed / n for passed, n in zip(arm.per_task.passed, arm.per_task.n, strict=True)]
    return sum(shares) / len(shares)


def _hub_task(benchmark: str, spec: str, tasks: Mapping[str, HubTask]) -> HubTask | None:
    if benchmark in tasks:
        return tasks[benchmark]
    name = spec.partition(":")[0]
    return tasks.get(spec) or (
        HubTask(name) if looks_like_hub_id(name) and not name.endswith((".jsonl", ".gz")) else None
    )


def _hub_model(name: str) -> str | None:
    known = catalogue_model(name)
    if known is not None:
        return known.hf_id
    return name if looks_like_hub_id(name) else None


def _notes(section: BenchmarkScores, arm: ArmScores, part: ModelPart | None, manifest: Manifest) -> str:
    """Say what the number is of: readers of a table see nothing else."""
    settings = None if part is None else part.settings
    sampled = "" if settings is None else f", temperature {settings.temperature:g}, top-p {settings.top_p:g}"
    samples = f"{min(arm.per_task.n)} sample{'' if min(arm.per_task.n) == 1 else 's'} per task"
    drawn = "recorded" if part is None or part.engine is None else f"{part.engine} {part.engine_version}"
    parts = (
        "pass@1 in percent",
        f"{len(section.tasks)} of {section.total_tasks} tasks",
        f"{'greedy' if arm.greedy else samples}{sampled}",
        arm.precision,
        drawn,
        f"graded by codebudget {manifest.codebudget.version} in the {manifest.sandbox.launcher} sandbox",
    )
    return one_line("; ".join(parts))


def _file_name(section: BenchmarkScores, arm: ArmScores, taken: Sequence[str]) -> str:
    """Name a file by benchmark and variant: the hub takes one score of a benchmark per file."""
    words = [section.benchmark, arm.precision, *(["greedy"] if arm.greedy else [])]
    base = "-".join(re.sub(r"[^A-Za-z0-9.+]+", "-", word).strip("-.") or "x" for word in words).lower()[:80]
    names = (f"{base}{number}.yaml" for number in ("", *(f"-{count}" for count in range(2, len(taken) + 3))))
    return next(name for name in names if name not in taken)


def _yaml(value: object) -> str:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10_000))


def _card(manifest: Manifest, results: Results, folder: RunFolder) -> str:
    """Write the dataset's card: what the files are, and how to verify them."""
    rows = [name for name in (files.CANDIDATES, files.VERDICTS, files.RANKINGS) if name in folder.there()]
    configs = [{"config_name": name.partition(".")[0], "data_files": name} for name in rows]
    front = _yaml({"pretty_name": one_line(results.name), "tags": ["codebudget", "code"], "configs": configs})
    title = re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", one_line(results.name))
    return f"""---
{front}---

# {title}

A run of codebudget {manifest.codebudget.version}: arms of code models at matched cost, with every candidate, verdict
and ranking. Run id: `{manifest.run_id}`.

`report.md` has the scores, `results.json` the same as data, `manifest.json` what made them. To check every number on a
machine of your own, download the files into a folder and run `codebudget leaderboard verify FOLDER`.
"""
