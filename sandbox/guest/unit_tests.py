"""Test cases of `unittest`, run one after another until one fails."""

from __future__ import annotations

from typing import Any, Sequence


class Result:
    """What `unittest` tells of its tests: the places of those that held, and what made the first other one fail.

    A test that is skipped does not hold; one that is expected to fail holds if it does. Not `unittest`'s own class,
    which would render every exception, and be imported in boxes that run no such tests.
    """

    failfast = True

    def __init__(self, tests: Sequence[Any]) -> None:
        self.shouldStop = False
        self.held: set[int] = set()
        self.error: BaseException | None = None
        self._places = {id(test): place for place, test in enumerate(tests)}

    def startTest(self, test: Any) -> None:
        """Do nothing."""

    def stopTest(self, test: Any) -> None:
        """Do nothing."""

    def addDuration(self, test: Any, elapsed_s: float) -> None:
        """Do nothing."""

    def addSkip(self, test: Any, reason: str) -> None:
        """Do nothing."""

    def addSuccess(self, test: Any) -> None:
        """Count a test."""
        self.held.add(self._places[id(test)])

    def addExpectedFailure(self, test: Any, error: Any) -> None:
        """Count a test."""
        self.addSuccess(test)

    def addUnexpectedSuccess(self, test: Any) -> None:
        """Record a failure."""
        self._fail(AssertionError(f"{test.id()} holds, and was expected to fail"))

    def addError(self, test: Any, error: Any) -> None:
        """Record a failure, of a test or of what is set up around several."""
        self._fail(error[1])

    addFailure = addError

    def addSubTest(self, test: Any, subtest: Any, error: Any) -> None:
        """Record a failure, if it is one."""
        if error is not None:
            self._fail(error[1])

    def _fail(self, error: BaseException) -> None:
        self.shouldStop = True
        if self.error is None:
            self.error = error


def run_test_cases(names: dict[str, Any], before: dict[str, Any]) -> set[int]:
    """Run all tests of the test cases that a module defines in its `names` and did not `before`.

    Returns:
        The places of the tests that held, counted in order of classes and, within one, of the names of methods.

    Raises:
        BaseException: what made a test fail.
    """
    import unittest

    classes = [
        value
        for name, value in names.items()
        if before.get(name) is not value
        and isinstance(value, type)
        and issubclass(value, unittest.TestCase)
        and value.__module__ == names["__name__"]
    ]
    suites = [unittest.defaultTestLoader.loadTestsFromTestCase(kind) for kind in dict.fromkeys(classes)]
    tests = [test for suite in suites for test in suite]
    result: Any = Result(tests)
    unittest.TestSuite(suites).run(result)
    if result.error is not None:
        raise result.error
    found: set[int] = result.held
    return found
