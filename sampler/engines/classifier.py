"""A checkpoint that classifies sequences, loaded with transformers, as a reward model."""

from __future__ import annotations

import gc
import importlib
import math
import time
from typing import TYPE_CHECKING, Any, Final

from ..._util.bars import hidden_bars
from ...budgets.architecture import Architecture
from ...budgets.flops import forward_flops
from ...errors import EngineError, UserError
from ...records import Reward
from .checkpoint import find_checkpoint
from .libraries import error_line, import_engine

if TYPE_CHECKING:
    from collections.abc import Sequence


_ROWS: Final = 16
_FULL_ATTENTION: Final = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert"})
"""Encoders in which each token attends to all, and every linear layer but the head works on every token."""


class Classifier:
    """A model that classifies sequences, and its tokenizer.

    Args:
        model: A folder with weights and a tokenizer, or a hub id. Code that comes with it is not run.

    Raises:
        UserError: There is no such model, or it has no trained head that classifies.
        EngineError: Torch or transformers is missing, or the model cannot be loaded.
    """

    def __init__(self, model: str) -> None:
        import_engine("transformers")
        self._torch: Any = importlib.import_module("torch")
        self._transformers: Any = importlib.import_module("transformers")
        self._name = model
        self._device = "cuda" if self._torch.cuda.is_available() else "cpu"
        self._network, self._tokenizer = self._load()
        self._pads = self._padding()
        self._architecture = _architecture(self._network.config)
        self._linear_weights = sum(
            module.weight.numel()
            for name, module in self._network.base_model.named_modules()
            # The pooler is part of the head: it works on one token.
            if isinstance(module, self._torch.nn.Linear) and not name.startswith("pooler")
        )

    def rate(self, label: str, answers: Sequence[tuple[str, str]]) -> list[Reward]:
        """Rate each answer to its prompt.

        The reward is the model's only output, or else the log probability of a class. Seconds of a batch are shared by
        tokens.

        Args:
            label: A class by name or number; empty for the only output, or the second of two.
            answers: Prompts with answers.

        Raises:
            UserError: There is no such label, or a prompt with its answer is longer than the model's context.
            EngineError: The model failed.
        """
        place = self._place(label)
        encoded = [self._encoded(prompt, answer) for prompt, answer in answers]
        lengths = [len(one["input_ids"]) for one in encoded]
        order = sorted(range(len(encoded)), key=lambda at: -lengths[at])
        rewards: dict[int, Reward] = {}
        rows = _ROWS if self._pads else 1
        for start in range(0, len(order), rows):
            some = order[start : start + rows]
            since = time.perf_counter()
            values = self._values([encoded[at] for at in some], place)
            took = time.perf_counter() - since
            tokens = sum(lengths[at] for at in some)
            for at, value in zip(some, values, strict=True):
                rewards[at] = Reward(value, self._flops(lengths[at]), took * lengths[at] / tokens)
        return [rewards[at] for at in range(len(encoded))]

    def close(self) -> None:
        """Free the model's memory."""
        self._network = None
        gc.collect()
        if self._device == "cuda":
            self._torch.cuda.empty_cache()

    def _load(self) -> tuple[Any, Any]:
        checkpoint = find_checkpoint(self._name)
        # What a folder says of code of its own is not followed.
        chosen: dict[str, Any] = {"revision": checkpoint.commit or "main", "trust_remote_code": False}
        dtype = "auto" if self._device == "cuda" else self._torch.float32
        self._transformers.utils.logging.set_verbosity_error()
        self._transformers.utils.logging.disable_progress_bar()
        try:
            with hidden_bars():
                tokenizer = self._transformers.AutoTokenizer.from_pretrained(checkpoint.source, **chosen)
                network, found = self._transformers.AutoModelForSequenceClassification.from_pretrained(
                    checkpoint.source, dtype=dtype, output_loading_info=True, **chosen
                )
                network = network.to(self._device).eval()
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            raise EngineError(f"transformers cannot load {self._name} as a reward model: {error_line(error)}") from None
        absent = sorted({str(name) for kind in ("missing_keys", "mismatched_keys") for name in found[kind]})
        if absent:
            raise UserError(
                f"{self._name} is no reward model: it has no trained weights for {', '.join(absent[:3])}, which "
                "transformers would draw at random"
            )
        return network, tokenizer

    def _padding(self) -> bool:
        """Agree on a token that fills up; without one, texts are read one by one."""
        config = self._network.config
        if config.pad_token_id is None:
            config.pad_token_id = self._tokenizer.pad_token_id
        if self._tokenizer.pad_token_id is None and config.pad_token_id is not None:
            self._tokenizer.pad_token = self._tokenizer.convert_ids_to_tokens(config.pad_token_id)
        return config.pad_token_id is not None and config.pad_token_id == self._tokenizer.pad_token_id

    def _place(self, label: str) -> int | None:
        """Find the output of a class; None where the only one is the reward itself."""
        names = {int(place): str(name) for place, name in self._network.config.id2label.items()}
        if not label:
            if len(names) > 2:
                raise UserError(
                    f"{self._name} tells {len(names)} classes apart: say which is the good one with label=NAME, of "
                    f"{', '.join(names.values())}"
                )
            return 1 if len(names) == 2 else None
        found = [place for place, name in names.items() if label in (name, str(place))]
        if not found:
            raise UserError(f"{self._name} has no class {label!r}; it has {', '.join(names.values())}")
        return found[0] if len(names) > 1 else None

    def _encoded(self, prompt: str, answer: str) -> dict[str, list[int]]:
        try:
            if getattr(self._tokenizer, "chat_template", None):
                turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
                text = self._tokenizer.apply_chat_template(turns, tokenize=False)
                found = self._tokenizer(text, add_special_tokens=False)
            else:
                found = self._tokenizer(prompt.rstrip("\n") + "\n", answer)
        except Exception as error:  # a template may raise anything
            raise EngineError(f"{self._name} cannot read a task's prompt with a program: {error_line(error)}") from None
        context = self._context()
        if context is not None and len(found["input_ids"]) > context:
            raise UserError(
                f"a prompt with its program has {len(found['input_ids'])} tokens, and {self._name} reads {context} at "
                "most"
            )
        return dict(found)

    def _context(self) -> int | None:
        known = (
            getattr(self._network.config.get_text_config(), "max_position_embeddings", None),
            # Of a tokenizer that knows none it is an absurd number.
            self._tokenizer.model_max_length if self._tokenizer.model_max_length < 10**9 else None,
        )
        return min((limit for limit in known if limit is not None), default=None)

    def _values(self, some: list[dict[str, list[int]]], place: int | None) -> list[float]:
        try:
            if self._pads:
                batch = self._tokenizer.pad(some, return_tensors="pt")
            else:
                batch = {name: self._torch.tensor([ids]) for name, ids in some[0].items()}
            with self._torch.inference_mode():
                logits = self._network(**{name: ids.to(self._device) for name, ids in batch.items()}).logits.float()
        except (RuntimeError, ValueError, IndexError) as error:
            raise EngineError(f"transformers failed with {self._name}: {error_line(error)}") from error
        outputs = logits[:, 0] if place is None else logits.log_softmax(dim=-1)[:, place]
        values: list[float] = outputs.tolist()
        if not all(map(math.isfinite, values)):
            raise EngineError(f"{self._name} gives a reward that is no number")
        return values

    def _flops(self, tokens: int) -> float | None:
        """Count one pass over some tokens; the head, which works on one, is next to nothing."""
        if self._architecture is not None:
            return float(forward_flops(self._architecture, tokens, logit_positions=0))
        config = self._network.config
        if config.model_type not in _FULL_ATTENTION:
            return None
        # Scores of all pairs of tokens, and values weighed by them: a multiply-add of the width for each.
        return float(2 * tokens * self._linear_weights + 4 * config.num_hidden_layers * config.hidden_size * tokens**2)


def _architecture(config: Any) -> Architecture | None:
    try:
        return Architecture.from_config(config.to_dict())
    except UserError:
        return None
