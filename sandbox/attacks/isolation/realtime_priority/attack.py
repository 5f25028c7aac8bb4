import os


def attempt():
    for policy in (os.SCHED_FIFO, os.SCHED_RR):
        try:
            os.sched_setscheduler(0, policy, os.sched_param(99))
            return policy
        except OSError:
            pass
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    return 'nice'


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
