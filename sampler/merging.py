"""Several stores -> one: what each of them drew, graded and ranked, unless they disagree."""

from __future__ import annotations

import json
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic import ValidationError

from .._util.hashing import record_text
from .._util.outputs import check_output
from .._util.printable import quoted
from ..errors import MachineError, UserError
from .late import KIND as DESCRIPTIONS
from .series import KIND as SERIES
from .series import Series, Tally, stored_series
from .store import CANDIDATE_FIELDS, KEYS_PER_QUERY, open_store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .._util.progress import Progress
    from .engine import Description
    from .store import Store

_MEASURED: Final = frozenset({"cpu_s", "wall_s", "busy_s", "peak_bytes"})
"""What clocks and meters say, which is another number every time."""

_RANKINGS: Final = "rankings"
"""The kind of record that ends with scores by the k that a budget left, of which each machine has those it needed."""

_VERDICT: Final = ("status", "integrity", "tests_run", "tests_expected")

Open = Callable[["Path"], "Store"]

_KNOWN: Final = ("candidates", "records", "verdicts")
_WHAT: Final = {"candidates": "samples", "verdicts": "verdicts", "records": "results"}


class Merged(NamedTuple):
    """The joined store's number of samples and verdicts, and of samples that more than one store had."""

    samples: int
    verdicts: int
    shared: int


def merge_stores(
    paths: Sequence[Path], out: Path, *, key: bytes, notice: Callable[[str], None], progress: Progress
) -> Merged:
    """Make one store of several: the same whatever their order.

    What drawing took is added up over the stores. Rows keep their owners' proofs, so that verdicts which somebody
    else's key made are recomputed later, as in the stores they come from.

    Args:
        paths: The stores.
        out: The store to make; it appears once it is complete.
        key: This user's key.
        notice: Told where rows are not this user's.
        progress: Told how many stores are done.

    Raises:
        UserError: `out` exists; one of the paths is no store, or is named twice; or two stores disagree: about the
            engine that drew one model's samples, about a sample's text, a verdict or another result.
        MachineError: A store cannot be read, or the new one not written.
    """
    _check_paths(paths, out)
    out.parent.mkdir(parents=True, exist_ok=True)
    made_at = out.with_name(f".codebudget-{secrets.token_hex(8)}.partial")
    try:
        # One after another: a thousand at once would be more files than a process may have open.
        opened = partial(open_store, key=key, notice=notice)
        _check_engines(paths, opened)
        with opened(made_at) as made:
            merge = _Merge(paths, opened, made)
            for place in range(len(paths)):
                merge.add(place)
                progress("merging", place + 1, len(paths))
            merge.add_series()
            counts = Counter({table: sum(1 for _ in made.rows_of(table)) for table in ("candidates", "verdicts")})
        if out.exists():
            raise UserError(f"{out} exists by now; choose another file with `store`")
        made_at.rename(out)
    except OSError as error:
        raise MachineError(f"{out} cannot be written ({error.strerror or error}); choose another `store`") from None
    finally:
        for ending in ("", "-wal", "-shm"):
            made_at.with_name(made_at.name + ending).unlink(missing_ok=True)
    return Merged(counts["candidates"], counts["verdicts"], merge.shared)


def _check_paths(paths: Sequence[Path], out: Path) -> None:
    for path in paths:
        if not path.is_file():
            raise UserError(f"{path} is not a store; name files such as shard-1.sqlite")
    resolved = [path.resolve() for path in paths]
    twice = next((path for path in paths if resolved.count(path.resolve()) > 1), None)
    if twice is not None:
        raise UserError(f"{twice} is named twice; name each store once")
    if out.exists():
        raise UserError(
            f"{out} exists, and a merged store is a new file: choose another with `store`, or name {out} among the "
            "stores and make a third"
        )
    check_output(out, "`store`")


def _check_engines(paths: Sequence[Path], opened: Open) -> None:
    """Refuse samples that were asked for in the same way and drawn by different engines in different stores."""
    found: defaultdict[str, dict[int, dict[str, Description]]] = defaultdict(dict)
    names: dict[str, str] = {}
    for place, path in enumerate(paths):
        with opened(path) as store:
            listed = list(stored_series(store))
        for one in listed:
            asked = record_text(one, {"model", "precision", "benchmark"}) + record_text(
                one.origin, {"settings", "seed"}
            )
            names[asked] = f"{one.model}@{one.precision} for {one.benchmark}"
            description = one.origin.description
            found[asked].setdefault(place, {})[record_text(description)] = description
    for asked, by_store in found.items():
        first, of_first = next(iter(by_store.items()))
        for place, descriptions in by_store.items():
            if descriptions.keys().isdisjoint(of_first):
                difference = _difference(next(iter(of_first.values())), next(iter(descriptions.values())))
                raise UserError(
                    f"{paths[first]} and {paths[place]} have samples of {names[asked]} that different "
                    f"engines drew ({difference}); leave one out, and draw its part again on a machine like the others"
                )


def _difference(one: Description, other: Description) -> str:
    return ", ".join(
        f"{name}: {quoted(str(value))} and {quoted(str(getattr(other, name)))}"
        for name, value in one
        if value != getattr(other, name)
    )


class _Merge:
    """The new store while rows are added to it."""

    def __init__(self, paths: Sequence[Path], opened: Open, made: Store) -> None:
        self._paths = paths
        self._opened = opened
        self._made = made
        self._series: dict[str, list[tuple[Series, dict[str, Any]]]] = defaultdict(list)
        self.shared = 0

    def add(self, place: int) -> None:
        """Add a store's rows."""
        with self._opened(self._paths[place]) as store:
            for table in self._made.tables:
                batch: list[Mapping[str, Any]] = []
                for row in store.rows_of(table):
                    if table == "records" and row["kind"] == SERIES:
                        self._series[row["key"]].append((_series(store, row["value"]), row))
                        continue
                    kept = self._kept(table, row, place)
                    if kept is not None:
                        batch.append(kept)
                    if len(batch) == KEYS_PER_QUERY:
                        self._made.put_rows(table, batch)
                        batch = []
                self._made.put_rows(table, batch)

    def add_series(self) -> None:
        """Add the records of what made the samples, with what drawing took in all stores."""
        for key, found in self._series.items():
            if len(found) == 1 or any(not self._made.is_own_row("records", row) for _, row in found):
                # Somebody else's stays so, and its numbers are not mixed with one's own.
                self._made.put_rows("records", [min((row for _, row in found), key=lambda row: str(row["value"]))])
                continue
            tallies = sorted((one.tally for one, _ in found), key=lambda tally: tally.usage.wall_s or 0.0)
            merged = found[0][0].model_copy(update={"tally": reduce(Tally.plus, tallies)})
            self._made.put_records(SERIES, {key: merged.model_dump(mode="json")})

    def _kept(self, table: str, row: dict[str, Any], place: int) -> Mapping[str, Any] | None:
        """Choose between a row and one that is there already; None keeps that."""
        key = tuple(row[name] for name in self._made.tables[table].key)
        there = self._made.row_of(table, key)
        if there is None:
            return row
        if table == "candidates":
            self.shared += 1
        if table not in _KNOWN:
            raise UserError(f"{self._paths[place]}: has rows of {table}, which are not known how to be merged")
        mine, its = self._made.is_own_row(table, row), self._made.is_own_row(table, there)
        # What another user's key made is not believed anyway; samples are, where the store was named.
        believed = table == "candidates" or mine == its
        if believed and not _agree(table, row, there):
            raise self._disagreement(table, key, row, place)
        if mine != its:
            return row if mine else None
        if mine and table == "records" and row["kind"] == _RANKINGS:
            self._made.put_records(_RANKINGS, {row["key"]: _joined(row["value"], there["value"])})
            return None
        return min(row, there, key=lambda one: ascii(sorted(one.items())))

    def _disagreement(self, table: str, key: tuple[Any, ...], row: Mapping[str, Any], place: int) -> UserError:
        other = next(path for path in self._paths[:place] if self._differs(path, table, key, row))
        about = ""
        if table == "candidates":
            about = f" (sample {row['place']} of {quoted(str(row['task_id']))} by {row['arm']})"
        elif table == "records":
            about = f" ({row['kind']})"
        return UserError(
            f"{other} and {self._paths[place]} have different {_WHAT[table]} under one key{about}, and one "
            "machine would have one; leave one of the stores out"
        )

    def _differs(self, path: Path, table: str, key: tuple[Any, ...], row: Mapping[str, Any]) -> bool:
        with self._opened(path) as store:
            found = store.row_of(table, key)
        return found is not None and not _agree(table, found, row)


def _series(store: Store, value: object) -> Series:
    try:
        return Series.model_validate_json(str(value))
    except ValidationError:
        raise UserError(f"{store.path} is damaged (what made its samples cannot be read); leave it out") from None


def _agree(table: str, row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two rows under one key say the same but for what was measured."""
    one, its = _content(table, row), _content(table, other)
    if table == "records" and row["kind"] == _RANKINGS and isinstance(one, list) and isinstance(its, list):
        (*first, scores), (*its_first, its_scores) = one, its
        return first == its_first and all(scores[k] == its_scores[k] for k in scores.keys() & its_scores.keys())
    return one == its


def _content(table: str, row: Mapping[str, Any]) -> object:
    """Extract from a row what two machines must agree on."""
    if table == "candidates":
        return tuple(row["place" if field == "index" else field] for field in CANDIDATE_FIELDS)
    if table == "records" and row["kind"] == DESCRIPTIONS:
        # Looked at again whenever the engine starts.
        return None
    try:
        value = json.loads(row["value"])
    except (ValueError, TypeError, RecursionError):
        return row["value"]
    if table == "verdicts" and isinstance(value, dict):
        return [value.get(name) for name in _VERDICT]
    return _unmeasured(value)


def _joined(one: str, other: str) -> list[Any]:
    """Join two of the same rankings: one of the two, with the scores of both at k that a budget left."""
    (*first, scores), (*_, more) = sorted((json.loads(one), json.loads(other)), key=lambda value: ascii(value[:-1]))
    return [*first, dict(sorted({**scores, **more}.items()))]


def _unmeasured(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unmeasured(one) for name, one in value.items() if name not in _MEASURED}
    if isinstance(value, list):
        return [_unmeasured(one) for one in value]
    return value
