import os
import resource


def attempt():
    kinds = [getattr(resource, name) for name in dir(resource) if name.startswith('RLIMIT_')]
    for kind in kinds:
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY:
            continue
        try:
            resource.setrlimit(kind, (hard + 1, hard + 1))
            return kind
        except (OSError, ValueError):
            pass
    raise OSError


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
