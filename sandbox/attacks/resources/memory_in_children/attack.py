import os
import time


def solve(numbers):
    heard, tell = os.pipe()
    for _ in range(8):
        if os.fork() == 0:
            block = bytearray(400 << 20)
            block[::4096] = b'x' * len(block[::4096])
            os.write(tell, b'x')
            time.sleep(600)
    os.close(tell)
    holding, end = 0, time.monotonic() + 0.8
    os.set_blocking(heard, False)
    while holding < 8 and time.monotonic() < end:
        try:
            holding += len(os.read(heard, 8))
        except BlockingIOError:
            time.sleep(0.01)
    if holding == 8:
        raise RuntimeError('ESCAPED: 3 GiB held at once')
    return list(numbers)
