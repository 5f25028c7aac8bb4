import os
import resource


def attempt():
    worker = os.getppid() or 1
    if worker == os.getpid():
        raise OSError
    calls = [
        lambda: resource.prlimit(worker, resource.RLIMIT_NOFILE, (3, 3)),
        lambda: os.sched_setaffinity(worker, {min(os.sched_getaffinity(0))}),
        lambda: os.setpriority(os.PRIO_PROCESS, worker, 19),
    ]
    for number, call in enumerate(calls):
        try:
            call()
            return number
        except OSError:
            pass
    raise OSError


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
