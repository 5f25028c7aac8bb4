"""Results of the functions: records that show themselves as text, in Rich and in notebooks, and write files."""

from __future__ import annotations

import html
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from .._util.outputs import write_text
from ..errors import UserError
from ..report.checkpoints import checkpoint_as_json, print_checkpoint
from ..report.components import components_as_json, print_components, write_components_page
from ..report.curves import describe_lengths, print_curve
from ..report.divergence import divergence_as_json, print_divergence
from ..report.files import answer_as_json, write_reports
from ..report.macro import print_answer
from ..report.outliers import outliers_as_json, print_outliers
from ..report.plans import plans_as_json, print_plans
from ..report.ranked import print_ranked, ranked_as_json

if TYPE_CHECKING:
    from rich.text import Text

    from ..compression.quantise import Made
    from ..experiment.components import Swept
    from ..experiment.curves import Curve
    from ..experiment.diverging import Diverged
    from ..experiment.files import ExecutedFiles
    from ..experiment.outliers import FoundOutliers
    from ..experiment.planning import Planned
    from ..experiment.ranking import Ranked
    from ..records import Comparison, MacroComparison, Plan

_PAGE = '<!doctype html>\n<meta charset="utf-8">\n<title>codebudget</title>\n<pre>{}</pre>\n'


class Shown(ABC):
    """A result that can be viewed and saved."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the command's --json output."""

    @abstractmethod
    def _print(self) -> None:
        """Print the command's output."""

    def write(self, path: str | Path) -> None:
        """Write a file by its ending: .html, .md, .json or .txt.

        Raises:
            UserError: The ending is another, or a link or no plain file is there.
            MachineError: The file cannot be written.
        """
        path = Path(path)
        texts = {
            ".json": lambda: json.dumps(self.to_dict()) + "\n",
            ".txt": lambda: str(self),
            ".md": lambda: f"```text\n{self}```\n",
            ".html": lambda: _PAGE.format(html.escape(str(self))),
        }
        if path.suffix.lower() not in texts:
            raise UserError(f"{path}: use a file name ending in {', '.join(texts)}")
        write_text(path, texts[path.suffix.lower()]())

    def __str__(self) -> str:
        with redirect_stdout(io.StringIO()) as out:
            self._print()
        return out.getvalue()

    def __rich__(self) -> Text:
        from rich.text import Text

        return Text(str(self).rstrip("\n"))

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


class Plans(Shown, Sequence["Plan"]):
    """Plans, one per arm in the order named; `terms` has their workload and conditions."""

    def __init__(self, planned: Planned) -> None:
        self.terms = planned

    @overload
    def __getitem__(self, place: int) -> Plan: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Plan]: ...
    def __getitem__(self, place: int | slice) -> Plan | Sequence[Plan]:
        return self.terms.plans[place]

    def __len__(self) -> int:
        return len(self.terms.plans)

    def __repr__(self) -> str:
        return f"Plans({', '.join(f'{plan.arm.spec} x{plan.k}' for plan in self)})"

    def to_dict(self) -> dict[str, Any]:
        """Return `codebudget plan --json`."""
        return plans_as_json(self.terms)

    def _print(self) -> None:
        print_plans(self.terms)


class _Compared(Shown):
    """A comparison on one benchmark or several."""

    @abstractmethod
    def _answer(self) -> Comparison | MacroComparison:
        """Return the record."""

    def to_dict(self) -> dict[str, Any]:
        """Return `codebudget compare --json`."""
        return answer_as_json(self._answer())

    def write(self, path: str | Path) -> None:
        """Write a report by its ending: .html (a page that opens from the file), .md, .json or .txt.

        Raises:
            UserError: The ending is another, or a link or no plain file is there.
            MachineError: The file cannot be written.
        """
        if Path(path).suffix.lower() in (".html", ".md"):
            write_reports(self._answer(), [Path(path)])
        else:
            super().write(path)

    def _print(self) -> None:
        print_answer(self._answer())


class ComparisonResult(_Compared):
    """A comparison: `record` has every number, `record.verdict` the two sentences."""

    def __init__(self, record: Comparison) -> None:
        self.record = record

    def _answer(self) -> Comparison:
        return self.record


class MacroComparisonResult(_Compared):
    """A comparison on several benchmarks: `record.benchmarks` has one on each, `record.arms` the means over them."""

    def __init__(self, record: MacroComparison) -> None:
        self.record = record

    def _answer(self) -> MacroComparison:
        return self.record


class ExecutionResult(Shown):
    """Graded files: `record.pass_at_k` by k, `record.statuses`, and the rows' `record.path`."""

    def __init__(self, record: ExecutedFiles) -> None:
        self.record = record

    def to_dict(self) -> dict[str, Any]:
        """Return `codebudget execute --json`, without the time it took."""
        recorded = {} if self.record.recorded is None else {"recorded": self.record.recorded.as_json()}
        return {
            "tasks": self.record.tasks,
            "programs": sum(self.record.statuses.values()),
            "passed": self.record.statuses.get("passed", 0),
            "statuses": self.record.statuses,
            "pass_at_k": self.record.pass_at_k,
            **recorded,
        }

    def _print(self) -> None:
        counted = ", ".join(f"{count} {status}" for status, count in self.record.statuses.items())
        print(f"{sum(self.record.statuses.values())} programs: {counted}")
        if self.record.recorded is not None:
            print(self.record.recorded.line)
        print({f"pass@{k}": value for k, value in self.record.pass_at_k.items()})


class RankingResult(Shown):
    """Ranked candidates: `record.rankers` by name, `record.pass_at_k`, and `record.rows`, best first."""

    def __init__(self, record: Ranked, tasks: int) -> None:
        self.record = record
        self._tasks = tasks

    def to_dict(self) -> dict[str, Any]:
        """Return `codebudget rank --json`, without the time it took and the file."""
        whole = ranked_as_json(self.record, None, 0.0)
        return {name: value for name, value in whole.items() if name not in ("out", "wall_s")}

    def _print(self) -> None:
        print_ranked(self.record, self._tasks, None)


class CurveResult(Shown):
    """Scores over budgets: `record.arms`, `record.budgets` and `record.crossings`."""

    def __init__(self, record: Curve) -> None:
        self.record = record

    def to_dict(self) -> dict[str, Any]:
        """Return `codebudget curve --json`."""
        return self.record.model_dump(mode="json", exclude={"schema_version"})

    def _print(self) -> None:
        print_curve(self.record, describe_lengths(self.record))


class DivergenceResult(Shown):
    """A divergence: `record.metrics.other` and `.floor`, `record.programs`, and the ids in `record.ids`."""

    def __init__(self, record: Diverged) -> None:
        self.record = record

    def to_dict(self) -> dict[str, Any]:
        """Return `codebudget diverge --json`."""
        return divergence_as_json(self.record)

    def _print(self) -> None:
        print_divergence(self.record)


class OutliersResult(Shown):
    """Outlier dimensions: `record.outliers.dimensions`, `.plain_int8` and `.sentence`."""

    def __init__(self, record: FoundOutliers) -> None:
        self.record = record

    def to_dict(self) -> dict[str, Any]:
        """Return `codebudget outliers --json`."""
        return outliers_as_json(self.record)

    def _print(self) -> None:
        print_outliers(self.record)


class ComponentsResult(Shown):
    """A sweep over components: `record.quantised` or `record.pruned`, and `record.mixed()`, the recipe it ends with."""

    def __init__(self, record: Swept) -> None:
        self.record = record

    def to_dict(self) -> dict[str, Any]:
        """Return `codebudget components --json`."""
        return components_as_json(self.record)

    def write(self, path: str | Path) -> None:
        """Write the map by its ending, .html, .md, .json or .txt, or the mixed recipe as .toml.

        Raises:
            UserError: The ending is another, a link or no plain file is there, or there is no recipe.
            MachineError: The file cannot be written.
        """
        if Path(path).suffix.lower() == ".toml":
            write_text(Path(path), self.record.mixed().as_toml())
        elif Path(path).suffix.lower() == ".html":
            write_components_page(self.record, Path(path))
        else:
            super().write(path)

    def _print(self) -> None:
        print_components(self.record)


class CheckpointResult(Shown):
    """A checkpoint in fewer bits: `path`, and the record of how it was made."""

    def __init__(self, made: Made) -> None:
        self.path = made.path
        self.record = made.record
        self._made = made

    def to_dict(self) -> dict[str, Any]:
        """Return what `codebudget quantise --json` prints."""
        return checkpoint_as_json(self._made)

    def _print(self) -> None:
        print_checkpoint(self._made)
