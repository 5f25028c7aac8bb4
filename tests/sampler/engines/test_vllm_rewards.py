"""Reward models by vLLM: the same rewards as by transformers at the same charge, and no head that was never trained."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from codebudget.errors import CodebudgetError
from codebudget.experiment.rewards import StoredRewarder
from codebudget.sampler.store import open_store

from .conftest import ONE_THREAD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

transformers = pytest.importorskip("transformers", reason="needs transformers")

ENGINES = ("transformers", "vllm")
TOLERANCE = 1e-4
"""Of a log probability in 32 bits, between kernels that add in different orders."""

ANSWERS = [("def f(x):\n", f"def f(x):\n    return {body}\n") for body in ("x", "2 * x", "x if x else -x * x", "[x]")]
SIZES: dict[str, Any] = {
    "vocab_size": 100,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_labels": 2,
    # So that rewards differ by more than the tolerance.
    "initializer_range": 0.5,
}


@pytest.fixture
def rewarder(tmp_path: Path, torch: Any) -> Iterator[StoredRewarder]:
    pytest.importorskip("vllm", reason="needs vllm (pip install 'codebudget[vllm]')")
    os.environ.update(ONE_THREAD)
    transformers.set_seed(0)
    with open_store(tmp_path / "store.sqlite") as store:
        opened = StoredRewarder(store)
        yield opened
        opened.close()


def pairing_tokenizer() -> Any:
    """One token per character, and another type for those of the second text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    symbols = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", *map(chr, range(33, 127))]
    places = {symbol: place for place, symbol in enumerate(symbols)}
    tokenizer = Tokenizer(models.WordLevel(places, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, places[name]) for name in ("[CLS]", "[SEP]")],
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def test_an_encoder_of_pairs_gives_the_same_by_both(rewarder: StoredRewarder, tmp_path: Path) -> None:
    folder = tmp_path / "bert"
    transformers.BertForSequenceClassification(transformers.BertConfig(**SIZES)).save_pretrained(folder)
    pairing_tokenizer().save_pretrained(folder)
    same_by_both(rewarder, folder)


def test_a_decoder_gives_the_same_by_both_where_texts_end_in_what_fills_up(
    rewarder: StoredRewarder, tmp_path: Path
) -> None:
    folder = tmp_path / "llama"
    config = transformers.LlamaConfig(**SIZES, max_position_embeddings=128)
    transformers.LlamaForSequenceClassification(config).save_pretrained(folder)
    tokenizer = pairing_tokenizer()
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}[PAD]{% endfor %}"
    tokenizer.save_pretrained(folder)
    same_by_both(rewarder, folder)
    with pytest.raises(CodebudgetError, match=r"tokens, and .*llama reads 128 at most"):
        rewarder.rate(str(folder), "", [("x" * 100, "y" * 100)], "vllm")


def same_by_both(rewarder: StoredRewarder, folder: Path) -> None:
    by = {engine: rewarder.rate(str(folder), "", ANSWERS, engine) for engine in ENGINES}
    values = {engine: [reward.value for reward in rewards] for engine, rewards in by.items()}
    assert values["vllm"] == pytest.approx(values["transformers"], abs=TOLERANCE)
    assert min(abs(a - b) for a in values["vllm"] for b in values["vllm"] if a is not b) > 10 * TOLERANCE
    assert [reward.flops for reward in by["vllm"]] == [reward.flops for reward in by["transformers"]]
    assert all(reward.flops and reward.wall_s > 0 for reward in by["vllm"])


def test_a_head_without_weights_is_refused_and_code_of_a_checkpoint_not_run(
    rewarder: StoredRewarder, tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(CodebudgetError, match=r"is no reward model: it has no trained weights for score"):
        rewarder.rate(str(tiny_model), "", ANSWERS, "vllm")
    folder, proof = tmp_path / "own", tmp_path / "ran"
    folder.mkdir()
    for file in tiny_model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    text = (folder / "config.json").read_text()
    own = '"auto_map": {"AutoConfig": "own.Own", "AutoModelForSequenceClassification": "own.Own"}, "model_type": "own"'
    (folder / "config.json").write_text(text.replace('"model_type": "llama"', own))
    (folder / "own.py").write_text(f"open({str(proof)!r}, 'w').write('ran')\n")
    with pytest.raises(CodebudgetError, match="cannot load"):
        rewarder.rate(str(folder), "", ANSWERS, "vllm")
    assert not proof.exists()
