import os
import signal
import time


def leave(number, frame):
    os.kill(os.getpid(), signal.SIGTERM)
    raise SystemExit(0)


signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGALRM, leave)


def solve(numbers):
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    time.sleep(0.5)
    return ["not this"]
