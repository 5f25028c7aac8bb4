"""What the tests of several folders share; `tests` is on pytest's path, so that they import it as `support`."""
