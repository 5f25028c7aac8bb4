"""A model's name and a recipe to a checkpoint: finds the weights, the texts and the interpreter that can make it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .._util.bounded import parse_json, read_whole
from .._util.checkpoints import read_record
from .._util.hashing import key_of
from .._util.machine import has_gpu_driver
from .._util.outputs import check_output_folder
from .._util.progress import Progress, silent
from ..budgets.mixed import PREFIX, load_mixed, split_mixed
from ..budgets.models import find_model, weights_of
from ..budgets.recipe import is_recipe
from ..compression.calibration import Calibration, of_texts
from ..compression.compressor import INSTALL, is_installed, needs_calibration
from ..compression.quantise import Made, Source, check_recipe, find_made, key_of_checkpoint
from ..compression.quantise import quantise as make
from ..compression.recipes import parse_recipe
from ..compression.sparse import key_of_sparse, sparsify
from ..errors import MachineError, UserError
from ..sampler.engine import Draw, Sampling
from ..sampler.engines import pick_engine
from ..sampler.engines.checkpoint import DTYPES, find_checkpoint
from ..sampler.engines.vllm_engine import ONLINE
from ..settings import RECORDED
from .planning import load_tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..budgets.mixed import MixedRecipe
    from ..compression.recipes import Recipe
    from ..settings import Running

CHECKPOINTS: Final = Path(".codebudget") / "checkpoints"
"""Where checkpoints lie unless a folder is named."""

_OWN_TOKENS: Final = 256
"""Tokens that a model adds to each prompt where it is to draw the texts for calibration."""
_MOST_TEXT_BYTES: Final = 1 << 28


def quantise(
    model: str,
    recipe: str,
    running: Running,
    *,
    calibration: str = "prompts",
    out: str | None = None,
    progress: Progress = silent,
) -> Made:
    """Make a checkpoint, or find the one that was made of the same before.

    Args:
        model: A name of the family or catalogue, a hub id, or a folder.
        recipe: See `parse_recipe`; or `recipe:FILE.toml` for a mixed one.
        running: The family, whose benchmark has the prompts, the seed, and the interpreter.
        calibration: Texts for methods that look at some: `prompts`, `self`, or a file.
        out: The checkpoint's folder; None for one of its own below `.codebudget/checkpoints`.
        progress: Told how far it is.

    Raises:
        UserError: The model or the recipe is unknown, they do not fit, the folder has something else in it, or there
            is too little text.
        MachineError: The weights or llm-compressor are missing, it failed, or the disk is full.
    """
    family, mixed = running.family, None
    if recipe.startswith(PREFIX):
        mixed = load_mixed(Path(recipe.removeprefix(PREFIX)))
        if mixed.recipe is None:
            return _pruned(model, mixed, running, calibration, out, progress)
    parsed = parse_recipe(recipe if mixed is None or mixed.recipe is None else mixed.recipe)
    components = None if mixed is None else mixed.components
    source = source_of(model, family)
    check_recipe(source, parsed)
    texts = calibration_of(calibration, source, family, running.seed) if needs_calibration(parsed) else None
    folder = place_of(source, parsed, texts, components) if out is None else Path(out)
    if out is not None:
        check_output_folder(folder)
    found = find_made(folder, key_of_checkpoint(source, parsed, texts, components))
    if found is not None:
        return found
    if out is None:
        folder.parent.mkdir(parents=True, exist_ok=True)
    typed_recipe = parsed.key if components is None else recipe
    command = ["quantise", model, typed_recipe, "--family", family]
    if texts is not None:
        command += ["--calibration", calibration, "--seed", str(running.seed)]
    if running.compress_python is not None:
        return _made_elsewhere(running.compress_python, [*command, "--out", str(folder)], folder)
    if not is_installed():
        typed = shlex.join(command if out is None else [*command, "--out", out])
        raise MachineError(
            f"{parsed.key} of {source.name} has to be made first, and llm-compressor, which makes it, is not installed "
            f"here: in an environment of its own {INSTALL}, then codebudget {typed} --compress-python "
            "ENVIRONMENT/bin/python"
        )
    return make(source, parsed, texts, folder, progress, components)


def _pruned(
    model: str, mixed: MixedRecipe, running: Running, calibration: str, out: str | None, progress: Progress
) -> Made:
    """Make a checkpoint with the zeros of a mixed recipe, or find it; needs no llm-compressor."""
    source = source_of(model, running.family)
    texts = calibration_of(calibration, source, running.family, running.seed) if mixed.pruning == "wanda" else None
    key = key_of_sparse(source, mixed, texts)
    folder = CHECKPOINTS / f"{_folder_name(source)}-{mixed.pruning}-{key[:12]}" if out is None else Path(out)
    if out is None:
        folder.parent.mkdir(parents=True, exist_ok=True)
    else:
        check_output_folder(folder)
    return sparsify(source, mixed, texts, folder, progress)


def checkpoint_of_arm(model: str, precision: str, running: Running, progress: Progress = silent) -> Made:
    """Make the checkpoint that an arm's model at a recipe, or under a mixed one, is drawn from, or find it.

    Raises:
        UserError: As `quantise`.
        MachineError: As `quantise`.
    """
    original, file = split_mixed(model)
    return quantise(original, precision if file is None else f"{PREFIX}{file}", running, progress=progress)


def makes_checkpoint(model: str, weights: str, precision: str, engine: str) -> bool:
    """Whether an arm's model is under a recipe whose checkpoint an engine needs, since its weights are the original's.

    Raises:
        UserError: The weights cannot be used.
        MachineError: No engine is there, or the weights are not.
    """
    if engine in (RECORDED, "openai"):
        return False
    if split_mixed(model)[1] is not None:
        return True
    if precision in DTYPES or not is_recipe(precision):
        return False
    if pick_engine(engine).name == "vllm" and precision in ONLINE and has_gpu_driver():
        return False
    return find_checkpoint(weights).quantisation is None


def source_of(name: str, family: str) -> Source:
    """Find a model that can be quantised.

    Raises:
        UserError: It is unknown, or quantised already.
        MachineError: Its weights are not here and cannot be fetched.
    """
    model = find_model(name, family)
    checkpoint = find_checkpoint(weights_of(model))
    if checkpoint.quantisation is not None:
        raise UserError(
            f"{model.name} is quantised already ({checkpoint.quantisation.method}): give the model that it was made of"
        )
    return Source(model.name, checkpoint.source, checkpoint.revision, checkpoint.commit, model.architecture)


def place_of(
    source: Source, recipe: Recipe, calibration: Calibration | None, components: tuple[str, ...] | None = None
) -> Path:
    """Name the folder in which a checkpoint lies by default: by model, recipe and key."""
    key = key_of_checkpoint(source, recipe, calibration, components)
    part = "" if components is None else "-mixed"
    return CHECKPOINTS / f"{_folder_name(source)}-{recipe.key}{part}-{key[:12]}"


def _folder_name(source: Source) -> str:
    return re.sub(r"[^\w.-]+", "-", source.name.rstrip("/").rpartition("/")[2])


def calibration_of(named: str, source: Source, family: str, seed: int) -> Calibration:
    """Find the texts to calibrate with.

    Args:
        named: `prompts`, `self`, or a file: of text, or JSON Lines with a field `text`.
        source: The model, which draws its own texts for `self`.
        family: Whose benchmark has the prompts.
        seed: Of their order and of what is drawn.

    Raises:
        UserError: The file cannot be read, or a row has no text.
        MachineError: The benchmark or an engine is out of reach.
    """
    if named not in ("prompts", "self"):
        return of_texts("file", named, read_texts(Path(named)), seed)
    benchmark = load_tasks(None, family)
    prompts = [task.prompt for task in benchmark.tasks]
    if named == "prompts":
        return of_texts("prompts", f"the prompts of {benchmark.name}", prompts, seed)
    # Drawn texts differ between machines, so that their key is how they are drawn.
    key = key_of("self", seed, _OWN_TOKENS, *prompts)
    return Calibration("self", key, seed, f"what {source.name} draws", lambda: _drawn(source, prompts, seed))


def read_texts(file: Path) -> Sequence[str]:
    """Read a file of text as one, or JSON Lines with a field `text`.

    Raises:
        UserError: It cannot be read, or a row has no text.
    """
    text = read_whole(file, _MOST_TEXT_BYTES)
    if not file.name.removesuffix(".gz").endswith(".jsonl"):
        return [text]
    texts = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            row = parse_json(line.encode(), f"{file}:{number}")
            if not isinstance(row, dict) or not isinstance(row.get("text"), str):
                raise UserError(f'{file}:{number}: a row for calibration needs a field "text" that is a string')
            texts.append(row["text"])
    return texts


def _drawn(source: Source, prompts: Sequence[str], seed: int) -> Sequence[str]:
    """Have the model continue prompts at temperature 1, with all of its tokens."""
    from ..sampler.engines import choose_engine

    draws = [Draw(prompt, seed * len(prompts) + place) for place, prompt in enumerate(prompts)]
    sampling = Sampling(temperature=1.0, top_p=1.0, max_tokens=_OWN_TOKENS, logprobs=False)
    with closing(choose_engine("auto", source.weights, "bf16").engine) as engine:
        outcomes = dict(engine.generate(draws, sampling))
    return [prompt + getattr(outcomes.get(place), "text", "") for place, prompt in enumerate(prompts)]


def _made_elsewhere(python: str, command: Sequence[str], folder: Path) -> Made:
    """Have another interpreter run the command, and read what it made."""
    try:
        done = subprocess.run([python, "-m", "codebudget", *command, "--json"], stdout=subprocess.PIPE, check=False)
    except OSError as error:
        raise UserError(f"cannot run {python} ({error.strerror}): name a Python with `compress_python`") from None
    if done.returncode == 130:
        raise KeyboardInterrupt
    if done.returncode == UserError.exit_code:
        raise UserError(f"{python} did not quantise; its message is above")
    if done.returncode != 0:
        raise MachineError(
            f"{python} failed to quantise, see its message above; it needs codebudget and llm-compressor: "
            f"{python} -m {INSTALL}"
        )
    record = read_record(Path(json.loads(done.stdout.splitlines()[-1])["path"]))
    if record is None:
        raise MachineError(f"{python} has made no checkpoint in {folder}: check that its codebudget is of this version")
    return Made(folder, record, found=False)
