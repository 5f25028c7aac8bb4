"""pass@k of a nano model on the benchmark `nano`, with transformers and without a sandbox.

    python -m codebudget.models.nano.evaluate models/nano/250k --samples 64

judges a training run in one process; `codebudget compare` grades in the sandbox. Needs torch and transformers.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from ...estimators import pass_at_k
from .tokens import END_ID

if TYPE_CHECKING:
    from types import FrameType

PROBLEMS = Path(__file__).parents[2] / "tasks" / "nano.jsonl"
MAX_TOKENS = 160
TIMEOUT_S = 1


def main() -> None:
    """Read the command line, draw, run and print."""
    parser = argparse.ArgumentParser(description="pass@k of a nano model.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--top-p", type=float, default=0.95)
    parser.add_argument("--rows", type=int, default=256, help="samples drawn at a time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--verbose", action="store_true", help="print the first sample of each task")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    tokenizer = AutoTokenizer.from_pretrained(arguments.folder)
    model = LlamaForCausalLM.from_pretrained(arguments.folder, dtype=torch.float32).to(arguments.device).eval()
    with PROBLEMS.open(encoding="utf-8") as lines:
        tasks = sorted(map(json.loads, lines), key=lambda task: len(task["prompt"]))
    prompts = [task for task in tasks for _ in range(arguments.samples)]
    started, tokens = time.monotonic(), 0
    passed: dict[str, int] = {task["task_id"]: 0 for task in tasks}
    for place in range(0, len(prompts), arguments.rows):
        rows = prompts[place : place + arguments.rows]
        drawn = draw(
            model, tokenizer([task["prompt"] for task in rows])["input_ids"], arguments.temperature, arguments.top_p
        )
        for task, ids in zip(rows, drawn, strict=True):
            tokens += len(ids) + 1
            body = str(tokenizer.decode(ids))
            ok = passes(task, task["prompt"] + body)
            if arguments.verbose and (not passed[task["task_id"]]):
                print(ok, task["prompt"] + body, flush=True)
            passed[task["task_id"]] += ok
    seconds = time.monotonic() - started
    drawn_counts = np.full(len(tasks), arguments.samples)
    result: dict[str, Any] = {
        f"pass@{k}": round(float(pass_at_k(drawn_counts, np.array(list(passed.values())), k).mean()), 4)
        for k in (1, 8, 64)
        if k <= arguments.samples
    }
    result |= {"seconds": round(seconds, 1), "output_tokens": tokens, "tokens_per_s": round(tokens / seconds)}
    print(json.dumps(result))


@torch.inference_mode()
def draw(model: LlamaForCausalLM, prompts: list[list[int]], temperature: float, top_p: float) -> list[list[int]]:
    """Continue each prompt once; temperature 0 is greedy."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[END_ID] * (longest - len(prompt)) + prompt for prompt in prompts], device=model.device)
    settings: dict[str, Any] = (
        {"do_sample": False, "temperature": None, "top_p": None}
        if temperature == 0
        else {"do_sample": True, "temperature": temperature, "top_p": top_p, "top_k": 0}
    )
    output = model.generate(
        ids,
        attention_mask=torch.tensor(
            [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device
        ),
        max_new_tokens=MAX_TOKENS,
        **settings,
    )
    drawn: list[list[int]] = []
    for row in output[:, longest:].tolist():
        drawn.append(row[: row.index(END_ID)] if END_ID in row else row)
    return drawn


def passes(task: dict[str, str], program: str) -> bool:
    """Whether a program passes the tests of a task, run here and now; only for programs of these models."""
    signal.signal(signal.SIGALRM, _end)
    signal.alarm(TIMEOUT_S)
    namespace: dict[str, Any] = {}
    try:
        exec(f"{program}\n{task['test']}\ncheck({task['entry_point']})\n", namespace)
    except Exception:
        return False
    finally:
        signal.alarm(0)
    return True


def _end(signum: int, frame: FrameType | None) -> None:
    raise TimeoutError


if __name__ == "__main__":
    main()
