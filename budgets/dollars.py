"""Dollars for drawing samples: device hours at a price, or tokens at a served model's prices."""

from __future__ import annotations

import datetime  # noqa: TC003 (pydantic reads it)
import math
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, ValidationError

from .._util.bounded import read_whole
from ..errors import UserError
from ..records import NonNegative, Record
from .notation import without_k

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..records import Arm, Workload

SECONDS_PER_HOUR = 3600.0
TOKENS_PER_MTOK = 1e6


class TokenPrice(Record):
    """US dollars per million tokens of a served model.

    `usd_per_mtok_cached` is the price of input tokens that the server found in its cache, and `usd_per_mtok_reasoning`
    that of output tokens it did not show; None means the ordinary price. `arm` is the arm or model it applies to, None
    for all that have no price of their own. `origin` is the source that a price file gives.
    """

    usd_per_mtok_in: NonNegative
    usd_per_mtok_out: NonNegative
    usd_per_mtok_cached: NonNegative | None = None
    usd_per_mtok_reasoning: NonNegative | None = None
    arm: str | None = None
    origin: str | None = None

    def usd(self, prompt_tokens: float, output_tokens: float, *, cached: float = 0, reasoning: float = 0) -> float:
        """Price tokens; `cached` of the prompts' and `reasoning` of the outputs' have their own prices."""
        cached_price, reasoning_price = self.usd_per_mtok_cached, self.usd_per_mtok_reasoning
        charged_in = (prompt_tokens - cached) * self.usd_per_mtok_in
        charged_in += cached * (self.usd_per_mtok_in if cached_price is None else cached_price)
        charged_out = (output_tokens - reasoning) * self.usd_per_mtok_out
        charged_out += reasoning * (self.usd_per_mtok_out if reasoning_price is None else reasoning_price)
        return (charged_in + charged_out) / TOKENS_PER_MTOK


class ListedPrice(Record):
    """One model of a price file, in US dollars per million tokens; see docs/budgets.md."""

    model: Annotated[str, Field(min_length=1)]
    input: NonNegative
    output: NonNegative
    cached_input: NonNegative | None = None
    reasoning: NonNegative | None = None
    batch_input: NonNegative | None = None
    batch_output: NonNegative | None = None
    batch_cached_input: NonNegative | None = None
    batch_reasoning: NonNegative | None = None
    source: Annotated[str, Field(min_length=1)]
    date: datetime.date

    def price(self, *, batch: bool) -> TokenPrice:
        """Get the price of single requests, or of requests in a batch.

        Raises:
            UserError: The file has no batch prices for it.
        """
        found = (self.input, self.output, self.cached_input, self.reasoning)
        if batch:
            if self.batch_input is None or self.batch_output is None:
                raise UserError(
                    f"the price file has no batch prices for {self.model}: add batch_input and batch_output, or drop "
                    "`batch_prices`"
                )
            found = (self.batch_input, self.batch_output, self.batch_cached_input, self.batch_reasoning)
        return TokenPrice(
            usd_per_mtok_in=found[0],
            usd_per_mtok_out=found[1],
            usd_per_mtok_cached=found[2],
            usd_per_mtok_reasoning=found[3],
            arm=self.model,
            origin=f"{self.source}, {self.date.isoformat()}{', in batches' if batch else ''}",
        )


class Prices(Record):
    """Prices of drawing: per token where the arm has a token price, else per hour of each device.

    `listed` comes from a price file; `batch` uses its batch prices.
    """

    usd_per_hour: Annotated[float, Field(gt=0)] | None = None
    tokens: tuple[TokenPrice, ...] = ()
    listed: tuple[ListedPrice, ...] = ()
    batch: bool = False

    def own(self, arm: Arm) -> TokenPrice | None:
        """Find the token price that names an arm: as typed, without its k, or its model; typed before listed prices.

        Raises:
            UserError: The price file lacks the batch prices asked for.
        """
        names = (arm.spec, without_k(arm), arm.name)
        for name in names:
            for price in self.tokens:
                if price.arm == name:
                    return price
        for name in names:
            for listed in self.listed:
                if listed.model == name:
                    return listed.price(batch=self.batch)
        return None

    def of_arm(self, arm: Arm) -> TokenPrice | None:
        """Find an arm's token price: one that names it, else the one that names none.

        Raises:
            UserError: As `own`.
        """
        return self.own(arm) or next((price for price in self.tokens if price.arm is None), None)


_PARTS: Final = (2, 3)


def parse_token_price(text: str) -> TokenPrice:
    """Read `IN,OUT`, `IN,OUT,CACHED` or either after `ARM=`, such as `0.9,0.9` or `70b=0.9,0.9,0.1`.

    Raises:
        UserError: It is not two or three amounts of at least 0.
    """
    arm, equals, amounts = text.rpartition("=")
    try:
        parts = [float(part.strip().removeprefix("$")) for part in amounts.split(",")]
    except ValueError:
        parts = []
    readable = len(parts) in _PARTS and all(math.isfinite(part) and part >= 0 for part in parts)
    if not readable or (equals and not arm):
        raise UserError(
            f"cannot read {text!r} as prices; write US dollars per million input and output tokens, as IN,OUT or "
            "ARM=IN,OUT, such as 70b=0.9,0.9; a third number is the price of cached input"
        )
    cached = parts[2] if len(parts) > _PARTS[0] else None
    return TokenPrice(usd_per_mtok_in=parts[0], usd_per_mtok_out=parts[1], usd_per_mtok_cached=cached, arm=arm or None)


def load_prices(path: str | Path) -> tuple[ListedPrice, ...]:
    """Read a price file: TOML with one `[[prices]]` table per model.

    Raises:
        UserError: It is missing or not a price file; the message names the table.
    """
    try:
        data = tomllib.loads(read_whole(Path(path)))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"`prices` {path}: not valid TOML ({' '.join(str(error).split())})") from None
    tables = data.get("prices")
    if set(data) != {"prices"} or not isinstance(tables, list) or not tables:
        raise UserError(f"`prices` {path}: write one [[prices]] table per model, and nothing else")
    found: list[ListedPrice] = []
    for number, table in enumerate(tables, 1):
        try:
            listed = ListedPrice.model_validate(table)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the table"
            raise UserError(f"`prices` {path}: table {number}: {where}: {first['msg']}") from None
        amounts = [value for _, value in listed if isinstance(value, float)]
        if not all(map(math.isfinite, amounts)):
            raise UserError(f"`prices` {path}: table {number}: prices must be finite")
        if any(one.model == listed.model for one in found):
            raise UserError(f"`prices` {path}: table {number}: {listed.model} is listed twice; keep one")
        found.append(listed)
    return tuple(found)


def check_prices(arms: Sequence[Arm], prices: Prices) -> None:
    """Refuse a typed token price that applies to no arm.

    Raises:
        UserError: There is one.
    """
    used = {price for arm in arms if (price := prices.of_arm(arm)) is not None}
    for price in prices.tokens:
        if price.arm is not None and price not in used:
            names = ", ".join(arm.spec for arm in arms)
            raise UserError(f"`usd_per_mtok` prices {price.arm!r}, which is not an arm; the arms are {names}")


def tokens_usd(price: TokenPrice, workload: Workload, k: int) -> float:
    """Price k samples per task of a served model: each is a request of its own and is charged for its prompt.

    No cached or hidden tokens are planned for, since only a server's answer reports them. In the paper's convention
    every sample is a pass over 128 input tokens.
    """
    return k * price.usd(workload.prompt_tokens, workload.output_tokens)


def devices_usd(usd_per_hour: float, devices: int, runtime_s: float) -> float:
    """Price `devices` devices for a time, at a rate per device and hour."""
    return usd_per_hour * devices * runtime_s / SECONDS_PER_HOUR
