"""Reading of a run directory, possibly a stranger's: each file within its bounds, and checked for its kind."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import ValidationError

from .._util.printable import one_line
from ..errors import UserError
from . import files, strict_json
from .differences import difference
from .rows import parse_row

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .differences import Difference
    from .rows import AnyRow
    from .strict_json import Model

MOST_NAMED = 100
"""Strange files or fields to report one by one."""


class RunFileError(UserError):
    """A file of a run is not what it should be.

    Attributes:
        differences: The same, as a verifier reports it.
    """

    def __init__(self, message: str, differences: Sequence[Difference]) -> None:
        super().__init__(message)
        self.differences = differences


class JsonFile(NamedTuple):
    """A file that holds an object: its place, its bytes and the object."""

    path: Path
    data: bytes
    value: dict[str, Any]

    def model(self, kind: type[Model]) -> Model:
        """Get it as a model.

        Raises:
            RunFileError: It is not of that kind.
        """
        try:
            return kind.model_validate_json(self.data, strict=True)
        except ValidationError as error:
            wrong = error.errors(include_url=False)[:MOST_NAMED]
            places = [".".join(map(str, one["loc"])) for one in wrong]
            raise RunFileError(
                f"{self.path}: {one_line(places[0])}: {wrong[0]['msg']}; get the run again, or verify it",
                [
                    difference(self.path.name, "", place, one.get("input"), one["msg"])
                    for place, one in zip(places, wrong, strict=True)
                ],
            ) from None


class RunFolder:
    """A run directory; nothing is read before it is asked for.

    Args:
        path: The directory.
        exact: Refuse a file of JSON that is not written as a run writes it, byte for byte.
    """

    def __init__(self, path: Path, *, exact: bool = False) -> None:
        self.path = path
        self._exact = exact

    def lacking(self, names: Sequence[str] = files.NAMES) -> list[str]:
        """List those of `names` missing here."""
        return [name for name in names if not os.path.lexists(self.path / name)]

    def there(self) -> list[str]:
        """List the names of a run's files that are here."""
        lacking = self.lacking(files.KNOWN)
        return [name for name in files.KNOWN if name not in lacking]

    def strangers(self) -> list[str]:
        """List names foreign to a run; only some if there are very many.

        Raises:
            UserError: The directory cannot be read.
        """
        try:
            with os.scandir(self.path) as entries:
                # There may be millions that do not belong there.
                there = {entry.name for entry in islice(entries, len(files.KNOWN) + MOST_NAMED)}
        except OSError as error:
            raise UserError(f"{self.path} cannot be read ({error.strerror}); fix its permissions") from None
        return sorted(there - set(files.KNOWN))

    def open(self, name: str) -> io.BufferedReader:
        """Open a file for reading.

        Raises:
            UserError: It is no plain file, cannot be read, or is too large for such a file of a run.
        """
        return files.open_file(self.path / name)

    def sha256(self, name: str) -> str:
        """Hash a file.

        Raises:
            UserError: As `open`.
        """
        return files.file_sha256(self.path / name)

    def text(self, name: str) -> str:
        """Read text.

        Raises:
            RunFileError: It is not text in UTF-8, or as `open`.
        """
        try:
            return files.read_bytes(self.path / name).decode("utf-8")
        except ValueError as error:
            raise self._wrong(name, f"is not UTF-8 text: {error}", "UTF-8 text", str(error)) from None

    def json(self, name: str) -> JsonFile:
        """Read JSON.

        Raises:
            RunFileError: It is no object, or no JSON fit for computing, or as `open`.
        """
        try:
            data = files.read_bytes(self.path / name)
            value = strict_json.parse(data)
        except UserError as error:
            raise RunFileError(str(error), [difference(name, "", "", "JSON", str(error))]) from None
        except ValueError as error:
            raise self._wrong(name, f"is not the JSON of a run: {error}", "JSON", str(error)) from None
        if not isinstance(value, dict):
            raise self._wrong(name, "must contain a JSON object", "an object", type(value).__name__)
        if self._exact and not files.is_json_bytes(data, value):
            raise self._wrong(
                name, "is not formatted as a run writes it", "JSON with sorted keys", "formatted otherwise"
            )
        return JsonFile(self.path / name, data, value)

    def model(self, name: str, kind: type[Model]) -> Model:
        """Read JSON as a model.

        Raises:
            RunFileError: It is not of that kind, or as `json`.
        """
        return self.json(name).model(kind)

    def rows(self, name: str, kind: type[AnyRow]) -> Iterator[AnyRow]:
        """Yield the rows of a file in order, each read when asked for.

        Raises:
            RunFileError: One is no such row, or the file is damaged or holds more than a run; or as `open`.
        """
        lines = enumerate(files.read_lines(self.path / name), 1)
        while True:
            try:
                number, line = next(lines)
            except StopIteration:
                return
            except UserError as error:
                raise RunFileError(str(error), [difference(name, "", "", "rows", str(error))]) from None
            try:
                row = parse_row(line, kind)
            except ValueError as error:
                raise self._wrong_row(name, number, str(error), "a row of a run") from None
            if self._exact and line != files.row_bytes(row.dump()):
                raise self._wrong_row(name, number, "formatted otherwise", line[:MOST_NAMED].decode("utf-8", "replace"))
            yield row

    def _wrong(self, name: str, what: str, recorded: str, found: str) -> RunFileError:
        message = f"{self.path / name} {what}; get the run again, or verify it"
        return RunFileError(message, [difference(name, "", "", recorded, found)])

    def _wrong_row(self, name: str, number: int, found: str, recorded: str) -> RunFileError:
        message = f"{self.path / name}:{number}: {found}; get the run again"
        return RunFileError(message, [difference(name, f"row {number}", "", recorded, found)])
