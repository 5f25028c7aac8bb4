import os
import time


def solve(numbers):
    reader = os.open('/proc/self/fd/1', os.O_RDONLY)
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        os.write(1, bytes(4096))
        os.read(reader, 4096)
    return list(numbers)
