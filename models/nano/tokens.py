"""The tokenizer of the nano family: byte-level BPE that never merges across a line break.

    python -m codebudget.models.nano.tokens

retrains it on functions from the generator, and writes `tokenizer/`.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

from ..._util.outputs import write_text
from .programs import draw_function

if TYPE_CHECKING:
    from tokenizers import Tokenizer

VOCABULARY = 1024
END = "<|endoftext|>"
END_ID = 0
TRAINING_FUNCTIONS = 20_000
SEED = 1
CONTEXT_TOKENS = 512

PIECES = r"\n|(?: {4})+| ?[A-Za-z]+| ?[0-9]| ?[^\sA-Za-z0-9]+|\s"
"""Pieces that tokens never cross. A line break stands alone, so that a prompt ending with one is split as in
training; so does indentation; a digit is a token."""


def train_tokenizer() -> Tokenizer:
    """Train it on `TRAINING_FUNCTIONS` functions."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    rng = random.Random(SEED)
    functions = (draw_function(rng) for _ in range(TRAINING_FUNCTIONS))
    tokenizer.train_from_iterator(
        (function.prompt + function.body for function in functions),
        trainers.BpeTrainer(
            vocab_size=VOCABULARY,
            special_tokens=[END],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return tokenizer


def write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the tokenizer as transformers and vLLM read it."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "tokenizer.json", tokenizer.to_str(pretty=True), typed=False)
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": END,
        "clean_up_tokenization_spaces": False,
        "model_max_length": CONTEXT_TOKENS,
    }
    write_text(folder / "tokenizer_config.json", json.dumps(config, indent=2) + "\n", typed=False)


if __name__ == "__main__":
    write_tokenizer(train_tokenizer(), Path(__file__).parent / "tokenizer")
