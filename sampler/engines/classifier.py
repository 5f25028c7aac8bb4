"""A checkpoint that classifies sequences, as a reward model."""

from __future__ import annotations

import importlib
import math
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ..._util.bars import hidden_bars
from ...budgets.architecture import Architecture
from ...budgets.flops import forward_flops
from ...errors import EngineError, UserError
from ...records import Reward
from .checkpoint import Checkpoint, find_checkpoint
from .libraries import error_line, import_engine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FULL_ATTENTION: Final = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert"})
"""Encoders in which each token attends to all, and every linear layer but the head works on every token."""


class Parts(NamedTuple):
    """A checkpoint as every engine is handed it: transformers' config and tokenizer, and the model without weights."""

    name: str
    checkpoint: Checkpoint
    config: Any
    tokenizer: Any
    outline: Any

    @property
    def pad_id(self) -> int | None:
        """The token that fills up: the model's own, or else the tokenizer's."""
        found = self.config.pad_token_id
        pad: int | None = self.tokenizer.pad_token_id if found is None else found
        return pad


class Outputs(Protocol):
    """A network that gives each text's outputs, before any activation.

    Attributes:
        rows: How many texts it takes at once.
        longest: The most tokens of a text that it takes; None where it sets no bound of its own.
    """

    rows: int
    longest: int | None

    def logits(self, texts: Sequence[Mapping[str, list[int]]]) -> list[list[float]]:
        """Compute the outputs of tokenized texts.

        Raises:
            EngineError: It failed.
        """
        ...

    def close(self) -> None:
        """Free its memory."""
        ...


class Classifier:
    """A model that classifies sequences, and its tokenizer.

    Args:
        model: A folder with weights and a tokenizer, or a hub id. Code that comes with it is not run.
        engine: What runs it: `transformers` or `vllm`.

    Raises:
        UserError: There is no such model, or it has no trained head that classifies.
        EngineError: The engine is missing, or the model cannot be loaded.
    """

    def __init__(self, model: str, engine: str = "transformers") -> None:
        import_engine("transformers")
        self._name = model
        self._parts = _parts(model)
        self._outputs = _started(self._parts, engine)
        self._architecture = _architecture(self._parts.config)
        linear: Any = importlib.import_module("torch").nn.Linear
        self._linear_weights = sum(
            module.weight.numel()
            for name, module in self._parts.outline.base_model.named_modules()
            # The pooler is part of the head: it works on one token.
            if isinstance(module, linear) and not name.startswith("pooler")
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
        for start in range(0, len(order), self._outputs.rows):
            some = order[start : start + self._outputs.rows]
            since = time.perf_counter()
            rows = self._outputs.logits([encoded[at] for at in some])
            took = time.perf_counter() - since
            tokens = sum(lengths[at] for at in some)
            for at, row in zip(some, rows, strict=True):
                value = self._value(row, place)
                rewards[at] = Reward(value, self._flops(lengths[at]), took * lengths[at] / tokens)
        return [rewards[at] for at in range(len(encoded))]

    def close(self) -> None:
        """Free the model's memory."""
        self._outputs.close()

    def _place(self, label: str) -> int | None:
        """Find the output of a class; None where the only one is the reward itself."""
        names = {int(place): str(name) for place, name in self._parts.config.id2label.items()}
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
        tokenizer = self._parts.tokenizer
        try:
            if getattr(tokenizer, "chat_template", None):
                turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
                text = tokenizer.apply_chat_template(turns, tokenize=False)
                found = tokenizer(text, add_special_tokens=False)
            else:
                found = tokenizer(prompt.rstrip("\n") + "\n", answer)
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
        longest = self._parts.tokenizer.model_max_length
        known = (
            self._outputs.longest,
            getattr(self._parts.config.get_text_config(), "max_position_embeddings", None),
            # Of a tokenizer that knows none it is an absurd number.
            longest if longest < 10**9 else None,
        )
        return min((limit for limit in known if limit is not None), default=None)

    def _value(self, outputs: Sequence[float], place: int | None) -> float:
        if not all(map(math.isfinite, outputs)):
            raise EngineError(f"{self._name} gives a reward that is no number")
        if place is None:
            return outputs[0]
        most = max(outputs)
        return outputs[place] - most - math.log(math.fsum(math.exp(one - most) for one in outputs))

    def _flops(self, tokens: int) -> float | None:
        """Count one pass over some tokens; the head, which works on one, is next to nothing."""
        if self._architecture is not None:
            return float(forward_flops(self._architecture, tokens, logit_positions=0))
        config = self._parts.config
        if config.model_type not in _FULL_ATTENTION:
            return None
        # Scores of all pairs of tokens, and values weighed by them: a multiply-add of the width for each.
        return float(2 * tokens * self._linear_weights + 4 * config.num_hidden_layers * config.hidden_size * tokens**2)


def _parts(model: str) -> Parts:
    torch: Any = importlib.import_module("torch")
    transformers: Any = importlib.import_module("transformers")
    checkpoint = find_checkpoint(model)
    # What a folder says of code of its own is not followed.
    chosen: dict[str, Any] = {"revision": checkpoint.commit or "main", "trust_remote_code": False}
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    try:
        with hidden_bars():
            config = transformers.AutoConfig.from_pretrained(checkpoint.source, **chosen)
            tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint.source, **chosen)
            with torch.device("meta"):
                outline = transformers.AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise EngineError(f"transformers cannot load {model} as a reward model: {error_line(error)}") from None
    return Parts(model, checkpoint, config, tokenizer, outline)


def _started(parts: Parts, engine: str) -> Outputs:
    # Each imports its own library.
    if engine == "vllm":
        from .vllm_classifier import VllmOutputs

        return VllmOutputs(parts)
    from .transformers_classifier import TransformersOutputs

    return TransformersOutputs(parts)


def _architecture(config: Any) -> Architecture | None:
    try:
        return Architecture.from_config(config.to_dict())
    except UserError:
        return None
