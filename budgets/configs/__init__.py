"""Hugging Face `config.json` files, read into the fields of an `Architecture`, one reader per model type.

The field names and the defaults of absent fields are those of the configuration classes of transformers 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._util.printable import quoted
from ...errors import UserError
from . import gpt, grouped, mixtures
from .defaults import DEFAULTS, OTHER_NAMES
from .multimodal import PAIRS, text_part

if TYPE_CHECKING:
    from collections.abc import Callable

    from .fields import Config, Fields

_READERS: dict[str, Callable[[Config], Fields]] = {
    "llama": grouped.llama,
    "mistral": grouped.mistral,
    "mixtral": mixtures.mixtral,
    "qwen2": grouped.qwen2,
    "qwen3": grouped.qwen3,
    "qwen3_moe": mixtures.qwen3_moe,
    "starcoder2": grouped.starcoder2,
    "codegen": gpt.gptj,
    "gpt_bigcode": gpt.gpt_bigcode,
    "deepseek_v3": mixtures.deepseek_v3,
    "arcee": grouped.arcee,
    "cohere": grouped.cohere,
    "cohere2": grouped.cohere2,
    "deepseek_v2": mixtures.deepseek_v3,
    "dots1": mixtures.dots1,
    "ernie4_5": grouped.ernie4_5,
    "exaone4": grouped.exaone4,
    "falcon": gpt.falcon,
    "gemma": grouped.gemma,
    "gemma2": grouped.gemma2,
    "gemma3_text": grouped.gemma3,
    "glm": grouped.glm,
    "glm4": grouped.glm4,
    "glm4_moe": mixtures.glm4_moe,
    "glm4_moe_lite": mixtures.glm4_moe_lite,
    "gpt2": gpt.gpt2,
    "gpt_neo": gpt.gpt_neo,
    "gpt_neox": gpt.gpt_neox,
    "gpt_oss": mixtures.gpt_oss,
    "gptj": gpt.gptj,
    "granite": grouped.llama,
    "granitemoe": mixtures.granitemoe,
    "granitemoeshared": mixtures.granitemoe,
    "hunyuan_v1_dense": grouped.hunyuan,
    "kimi_k2": mixtures.deepseek_v3,
    "minimax_m2": mixtures.minimax_m2,
    "ministral": grouped.ministral,
    "ministral3": grouped.ministral3,
    "nemotron": grouped.nemotron,
    "olmo": grouped.olmo,
    "olmo2": grouped.olmo2,
    "olmo3": grouped.olmo3,
    "olmoe": mixtures.olmoe,
    "phi": gpt.phi,
    "phi3": grouped.phi3,
    "phimoe": mixtures.phimoe,
    "qwen2_moe": mixtures.qwen2_moe,
    "qwen3_5_moe_text": mixtures.qwen3_next,
    "qwen3_5_text": mixtures.qwen3_5,
    "qwen3_next": mixtures.qwen3_next,
    "seed_oss": grouped.seed_oss,
    "smollm3": grouped.smollm3,
    "stablelm": grouped.stablelm,
}
SUPPORTED_MODEL_TYPES = (*_READERS, *PAIRS)


def read_config(config: Config) -> Fields:
    """Read an `Architecture`'s fields.

    Raises:
        UserError: The `model_type` is not supported, or a field is missing or makes no sense.
    """
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in SUPPORTED_MODEL_TYPES:
        raise UserError(_unsupported(model_type))
    if model_type not in PAIRS:
        named = dict(config)
        for other, name in OTHER_NAMES.get(model_type, {}).items():
            if name not in named and other in named:
                named[name] = named[other]
        return _READERS[model_type]({**DEFAULTS.get(model_type, {}), **named})
    pair = PAIRS[model_type]
    fields = read_config(text_part(config, pair))
    return {**fields, "vision_parameters": pair.encoder_parameters(config, fields["hidden_size"])}


def _unsupported(model_type: object) -> str:
    return (
        f"model_type {quoted(model_type)} in config.json is not supported, and another model's formula would give a "
        f"wrong cost; supported: {', '.join(SUPPORTED_MODEL_TYPES)}. Three ways forward: if it has the same design as "
        "one of these, give a copy of its config.json with that model_type and its field names; grade and rank its "
        "samples without a cost (codebudget execute, codebudget rank); or request support in a codebudget issue, with "
        "its config.json attached"
    )
