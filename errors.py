"""Errors that codebudget raises on purpose.

`UserError` is a mistake that the user can fix (exit code 2); `MachineError` is something this machine cannot do (exit
code 3). Each message is one line that names the fix.
"""


class CodebudgetError(Exception):
    """Root of codebudget's own errors."""

    exit_code = 3


class UserError(CodebudgetError, ValueError):
    """The input is wrong; the message names what to change."""

    exit_code = 2


class MachineError(CodebudgetError, RuntimeError):
    """The machine lacks something (an engine, weights, a sandbox); the message names the ways forward."""

    exit_code = 3


class RankerError(UserError):
    """A ranker broke its contract or failed; the message names it and where it comes from."""


class UndefinedEstimateError(UserError):
    """A metric is not defined for these numbers, such as pass@k with fewer than k samples."""


class SandboxError(MachineError):
    """The sandbox itself failed, so that no verdict about a candidate can be given."""


class EngineError(MachineError):
    """A sampling engine cannot be started, or failed while drawing."""
