"""Components one at a time: partial passes against whole ones, the published schedule, and what is converted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from codebudget.budgets.mixed import MixedRecipe, load_mixed
from codebudget.budgets.recipe import parse_recipe
from codebudget.compression.components import by_perplexity, largest_sparsity, schedule
from codebudget.compression.mixed import apply_mixed
from codebudget.errors import UserError
from codebudget.experiment.components import sweep_components
from codebudget.experiment.diverging import diverge
from codebudget.report.components import components_as_json, write_components_page
from codebudget.settings import Diverging, Drawing, Grading, Running, Sweeping

from support.networks import nano_folder

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch", reason="needs torch (pip install 'codebudget[transformers]')")
transformers = pytest.importorskip("transformers", reason="needs transformers")

from codebudget.compression.linears import find_linears  # noqa: E402
from codebudget.compression.probing import Change, Probe, Row  # noqa: E402
from codebudget.compression.pruning import prune  # noqa: E402
from codebudget.compression.simulating import quantised_weight, simulate  # noqa: E402

COMMON: dict[str, Any] = {
    "vocab_size": 120,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
}
FAMILIES = {
    "gpt2": ("GPT2Config", {"vocab_size": 120, "n_embd": 32, "n_layer": 4, "n_head": 4, "n_positions": 64}),
    "qwen3": ("Qwen3Config", {**COMMON, "intermediate_size": 64, "num_key_value_heads": 2, "head_dim": 8}),
    "gemma2": ("Gemma2Config", {**COMMON, "intermediate_size": 64, "num_key_value_heads": 2, "head_dim": 8}),
    "neox": ("GPTNeoXConfig", {**COMMON, "intermediate_size": 64}),
    "falcon": ("FalconConfig", COMMON),
}


class Choice:
    def __init__(self, ids: list[int], logprobs: list[float]) -> None:
        self.ids, self.logprobs = ids, logprobs


def probe_of(family: str, tokens: int = 6) -> Probe:
    """A random model with rows of one length, read by a plain pass."""
    kind, settings = FAMILIES[family]
    torch.manual_seed(1)
    network = transformers.AutoModelForCausalLM.from_config(getattr(transformers, kind)(**settings)).float().eval()

    def read(pairs: Any) -> list[Choice]:
        found = []
        with torch.inference_mode():
            logits = network(input_ids=torch.tensor([[*before, *after] for before, after in pairs]), use_cache=False)
        for (before, after), row in zip(pairs, logits.logits.float().log_softmax(dim=-1), strict=True):
            scores = row[len(before) - 1 : -1]
            own = scores.gather(1, torch.tensor(after)[:, None])[:, 0]
            found.append(Choice(scores.argmax(dim=-1).tolist(), own.tolist()))
        return found

    generator = torch.Generator().manual_seed(2)
    prompts = [torch.randint(0, 120, (7,), generator=generator).tolist() for _ in range(6)]
    rows = []
    for prompt in prompts:
        text = list(prompt)
        with torch.inference_mode():
            for _ in range(tokens):
                text.append(int(network(input_ids=torch.tensor([text]), use_cache=False).logits[0, -1].argmax()))
        rows.append(Row(tuple(prompt[:1]), tuple(text[1:]), tokens, len(prompt) - 1))
    return Probe(network, find_linears(network), [rows[:4], rows[4:]], read)


@pytest.mark.parametrize("family", FAMILIES)
def test_partial_passes_equal_whole_ones_and_leave_the_model_as_it_was(family: str) -> None:
    probe = probe_of(family)
    recipe = parse_recipe("w3a8")
    before = {name: value.clone() for name, value in probe._network.state_dict().items()}
    changes = [
        Change(component, lambda component=component: quantised_weight(component, recipe), recipe)
        for component in probe.linears.components
    ]
    alone = probe.each(changes)
    for change, found in zip(changes, alone, strict=True):
        whole = probe.together([change])
        assert found.values.fdt.tolist() == whole.values.fdt.tolist()
        assert found.values.dppl.tolist() == pytest.approx(whole.values.dppl.tolist(), rel=1e-4)
        assert found.perplexity == pytest.approx(whole.perplexity, rel=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in probe._network.state_dict().items())
    unchanged = probe.together([])
    assert unchanged.fdt == 6
    assert any(found.perplexity != unchanged.perplexity for found in alone)


def test_routers_and_experts_in_one_tensor_are_no_components_but_named() -> None:
    settings = {**COMMON, "intermediate_size": 64, "num_key_value_heads": 2, "num_local_experts": 4}
    model = transformers.AutoModelForCausalLM.from_config(transformers.MixtralConfig(**settings))
    found = find_linears(model)
    assert {component.kind.rpartition(".")[2] for component in found.components} == {
        *("q_proj", "k_proj", "v_proj", "o_proj")
    }
    assert any("experts" in other.name for other in found.others)
    assert found.beside.startswith(str(len(found.others)))

    layer = torch.nn.Module()
    layer.mlp = torch.nn.Module()
    layer.mlp.gate, layer.mlp.gate_proj = torch.nn.Linear(8, 2), torch.nn.Linear(8, 8)
    network = torch.nn.Module()
    network.layers = torch.nn.ModuleList([layer])
    network.config = transformers.LlamaConfig(num_hidden_layers=1)
    found = find_linears(network)
    assert [component.kind for component in found.components] == ["mlp.gate_proj"]
    assert [other.name for other in found.others] == ["layers.0.mlp.gate.weight"]


def test_n_components_cost_about_half_as_many_passes() -> None:
    probe = probe_of("qwen3")
    components = probe.linears.components
    changes = [Change(component, component.weight) for component in components]
    found = probe.each(changes)
    assert probe.reads == pytest.approx(len(components) + 2)
    # A pass and a half for the cache and its check, and for layer l of 4 the layers from l on.
    partial = sum(1 - component.layer / 4 for component in components)
    assert probe.equivalent == pytest.approx(1.5 + partial)
    assert partial < 0.65 * len(components)
    assert all(one.fdt == 6 for one in found)


def test_all_changes_together_are_the_simulated_model() -> None:
    probe, recipe = probe_of("gpt2"), parse_recipe("w4a8")
    changes = [
        Change(component, lambda component=component: quantised_weight(component, recipe), recipe)
        for component in probe.linears.components
    ]
    together = probe.together(changes)
    in_whole_rows = probe.together([change._replace(rows=change.component.outputs) for change in changes])
    untouched = probe.together([change._replace(rows=0) for change in changes])
    simulate(probe._network, recipe)
    simulated = probe.together([])
    assert together.perplexity == pytest.approx(simulated.perplexity, rel=1e-5)
    assert in_whole_rows.perplexity == pytest.approx(simulated.perplexity, rel=1e-5)
    assert untouched.perplexity != simulated.perplexity


def test_pruning_takes_the_smallest() -> None:
    torch.manual_seed(0)
    weight, norms = torch.randn(6, 10), torch.rand(10)
    whole = prune(weight, 0.35, "magnitude")
    assert int((whole == 0).sum()) == round(0.35 * 60)
    assert whole[whole != 0].abs().min() >= weight[whole == 0].abs().max()
    rows = prune(weight, 0.4, "wanda", norms)
    assert (rows == 0).sum(dim=1).tolist() == [4] * 6
    for pruned, row in zip(rows, weight, strict=True):
        score = row.abs() * norms
        assert score[pruned != 0].min() >= score[pruned == 0].max()
    assert torch.equal(prune(weight, 0.0, "magnitude"), weight)
    assert not prune(weight, 1.0, "wanda", norms).any()
    with pytest.raises(UserError, match="norms"):
        prune(weight, 0.5, "wanda")
    with pytest.raises(UserError, match="share from 0 to 1"):
        prune(weight, 1.5, "magnitude")


def test_input_norms_are_those_of_what_enters() -> None:
    probe = probe_of("gpt2")
    seen: list[Any] = []
    first = probe.linears.components[0]
    handle = first.module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].reshape(-1, 32)))
    probe.together([])
    handle.remove()
    assert probe.input_norms()[first.name] == pytest.approx(torch.cat(seen).norm(dim=0), rel=1e-4)


@pytest.mark.parametrize(
    ("points", "level", "sparsity"),
    [
        (((0, 100), (0.25, 80), (0.75, 40), (1, 0)), 100, 0.0),
        (((0, 100), (0.25, 80), (0.75, 40), (1, 0)), 90, 0.125),
        (((0, 100), (0.25, 80), (0.75, 40), (1, 0)), 60, 0.5),
        (((0, 100), (0.25, 80), (0.75, 40), (1, 0)), 0, 1.0),
        (((0, 100), (0.25, 100), (0.75, 100), (1, 20)), 100, 0.75),
        # A dip on the way does not count: the largest sparsity does.
        (((0, 100), (0.25, 10), (0.75, 50), (1, 0)), 50, 0.75),
        (((0, 50), (0.25, 20), (0.75, 10), (1, 0)), 100, 0.0),
    ],
)
def test_interpolates_the_largest_sparsity_that_still_reaches_a_level(points: Any, level: int, sparsity: float) -> None:
    assert largest_sparsity(points, level) == pytest.approx(sparsity)


@pytest.mark.parametrize("seed", range(4))
def test_schedule_is_the_first_level_down_that_reaches_the_target(seed: int) -> None:
    generator = np.random.default_rng(seed)
    target = float(generator.uniform(0.2, 0.7))
    grid = (0.0, target / 2, 1.5 * target if target < 2 / 3 else 1.0, 1.0)
    points = [tuple(zip(grid, (100.0, *np.sort(generator.integers(0, 100, 3))[::-1]), strict=True)) for _ in range(7)]
    weights = generator.integers(10, 200, 7).astype(float)
    level, shares = schedule(points, weights, target)
    assert np.average(shares, weights=weights) >= target
    if level < 100:
        higher = [largest_sparsity(row, level + 1) for row in points]
        assert np.average(higher, weights=weights) < target
    again = by_perplexity([[(s, 101 - f) for s, f in row] for row in points], weights, 0.5)
    assert np.average(again, weights=weights) <= 0.5 + 1e-6


def test_mixed_recipes_are_written_read_and_applied(tmp_path: Path) -> None:
    probe = probe_of("gpt2")
    names = [component.name for component in probe.linears.components]
    mixed = MixedRecipe(recipe="w4a16", components=tuple(names[1:3]))
    file = tmp_path / "mixed.toml"
    file.write_text(mixed.as_toml())
    assert load_mixed(file) == mixed
    before = [component.weight().clone() for component in probe.linears.components]
    apply_mixed(probe._network, mixed, {})
    changed = [not torch.equal(c.weight(), old) for c, old in zip(probe.linears.components, before, strict=True)]
    assert [name for name, is_changed in zip(names, changed, strict=True) if is_changed] == names[1:3]

    sparse = MixedRecipe(pruning="magnitude", sparsity={names[0]: 0.5, names[3]: 0.25})
    file.write_text(sparse.as_toml())
    assert load_mixed(file) == sparse
    apply_mixed(probe._network, sparse, {})
    assert float((probe.linears.components[0].weight() == 0).double().mean()) == pytest.approx(0.5, abs=0.01)
    with pytest.raises(UserError, match="of another model"):
        apply_mixed(probe._network, MixedRecipe(recipe="w4a16", components=("model.layers.0.x",)), {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version = ", "not TOML"),
        ("version = 2\nrecipe = 'w8a8'", "version"),
        ("version = 1", "either `recipe`"),
        ("recipe = 'w8a8'\npruning = 'wanda'", "either `recipe`"),
        ("recipe = 'w8b8'", "w8b8"),
        ("pruning = 'wanda'\n[sparsity]\n'a.b' = 1.5", "less than or equal to 1"),
        ("recipe = 'w8a8'\ncomponent = ['a']", "component"),
    ],
)
def test_broken_mixed_recipes_are_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mixed.toml"
    file.write_text(text)
    with pytest.raises(UserError, match=said) as refused:
        load_mixed(file)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def prompts(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("prompts") / "prompts.jsonl"
    texts = [f'def f{n}(values):\n    """Return the sum of a list, plus {n}."""\n' for n in range(8)]
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return str(file)


def test_a_fragile_component_is_found_and_left_for_last(tmp_path: Path, prompts: str) -> None:
    fragile = "model.layers.2.mlp.up_proj"

    def plant(network: Any) -> None:
        # Large weights on an input that is always 0: harmless, until they set the scale of their rows.
        layer = network.model.layers[2]
        layer.post_attention_layernorm.weight.data[5] = 0
        layer.mlp.up_proj.weight.data[:, 5] = 30 * layer.mlp.up_proj.weight.data.abs().max()

    folder = nano_folder(tmp_path / "model", plant)
    sweeping = Sweeping(recipe="w4a16", target=0.9, prompts=prompts, tokens=16)
    result = sweep_components(str(folder), sweeping, Running(family="nano"))
    found = result.quantised
    assert found is not None
    assert min(found.scores, key=lambda score: score.fdt.mean).name == fragile
    assert fragile not in found.converted
    assert (
        found.steps[-1].share
        >= 0.9
        > found.steps[-1].share - max(s.weights for s in found.scores) / sum(s.weights for s in found.scores)
    )
    by_order = {choice.order: choice for choice in found.choices}
    assert by_order["fdt"].weight_bytes == pytest.approx(by_order["uniform"].weight_bytes, rel=0.01)
    assert by_order["fdt"].weight_bytes == pytest.approx(by_order["perplexity"].weight_bytes, rel=0.01)
    assert by_order["fdt"].divergence.fdt.mean > by_order["uniform"].divergence.fdt.mean
    assert result.passes.equivalent < result.passes.reads
    assert result.costs["components"].flops is not None

    out = tmp_path / "mixed.toml"
    out.write_text(result.mixed().as_toml())
    diverging = Diverging(prompts=prompts, tokens=16)
    grading, running = Grading(launcher="process"), Running(family="nano")
    drawing = Drawing(engine="transformers")
    again = diverge(str(folder), f"{folder}@recipe:{out}", diverging, drawing, grading, running)
    assert again.metrics.other.fdt.mean == pytest.approx(by_order["fdt"].divergence.fdt.mean, abs=0.5)

    write_components_page(result, tmp_path / "map.html")
    page = (tmp_path / "map.html").read_text()
    assert "default-src 'none'" in page
    assert page.count("<td") == len(found.scores)
    assert components_as_json(result)["quantised"]["converted"] == list(found.converted)


def test_sparsities_reach_the_target_by_both_methods(tmp_path: Path, prompts: str) -> None:
    folder = nano_folder(tmp_path / "model")
    result = sweep_components(str(folder), Sweeping(sparsity=0.3, prompts=prompts, tokens=8), Running(family="nano"))
    assert [one.method for one in result.pruned] == ["magnitude", "wanda"]
    for one in result.pruned:
        assert one.share >= 0.3
        sizes = [choice.weight_bytes for choice in one.choices]
        assert max(sizes) == pytest.approx(min(sizes), rel=0.02)
        assert {len(curve.points) for curve in one.curves} == {4}
    assert result.mixed().pruning in ("magnitude", "wanda")


def test_says_what_is_missing() -> None:
    with pytest.raises(UserError, match="say what to do"):
        sweep_components("250k", Sweeping(), Running(family="nano"))
    with pytest.raises(UserError, match="not both"):
        Sweeping(recipe="w8a8", sparsity=0.5)
    with pytest.raises(UserError, match="codebudget quantise"):
        sweep_components("250k", Sweeping(recipe="w4a16-gptq"), Running(family="nano"))
