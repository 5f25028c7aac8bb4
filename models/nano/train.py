"""Train one model of the nano family.

    python -m codebudget.models.nano.train 250k

writes config, weights (bfloat16), tokenizer and `loss.csv` into the model's folder. A run that was ended goes on from
its last checkpoint with `--resume`. `--bf16` computes products in 16 bits: several times as fast on a processor with
instructions for it, and far slower on others. `--compile` needs a C++ compiler. Needs torch and transformers.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from tokenizers import Tokenizer
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from ..._util.outputs import replacing
from .corpus import Batch, batches
from .sizes import BATCH_TOKENS, SIZES, config_of

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parent
EASY_PART = 0.3
WARM_UP = 0.02
DECAY_FROM = 0.5
LOG_STEPS = 20


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description="Train one model of the nano family.")
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("--tokens", type=int, help="tokens to train on, prompts and fill counted")
    parser.add_argument("--out", type=Path, help="the model's folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch-tokens", type=int, default=BATCH_TOKENS)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--bf16", action="store_true", help="compute products in 16 bits; weights stay in 32")
    parser.add_argument("--compile", action="store_true", help="fuse operations by torch.compile")
    parser.add_argument("--checkpoint-s", type=float, default=60.0, help="seconds between checkpoints")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    size = SIZES[arguments.size]
    recipe = Recipe(
        size=arguments.size,
        tokens=arguments.tokens or size.tokens,
        out=arguments.out or HERE / arguments.size,
        seed=arguments.seed,
        device=arguments.device,
        batch_tokens=arguments.batch_tokens,
        learning_rate=arguments.learning_rate or size.learning_rate,
        bf16=arguments.bf16,
        compiled=arguments.compile,
        checkpoint_s=arguments.checkpoint_s,
    )
    trainer = Trainer(recipe)
    trainer.train(resume=arguments.resume)


class Recipe(NamedTuple):
    """Settings of a training run."""

    size: str
    tokens: int
    out: Path
    seed: int
    device: str
    batch_tokens: int
    learning_rate: float
    bf16: bool
    compiled: bool
    checkpoint_s: float


class Trainer:
    """One training run."""

    def __init__(self, recipe: Recipe) -> None:
        size, tokens, out, seed, device, batch_tokens, learning_rate, bf16, compiled, checkpoint_s = recipe
        torch.manual_seed(seed)
        self.tokens, self.out, self.seed, self.device = tokens, out, seed, device
        self.batch_tokens, self.learning_rate, self.checkpoint_s = batch_tokens, learning_rate, checkpoint_s
        with torch.device(device):
            self.model = LlamaForCausalLM(LlamaConfig(**config_of(SIZES[size])))
        # Texts are short: on a CPU the plain product's backward pass is faster than the fused attention's.
        self.model.set_attn_implementation("eager" if device == "cpu" else "sdpa")
        self.bf16 = bf16
        self._loss = torch.compile(self._loss_of, dynamic=True) if compiled else self._loss_of
        named = dict(self.model.named_parameters())
        hidden = [p for name, p in named.items() if p.ndim == 2 and "embed" not in name and "lm_head" not in name]
        others = [p for p in named.values() if all(p is not h for h in hidden)]
        self.optimizers: list[torch.optim.Optimizer] = [
            Muon(hidden, lr=learning_rate, bf16=bf16),
            torch.optim.AdamW(others, lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0),
        ]
        self.step, self.done, self.wall_s, self.cpu_s = 0, 0, 0.0, 0.0
        self.history: list[dict[str, float]] = []

    def train(self, *, resume: bool = False) -> None:
        """Train to the end, with checkpoints on the way, and write the model."""
        self.out.mkdir(parents=True, exist_ok=True)
        checkpoint = self.out / "checkpoint.pt"
        if resume:
            self._load(checkpoint)
        tokenizer = Tokenizer.from_file(str(HERE / "tokenizer" / "tokenizer.json"))
        source = batches(tokenizer, self.seed, self.batch_tokens, int(EASY_PART * self.tokens))
        for _ in range(self.step):
            next(source)
        saved = time.monotonic()
        started, started_cpu = saved - self.wall_s, time.process_time() - self.cpu_s
        losses: list[float] = []
        while self.done < self.tokens:
            losses.append(self._update(next(source)))
            self.wall_s, self.cpu_s = time.monotonic() - started, time.process_time() - started_cpu
            if self.step % LOG_STEPS == 0 or self.done >= self.tokens:
                self._log(sum(losses) / len(losses))
                losses = []
            if time.monotonic() - saved > self.checkpoint_s:
                self._save(checkpoint)
                saved = time.monotonic()
        self._write()
        checkpoint.unlink(missing_ok=True)

    def _rate(self) -> float:
        """Warm up linearly, hold, then fall linearly to zero."""
        part = self.done / self.tokens
        return min(1.0, (part + 1e-4) / WARM_UP, (1 - part) / (1 - DECAY_FROM))

    def _update(self, batch: Batch) -> float:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * self._rate()
        tokens = torch.from_numpy(batch.tokens).to(self.device)
        targets = torch.from_numpy(batch.targets).to(self.device)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
            loss = self._loss(tokens, targets)
        loss.backward()
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.done += batch.tokens.size
        return float(loss.item())

    def _loss_of(self, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        hidden = self.model.model(input_ids=tokens, use_cache=False).last_hidden_state
        scored = targets != -100
        return torch.nn.functional.cross_entropy(self.model.lm_head(hidden[scored]).float(), targets[scored])

    def _log(self, loss: float) -> None:
        row = {
            "step": self.step,
            "tokens": self.done,
            "wall_s": round(self.wall_s, 1),
            "cpu_s": round(self.cpu_s, 1),
            "learning_rate": round(self.learning_rate * self._rate(), 6),
            "loss": round(loss, 4),
        }
        self.history.append(row)
        print(json.dumps(row), flush=True)

    def _save(self, file: Path) -> None:
        state: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "progress": (self.step, self.done, self.wall_s, self.cpu_s),
            "history": self.history,
        }
        with replacing(file, "--out FOLDER", typed=False) as stream:
            torch.save(state, stream)

    def _load(self, file: Path) -> None:
        state = torch.load(file, weights_only=True)
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step, self.done, self.wall_s, self.cpu_s = state["progress"]
        self.history = state["history"]

    def _write(self) -> None:
        rows = io.StringIO()
        writer = csv.DictWriter(rows, fieldnames=list(self.history[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.history)
        self._put("loss.csv", rows.getvalue().encode())
        for file in (HERE / "tokenizer").iterdir():
            self._put(file.name, file.read_bytes())
        # transformers chooses the names it writes to, and writes through whatever is there.
        with tempfile.TemporaryDirectory() as scratch:
            self.model.bfloat16().save_pretrained(scratch)
            settings = GenerationConfig(eos_token_id=0, pad_token_id=0, do_sample=True, temperature=0.8, top_p=0.95)
            settings.save_pretrained(scratch)
            for file in Path(scratch).iterdir():
                self._put(file.name, file.read_bytes())

    def _put(self, name: str, data: bytes) -> None:
        with replacing(self.out / name, "--out FOLDER", typed=False) as stream:
            stream.write(data)


COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 4


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/): momentum made orthogonal, for matrices.

    The update's root mean square is 0.2, as AdamW's is (Liu et al. 2025).
    """

    def __init__(
        self, params: Iterable[torch.nn.Parameter], lr: float, momentum: float = 0.95, *, bf16: bool = False
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})
        self._dtype = torch.bfloat16 if bf16 else torch.float32

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            shapes: dict[tuple[int, ...], list[torch.nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shapes.setdefault(tuple(parameter.shape), []).append(parameter)
            for (rows, columns), parameters in shapes.items():
                updates = []
                for parameter in parameters:
                    gradient: Any = parameter.grad
                    buffer = self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
                    buffer.lerp_(gradient, 1 - group["momentum"])
                    updates.append(gradient.lerp(buffer, group["momentum"]))
                scale = 0.2 * max(rows, columns) ** 0.5
                directions = orthogonal(torch.stack(updates), self._dtype)
                for parameter, direction in zip(parameters, directions, strict=True):
                    parameter.add_(direction, alpha=-group["lr"] * scale)


def orthogonal(matrices: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Move each stacked matrix's singular values near 1, by `STEPS` Newton-Schulz steps in `dtype`."""
    a, b, c = COEFFICIENTS
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    wide = matrices.mT if is_tall else matrices
    x = (wide / (wide.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(dtype)
    for _ in range(STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: torch.Tensor = (x.mT if is_tall else x).to(matrices.dtype)
    return result


if __name__ == "__main__":
    main()
