import time


def solve(numbers):
    for clock in (time.CLOCK_REALTIME, time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME):
        try:
            time.clock_settime(clock, 0.0)
        except OSError:
            continue
        raise RuntimeError(f'ESCAPED: clock {clock}')
    while time.monotonic() > 0:
        pass
