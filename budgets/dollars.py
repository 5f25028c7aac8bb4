"""Dollars for drawing samples: device hours at a price, or tokens at a served model's prices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from ..errors import UserError
from ..records import NonNegative, Record

if TYPE_CHECKING:
    from ..records import Arm, Workload

SECONDS_PER_HOUR = 3600.0
TOKENS_PER_MTOK = 1e6


class TokenPrice(Record):
    """US dollars per million input and output tokens; `arm` is the arm it holds for, None for all others."""

    usd_per_mtok_in: NonNegative
    usd_per_mtok_out: NonNegative
    arm: str | None = None


class Prices(Record):
    """Prices of drawing: per token where the arm has a token price, else per hour of each device."""

    usd_per_hour: Annotated[float, Field(gt=0)] | None = None
    tokens: tuple[TokenPrice, ...] = ()

    def of_arm(self, arm: Arm) -> TokenPrice | None:
        """Find an arm's token price: one that names it (as typed, or its model), else the one that names none."""
        for names in ((arm.spec, arm.spec.rpartition(":")[0], arm.name), (None,)):
            for price in self.tokens:
                if price.arm in names:
                    return price
        return None


def parse_token_price(text: str) -> TokenPrice:
    """Read `IN,OUT` or `ARM=IN,OUT`, such as `0.9,0.9` or `70b=0.9,0.9`.

    Raises:
        UserError: It is not two amounts of at least 0.
    """
    arm, equals, amounts = text.rpartition("=")
    try:
        low, high = (float(part.strip().removeprefix("$")) for part in amounts.split(","))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low >= 0 and high >= 0) or (equals and not arm):
        raise UserError(
            f"cannot read {text!r} as prices; write US dollars per million input and output tokens, as IN,OUT or "
            "ARM=IN,OUT, such as 70b=0.9,0.9"
        )
    return TokenPrice(usd_per_mtok_in=low, usd_per_mtok_out=high, arm=arm or None)


def tokens_usd(price: TokenPrice, workload: Workload, k: int) -> float:
    """Price k samples per task of a served model: the prompt is charged once, as in one request for k choices.

    In the paper's convention every sample is a pass over 128 input tokens.
    """
    prompts = k if workload.convention == "paper" else 1
    charged_in = prompts * workload.prompt_tokens * price.usd_per_mtok_in
    return (charged_in + k * workload.output_tokens * price.usd_per_mtok_out) / TOKENS_PER_MTOK


def devices_usd(usd_per_hour: float, devices: int, runtime_s: float) -> float:
    """Price `devices` devices for a time, at a rate per device and hour."""
    return usd_per_hour * devices * runtime_s / SECONDS_PER_HOUR
