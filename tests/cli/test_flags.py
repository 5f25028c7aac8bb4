"""Messages of the library in the words of the command line."""

import pytest
from codebudget.cli.flags import named_by_flags, with_flags
from codebudget.errors import MachineError, UserError

FLAGS = {"out": "--out DIR", "ranker_files": "--ranker-file FILE", "allow_limits": "--allow-limits"}


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("name another folder with `out`", "name another folder with --out DIR"),
        ("`ranker_files=a b.py`: there is no such file", "--ranker-file a b.py: there is no such file"),
        ("`ranker_files=`id`.py` lies in the run", "--ranker-file `id`.py lies in the run"),
        ("give `allow_limits` to let it have that", "give --allow-limits to let it have that"),
        ("`unknown` and `Out` stay", "`unknown` and `Out` stay"),
    ],
)
def test_a_parameter_is_its_flag(message: str, shown: str) -> None:
    assert with_flags(message, FLAGS) == shown


def test_an_error_keeps_its_kind() -> None:
    with pytest.raises(MachineError, match="--out DIR"), named_by_flags(FLAGS):
        raise MachineError("no room in `out`")
    with pytest.raises(UserError, match=r"^plain$"), named_by_flags(FLAGS):
        raise UserError("plain")
