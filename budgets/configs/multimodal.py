"""Models with a decoder and an image encoder, each with its own configuration inside `config.json`.

A model is counted as transformers' class for it loads it: with its encoder, or as the decoder alone if that is what its
class for text builds. Engines that also serve images hold the encoder too.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from ..._util.printable import quoted
from ...errors import UserError
from .defaults import DEFAULTS
from .fields import Config, Fields, flag, part, size

if TYPE_CHECKING:
    from collections.abc import Callable

MISTRAL3_TEXT: Final[Fields] = {
    "hidden_size": 5120,
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 32768,
    "vocab_size": 131072,
    "sliding_window": None,
}
"""The decoder of a `mistral3` without a `text_config`: transformers 5's default, that of Mistral Small 3.1."""

MISTRAL3_VISION: Final[Fields] = {"patch_size": 14}
"""Fields of its encoder without a `vision_config`, unlike other Pixtral encoders."""


class Pair(NamedTuple):
    """A decoder and its encoder.

    `decoder` is the model type if `text_config` has none, `decoder_fields` the fields if there is no `text_config`.
    `tied`: whether embeddings are tied if the outer configuration does not say; None if only the decoder's says so.
    `encoder_parameters` counts them from the configuration and the decoder's hidden size.
    """

    decoder: str
    decoder_fields: Fields
    tied: bool | None
    encoder_parameters: Callable[[Config, int], int]


def text_part(config: Config, pair: Pair) -> Fields:
    """Get the decoder's configuration."""
    text = {"model_type": pair.decoder, **(part(config, "text_config") or pair.decoder_fields)}
    if pair.tied is not None:
        text["tie_word_embeddings"] = flag(config, "tie_word_embeddings", pair.tied)
    return text


def gemma3_vision(config: Config, hidden_size: int) -> int:
    """Count the parameters of Gemma 3's SigLIP encoder and of its projector."""
    vision = _vision(config, "siglip_vision_model")
    width = size(vision, "hidden_size")
    return _siglip(vision) + width * hidden_size + width


def mistral3_vision(config: Config, hidden_size: int) -> int:
    """Count the parameters of Mistral Small's Pixtral encoder, its patch merger and its projector."""
    vision = _vision(config, "pixtral", absent=MISTRAL3_VISION)
    width = size(vision, "hidden_size")
    merged = size({"spatial_merge_size": 2, **config}, "spatial_merge_size")
    chosen = config.get("vision_feature_layer", -1)
    features = len(chosen) if isinstance(chosen, list) else 1
    projector = features * width * hidden_size + hidden_size**2
    biases = 2 * hidden_size if flag(config, "multimodal_projector_bias") else 0
    return _pixtral(vision) + width + merged**2 * width**2 + projector + biases


def _no_vision(_config: Config, _hidden_size: int) -> int:
    return 0


def _vision(config: Config, model_type: str, absent: Config = MappingProxyType({})) -> Fields:
    vision = part(config, "vision_config") or absent
    named = vision.get("model_type", model_type)
    if named != model_type:
        raise UserError(f"config.json: an image encoder of type {quoted(named)} is not supported, only {model_type}")
    return {**DEFAULTS[model_type], **vision}


def _siglip(vision: Config) -> int:
    width, inner = size(vision, "hidden_size"), size(vision, "intermediate_size")
    patch = size(vision, "patch_size")
    patches = (size(vision, "image_size") // patch) ** 2
    embeddings = width * (size(vision, "num_channels") * patch**2 + 1) + patches * width
    ffn = 2 * width * inner + width + inner
    attention = 4 * (width + 1) * width
    pooling = width + attention + ffn + 2 * width if flag(vision, "vision_use_head") else 0
    return embeddings + size(vision, "num_hidden_layers") * (attention + ffn + 4 * width) + 2 * width + pooling


def _pixtral(vision: Config) -> int:
    width, inner = size(vision, "hidden_size"), size(vision, "intermediate_size")
    patch = size(vision, "num_channels") * size(vision, "patch_size") ** 2
    return width * patch + width + size(vision, "num_hidden_layers") * (4 * width**2 + 3 * width * inner + 2 * width)


PAIRS: Final = {
    "gemma3": Pair("gemma3_text", {}, True, gemma3_vision),
    "mistral3": Pair("mistral", MISTRAL3_TEXT, True, mistral3_vision),
    "qwen3_5": Pair("qwen3_5_text", {}, None, _no_vision),
    "qwen3_5_moe": Pair("qwen3_5_moe_text", {}, None, _no_vision),
}
"""Every model type of a decoder with an encoder."""
