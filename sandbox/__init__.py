"""Task x Candidate -> Verdict: untrusted programs, graded where they cannot reach the tests.

from codebudget.sandbox import Job, Sandbox, choose_launcher

with Sandbox(choose_launcher("auto").launcher) as sandbox:
    check = next(sandbox.check([task]))
    place, verdict = next(sandbox.grade([Job(task, check, program)]))
"""

from .launchers import LAUNCHERS, Choice, choose_launcher
from .sandbox import Job, Sandbox

__all__ = ["LAUNCHERS", "Choice", "Job", "Sandbox", "choose_launcher"]
