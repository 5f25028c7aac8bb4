import os


def solve(numbers):
    held = 0
    for _ in range(56):
        fd = os.memfd_create('filler')
        for _ in range(60):
            held += os.write(fd, bytes(1 << 20))
    if held > 3 << 30:
        raise RuntimeError(f'ESCAPED: {held >> 20} MiB in memory')
    return list(numbers)
