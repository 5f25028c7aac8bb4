import pytest
from codebudget.budgets.models import families, find_family, find_model
from codebudget.errors import UserError


def test_families_of_the_catalogue() -> None:
    sizes = {family.name: [model.alias for model in family.models] for family in families()}
    assert sizes == {
        "codellama": ["7b", "13b", "34b", "70b"],
        "llama1": ["7b", "13b", "33b", "65b"],
        "llama3": ["8b", "70b"],
        "wizardlm": ["7b", "13b", "30b"],
    }
    assert find_family("codellama").default_precision == "bf16"
    assert find_family("wizardlm").default_precision == "int4"


def test_names_are_unique() -> None:
    models = [model for family in families() for model in family.models]
    assert len({model.name for model in models}) == len({model.hf_id for model in models}) == len(models)


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
        ("30b", "--family wizardlm"),
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
