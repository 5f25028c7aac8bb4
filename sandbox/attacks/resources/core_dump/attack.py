import os
import resource


def solve(numbers):
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    except (OSError, ValueError):
        pass
    if hard:
        raise RuntimeError(f'ESCAPED: core dumps of {hard} bytes')
    os.abort()
