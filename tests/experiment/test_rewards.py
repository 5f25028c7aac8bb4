"""Reward models: a tiny checkpoint made here, loaded without its code, asked once, and charged."""

import importlib.util
import random
from pathlib import Path

import numpy as np
import pytest
from codebudget.budgets.flops import forward_flops
from codebudget.budgets.models import find_model
from codebudget.errors import CodebudgetError, UserError
from codebudget.experiment.rewards import StoredRewarder, check_rewards
from codebudget.rankers import Context, RankedPool, load_ranker
from codebudget.records import Candidate, PublicTask
from codebudget.sampler.store import open_store

pytest.importorskip("torch", reason="needs the extra [transformers]")
transformers = pytest.importorskip("transformers", reason="needs the extra [transformers]")

PROMPT = "def double(x):\n"
BODIES = ("    return 2 * x\n", "    return x\n", "    y = x + x\n    return y\n", "    return 2 * x  # twice\n")
TASK = PublicTask(id="t", prompt=PROMPT, entry_point="double")
POOL = [
    Candidate(task_id="t", arm="a", index=index, raw=body, program=PROMPT + body) for index, body in enumerate(BODIES)
]


def saved(folder: Path, network: object) -> Path:
    from codebudget.models.nano import nano_path

    network.float().save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(nano_path("250k")).save_pretrained(folder)
    return folder


def tiny_llama(folder: Path, **chosen: object) -> Path:
    transformers.set_seed(3)
    config = transformers.LlamaConfig(
        vocab_size=1024, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, **chosen
    )
    return saved(folder, transformers.LlamaForSequenceClassification(config))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_llama(tmp_path_factory.mktemp("reward"), num_labels=1)


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "store.sqlite") as opened:
        yield opened


@pytest.fixture
def rewarder(store):
    opened = StoredRewarder(store)
    yield opened
    opened.close()


def ranked(rewarder, typed, pool=POOL):
    return RankedPool(load_ranker(typed), TASK, pool, Context(random.Random(0), rewarder=rewarder)).ranking


def plain_reward(model: Path, prompt: str, answer: str) -> float:
    """The model's own output on one text at a time."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    network = transformers.AutoModelForSequenceClassification.from_pretrained(model).eval()
    return network(**tokenizer(prompt, answer, return_tensors="pt")).logits.detach().numpy()


def test_scores_are_the_models_own_output(rewarder, model):
    scores = ranked(rewarder, f"reward,model={model}").scores
    wanted = [plain_reward(model, PROMPT, PROMPT + body.rstrip("\n"))[0, 0] for body in BODIES[:3]]
    assert np.allclose(scores[:3], wanted, atol=1e-5)
    assert len(set(scores[:3])) == 3
    # A comment pleases nobody.
    assert scores[3] == scores[0]


def test_every_answer_is_read_once_and_charged_each_time(store, rewarder, model, monkeypatch):
    first = ranked(rewarder, f"reward,model={model}")
    architecture = find_model(str(model)).architecture
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    texts = {PROMPT + body.rstrip("\n") for body in BODIES[:3]}
    lengths = [len(tokenizer(PROMPT, text)["input_ids"]) for text in texts]
    assert first.usage.prefill_flops == sum(forward_flops(architecture, n, logit_positions=0) for n in lengths)
    assert first.usage.wall_s > 0

    again = StoredRewarder(store)
    monkeypatch.setattr(again, "_classifier", lambda *_: pytest.fail("loaded for what the store has"))
    second = ranked(again, f"reward,model={model}")
    assert second.scores == first.scores
    assert second.usage.prefill_flops == first.usage.prefill_flops


def test_the_second_of_two_classes_is_the_good_one_and_of_more_one_is_named(rewarder, tmp_path):
    names = {0: "wrong", 1: "right"}
    two = tiny_llama(tmp_path / "two", num_labels=2, id2label=names)
    answer = PROMPT + BODIES[0].rstrip("\n")
    logits = plain_reward(two, PROMPT, answer)[0]
    wanted = logits - np.log(np.exp(logits).sum())
    one = POOL[:1]
    assert ranked(rewarder, f"reward,model={two}", one).scores[0] == pytest.approx(wanted[1], abs=1e-5)
    for label in ("wrong", "0"):
        assert ranked(rewarder, f"reward,model={two},label={label}", one).scores[0] == pytest.approx(
            wanted[0], abs=1e-5
        )
    with pytest.raises(CodebudgetError, match="has no class 'good'; it has wrong, right"):
        ranked(rewarder, f"reward,model={two},label=good")
    three = tiny_llama(tmp_path / "three", num_labels=3)
    with pytest.raises(CodebudgetError, match="tells 3 classes apart"):
        ranked(rewarder, f"reward,model={three}")
    assert len(set(ranked(rewarder, f"reward,model={three},label=2").scores)) == 3


def test_an_encoder_is_counted_by_its_own_layers(rewarder, tmp_path):
    config = transformers.BertConfig(
        vocab_size=1024, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, num_labels=1
    )
    folder = saved(tmp_path / "bert", transformers.BertForSequenceClassification(config))
    usage = ranked(rewarder, f"reward,model={folder}", POOL[:1]).usage
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokens = len(tokenizer(PROMPT, PROMPT + BODIES[0].rstrip("\n"))["input_ids"])
    weights = 2 * (4 * 32 * 32 + 2 * 32 * 64)
    assert usage.prefill_flops == 2 * tokens * weights + 2 * 4 * 32 * tokens**2


def test_a_model_without_a_trained_head_is_refused(rewarder):
    from codebudget.models.nano import nano_path

    with pytest.raises(CodebudgetError, match=r"is no reward model: it has no trained weights for score\.weight"):
        ranked(rewarder, f"reward,model={nano_path('250k')}")


def test_code_of_a_checkpoint_is_not_run(rewarder, model, tmp_path):
    folder, proof = tmp_path / "own", tmp_path / "ran"
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    text = (folder / "config.json").read_text()
    own = '"auto_map": {"AutoConfig": "own.Own", "AutoModelForSequenceClassification": "own.Own"}, "model_type": "own"'
    (folder / "config.json").write_text(text.replace('"model_type": "llama"', own))
    (folder / "own.py").write_text(f"open({str(proof)!r}, 'w').write('ran')\n")
    with pytest.raises(CodebudgetError, match="cannot load"):
        ranked(rewarder, f"reward,model={folder}")
    assert not proof.exists()


def test_a_text_beyond_the_context_is_named(rewarder, tmp_path):
    short = tiny_llama(tmp_path / "short", num_labels=1, max_position_embeddings=8)
    with pytest.raises(CodebudgetError, match=r"tokens, and .*short reads 8 at most"):
        ranked(rewarder, f"reward,model={short}")


def test_a_missing_model_is_found_before_anything_runs(tmp_path):
    with pytest.raises(UserError, match="write reward,model=ID"):
        check_rewards([load_ranker("reward")])
    with pytest.raises(UserError, match="neither a folder nor"):
        check_rewards([load_ranker(f"examples,keep=0.5+reward,model={tmp_path / 'none'}")])
    check_rewards([load_ranker("examples+shortest")])


def test_an_engine_that_is_none_or_is_missing_is_named(model):
    with pytest.raises(UserError, match=r"engine=ray: a reward model runs by transformers or vllm"):
        load_ranker(f"reward,model={model},engine=ray")
    if importlib.util.find_spec("vllm") is None:
        with pytest.raises(CodebudgetError, match=r"vllm is not installed .*pip install"):
            check_rewards([load_ranker(f"examples+reward,model={model},engine=vllm")])
