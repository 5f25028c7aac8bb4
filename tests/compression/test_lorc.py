"""LoRC's factors: what they take from the error, and that a model served with them computes what the sum does."""

import json
from pathlib import Path

import pytest
from codebudget.compression import parse_recipe
from codebudget.compression.lorc import Factors, low_rank_factors, write_adapter
from codebudget.compression.rtn import fake_quantise
from codebudget.errors import UserError

torch = pytest.importorskip("torch", reason="needs torch: install the extra [transformers]")


@pytest.mark.parametrize("rank", [1, 4, 8, 24])
@pytest.mark.parametrize("recipe", ["w4a16-g8", "w3a16-g8-asym", "w2a16"])
def test_the_squared_error_falls_by_the_kept_squared_singular_values(recipe: str, rank: int) -> None:
    weight = torch.randn(24, 40, generator=torch.Generator().manual_seed(rank))
    error = weight - fake_quantise(weight, parse_recipe(recipe))
    factors = low_rank_factors(error, rank)
    kept = torch.linalg.svdvals(error)[:rank].square().sum()
    left = (error - factors.up @ factors.down).square().sum()
    assert (error.square().sum() - left).item() == pytest.approx(kept.item(), rel=1e-4)


def test_both_factors_share_the_singular_values() -> None:
    error = torch.randn(16, 12, generator=torch.Generator().manual_seed(0))
    factors = low_rank_factors(error, 5)
    values = torch.linalg.svdvals(error)[:5]
    assert factors.up.shape == (16, 5)
    assert factors.down.shape == (5, 12)
    torch.testing.assert_close(factors.up.T @ factors.up, torch.diag(values), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(factors.down @ factors.down.T, torch.diag(values), rtol=1e-4, atol=1e-5)


def test_more_singular_values_than_there_are_is_one_line() -> None:
    with pytest.raises(UserError, match=r"LoRC of rank 9 .* than q_proj has: write -lorc8 or less"):
        low_rank_factors(torch.zeros(8, 20), 9, "q_proj")


def test_factors_of_two_ranks_are_no_adapter(tmp_path: Path) -> None:
    factors = {"a": low_rank_factors(torch.eye(4), 1), "b": low_rank_factors(torch.eye(4), 2)}
    with pytest.raises(ValueError, match="one rank"):
        write_adapter(tmp_path / "lorc", factors, "model", torch.float32)


def test_served_logits_are_those_of_the_sum(tmp_path: Path, repository: Path) -> None:
    pytest.importorskip("peft", reason="needs the extra [compress]")
    transformers = pytest.importorskip("transformers", reason="needs the extra [transformers]")
    source, recipe = repository / "models" / "nano" / "250k", parse_recipe("w3a16-g32-lorc8")

    def rounded() -> tuple[object, dict[str, Factors]]:
        model = transformers.AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
        factors = {}
        for name, module in model.named_modules():
            if isinstance(module, torch.nn.Linear) and name != "lm_head":
                weight = fake_quantise(module.weight.data, recipe, name)
                factors[name] = low_rank_factors(module.weight.data - weight, recipe.lorc_rank, name)
                module.weight.data = weight
        return model, factors

    served, factors = rounded()
    written = write_adapter(tmp_path / "lorc", factors, str(source), torch.float32)
    assert written == 4 * sum(up.numel() + down.numel() for up, down in factors.values())
    assert json.loads((tmp_path / "lorc" / "adapter_config.json").read_text())["r"] == 8
    tokens = torch.arange(3, 60).unsqueeze(0)
    with torch.no_grad():
        bare = served(tokens).logits
        served.load_adapter(str(tmp_path / "lorc"))
        folded, _ = rounded()
        for name, module in folded.named_modules():
            if name in factors:
                module.weight.data += factors[name].up @ factors[name].down
        found, wanted = served(tokens).logits, folded(tokens).logits
    assert (found - wanted).abs().max() <= 1e-3
    assert (found - bare).abs().max() > 0.1
