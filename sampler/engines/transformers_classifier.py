"""A classifier's outputs by transformers, on the GPU if there is one."""

from __future__ import annotations

import gc
import importlib
from typing import TYPE_CHECKING, Any, Final

from ..._util.bars import hidden_bars
from ...errors import EngineError, UserError
from .libraries import error_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .classifier import Parts

_ROWS: Final = 16


class TransformersOutputs:
    """Implements `classifier.Outputs`.

    Raises:
        UserError: The checkpoint lacks weights.
        EngineError: It cannot be loaded.
    """

    longest: int | None = None

    def __init__(self, parts: Parts) -> None:
        self._torch: Any = importlib.import_module("torch")
        self._name, self._tokenizer = parts.name, parts.tokenizer
        self._device = "cuda" if self._torch.cuda.is_available() else "cpu"
        self._network = self._load(parts)
        # Without a token that fills up, texts are read one by one.
        self.rows = _ROWS if self._pads(parts.pad_id) else 1

    def logits(self, texts: Sequence[Mapping[str, list[int]]]) -> list[list[float]]:
        """See `classifier.Outputs.logits`."""
        try:
            if len(texts) > 1:
                batch = self._tokenizer.pad([dict(text) for text in texts], return_tensors="pt")
            else:
                batch = {name: self._torch.tensor([ids]) for name, ids in texts[0].items()}
            with self._torch.inference_mode():
                found = self._network(**{name: ids.to(self._device) for name, ids in batch.items()}).logits.float()
        except (RuntimeError, ValueError, IndexError) as error:
            raise EngineError(f"transformers failed with {self._name}: {error_line(error)}") from error
        rows: list[list[float]] = found.tolist()
        return rows

    def close(self) -> None:
        """Free the model's memory."""
        self._network = None
        gc.collect()
        if self._device == "cuda":
            self._torch.cuda.empty_cache()

    def _load(self, parts: Parts) -> Any:
        transformers: Any = importlib.import_module("transformers")
        dtype = "auto" if self._device == "cuda" else self._torch.float32
        try:
            with hidden_bars():
                network, found = transformers.AutoModelForSequenceClassification.from_pretrained(
                    parts.checkpoint.source,
                    dtype=dtype,
                    output_loading_info=True,
                    revision=parts.checkpoint.commit or "main",
                    trust_remote_code=False,
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
        return network

    def _pads(self, pad_id: int | None) -> bool:
        """Agree with the tokenizer on a token that fills up."""
        if pad_id is None:
            return False
        self._network.config.pad_token_id = pad_id
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.convert_ids_to_tokens(pad_id)
        return bool(self._tokenizer.pad_token_id == pad_id)
