import json
from pathlib import Path

import pytest
from codebudget.budgets.models import families, find_family, find_model
from codebudget.errors import UserError


def test_families_of_the_catalogue() -> None:
    sizes = {family.name: [model.alias for model in family.models] for family in families()}
    assert sizes == {
        "codegen": ["350m", "2b", "6b", "16b"],
        "codellama": ["7b", "13b", "34b", "70b"],
        "codestral": ["22b"],
        "deepseek": ["v3"],
        "deepseek-coder": ["1.3b", "6.7b", "33b"],
        "deepseek-coder-v2": ["16b", "236b"],
        "devstral": ["24b"],
        "gemma3": ["4b", "12b", "27b"],
        "glm-4.5": ["air", "355b-a32b"],
        "gpt-oss": ["20b", "120b"],
        "kimi-k2": ["1t-a32b"],
        "llama1": ["7b", "13b", "33b", "65b"],
        "llama3": ["8b", "70b"],
        "llama3.1": ["8b", "70b", "405b"],
        "mixtral": ["8x7b"],
        "nano": ["250k", "1m", "2m", "4m"],
        "phi-4": ["14b"],
        "qwen2.5-coder": ["0.5b", "1.5b", "3b", "7b", "14b", "32b"],
        "qwen3": ["30b-a3b"],
        "qwen3-coder": ["30b-a3b", "480b-a35b"],
        "qwen3-next": ["80b-a3b"],
        "starcoder2": ["3b", "7b", "15b"],
        "wizardlm": ["7b", "13b", "30b"],
    }
    assert find_family("codellama").default_precision == "bf16"
    assert find_family("wizardlm").default_precision == "int4"


def test_a_family_is_found_by_its_own_name_in_any_case() -> None:
    assert all(find_family(family.name.upper()) == family for family in families())


def test_names_are_unique() -> None:
    models = [model for family in families() for model in family.models]
    assert len({model.name for model in models}) == len({model.hf_id or model.path for model in models}) == len(models)


@pytest.mark.parametrize("name", ["13b", "13B", "codellama-13b", "codellama/CodeLlama-13b-hf"])
def test_all_names_of_a_model_find_it(name: str) -> None:
    assert find_model(name, "codellama").name == "codellama-13b"


def test_an_alias_belongs_to_its_family_and_other_names_do_not() -> None:
    assert find_model("13b", "wizardlm").name == "wizardlm-13b"
    assert find_model("llama-33b", "wizardlm").family == "llama1"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("codellama-13c", "did you mean codellama-13b"),
        ("codellama/CodeLlama-13b", "did you mean codellama/CodeLlama-13b-hf"),
        ("30b", "`family` wizardlm"),
        ("zzz", "7b, 13b, 34b, 70b"),
        ("no/such/folder", "local folder"),
        ("x" * 5000, "unknown model"),
        ("a\0b", "unknown model"),
    ],
)
def test_a_mistyped_model_is_helped(name: str, hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        find_model(name)


def test_a_mistyped_family_is_helped() -> None:
    with pytest.raises(UserError, match="did you mean codellama"):
        find_model("7b", "codelama")


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hugging Face hub, and no hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path


def test_a_hub_id_is_read_from_the_hubs_cache(hub_cache: Path) -> None:
    revision = "0" * 40
    folder = hub_cache / "models--somebody--some-coder"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(revision)
    (folder / "snapshots" / revision).mkdir(parents=True)
    config = {
        "model_type": "qwen2",
        "num_hidden_layers": 24,
        "hidden_size": 896,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "intermediate_size": 4864,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
    }
    (folder / "snapshots" / revision / "config.json").write_text(json.dumps(config))
    model = find_model("somebody/some-coder")
    assert model.architecture == find_model("qwen2.5-coder-0.5b").architecture
    assert (model.hf_id, model.path, model.default_precision) == ("somebody/some-coder", None, "bf16")
    assert "Hugging Face hub" in model.source


def test_a_hub_id_that_nobody_answers_for_is_said(hub_cache: Path) -> None:
    with pytest.raises(UserError, match="Hugging Face hub has no config"):
        find_model("somebody/other-coder")
