"""Mixed recipes in plans: bytes of the components listed, and one line for what cannot be planned."""

import itertools
from pathlib import Path

import pytest
from codebudget.budgets.memory import effective_bits, weight_bytes
from codebudget.budgets.mixed import MixedRecipe
from codebudget.budgets.models import find_model
from codebudget.budgets.notation import parse_arm
from codebudget.budgets.plan import plan_arms
from codebudget.budgets.precision import precision_scheme
from codebudget.errors import UserError
from codebudget.records import Workload

SHAPES = {
    "self_attn.q_proj": (64, 64), "self_attn.k_proj": (64, 64), "self_attn.v_proj": (64, 64),
    "self_attn.o_proj": (64, 64), "mlp.gate_proj": (64, 192), "mlp.up_proj": (64, 192), "mlp.down_proj": (192, 64),
}  # fmt: skip
"""Inputs and outputs of nano-250k's matrices."""
EVERY = tuple(f"model.layers.{layer}.{kind}" for layer, kind in itertools.product(range(5), SHAPES))


def write(file: Path, recipe: str, *components: str) -> str:
    file.write_text(MixedRecipe(recipe=recipe, components=components).as_toml())
    return f"250k@recipe:{file}"


@pytest.mark.parametrize("recipe", ["w4a16-g32", "w8a8", "w3a16-g64-asym-gptq-lorc8"])
@pytest.mark.parametrize("count", [1, 7, 20, len(EVERY)])
def test_bytes_are_those_of_the_components_listed(tmp_path: Path, recipe: str, count: int) -> None:
    chosen = EVERY[:: len(EVERY) // count][:count]
    model = find_model(write(tmp_path / "m.toml", recipe, *chosen), "nano")
    original, scheme = find_model("250k", "nano").architecture, precision_scheme(recipe)
    shapes = [SHAPES[name.split(".", 3)[3]] for name in chosen]
    stored = sum(scheme.matrix_bytes(*shape) for shape in shapes)
    weights = sum(inputs * outputs for inputs, outputs in shapes)
    assert weight_bytes(model.architecture, recipe) == weight_bytes(original, "bf16") - 2 * weights + stored
    assert effective_bits(model.architecture, recipe) == pytest.approx(8 * stored / weights)
    assert model.default_precision == recipe


def test_with_all_components_it_is_the_recipe(tmp_path: Path) -> None:
    whole = find_model(write(tmp_path / "m.toml", "w4a16", *EVERY), "nano")
    assert weight_bytes(whole.architecture, "w4a16") == weight_bytes(find_model("250k", "nano").architecture, "w4a16")


def test_zeros_take_as_much_as_other_weights(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text(MixedRecipe(pruning="wanda", sparsity={EVERY[3]: 0.5}).as_toml())
    model, original = find_model(f"250k@recipe:{file}", "nano"), find_model("250k", "nano")
    assert (model.default_precision, model.architecture) == ("bf16", original.architecture)


def test_an_arm_is_planned_with_its_mixed_recipe(tmp_path: Path) -> None:
    name = write(tmp_path / "m.toml", "w4a16-g32", *EVERY[:9])
    arm = parse_arm(f"{name}+nothink:3")
    assert (arm.name, arm.precision, arm.thinking, arm.k) == (name, None, False, 3)
    workload = Workload(convention="tokens", prompt_tokens=60, output_tokens=40, source="a test")
    arms = [arm, *map(parse_arm, ("250k@w4a16-g32:3", "250k@bf16:3"))]
    mixed, four, plain = plan_arms(arms, family="nano", workload=workload, match="memory")
    assert (mixed.model, mixed.precision) == (f"nano-250k@recipe:{tmp_path / 'm.toml'}", "w4a16-g32")
    needed = [plan.cost.memory_bytes or 0 for plan in (four, mixed, plain)]
    assert needed == sorted(needed)
    assert needed[0] < needed[1] < needed[2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('version = 1\nrecipe = "w8a8"\ncomponents = []\n', "changes no component"),
        ('version = 1\nrecipe = "w8a8"\ncomponents = ["model.layers.7.mlp.up_proj"]\n', "model.layers.7.mlp.up_proj"),
        ('version = 1\nrecipe = "w8b8"\ncomponents = ["model.layers.0.mlp.up_proj"]\n', "w8b8"),
        ('version = 1\npruning = "wanda"\n[sparsity]\n"model.layers.0.mlp.up_proj" = 0.0\n', "changes no component"),
        ("version = 2\n", "version"),
        ("version = \n", "not TOML"),
        (f"version = {'9' * 5000}\n", "no mixed recipe can have"),
        (f"version = {'[' * 5000}\n", "no mixed recipe can have"),
    ],
)
def test_what_cannot_be_planned_is_one_line_that_names_the_file(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "m.toml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        find_model(f"250k@recipe:{file}", "nano")
    assert str(file) in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "arm", ["250k@recipe:", "@recipe:m.toml", "250k@recipe:none.toml", "250k@recipe:m.toml@w8a8:2"]
)
def test_an_arm_that_names_no_model_or_no_file_or_two_precisions_is_refused(arm: str) -> None:
    with pytest.raises(UserError):
        find_model(parse_arm(arm).name, "nano")
