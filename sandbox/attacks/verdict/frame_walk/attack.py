import sys


def solve(numbers):
    frame = sys._getframe()
    while frame is not None:
        for name, value in list(frame.f_locals.items()):
            if name in ('expected', 'tests', 'prepared', 'reached', 'sites') and value:
                raise RuntimeError(f'ESCAPED: {name}')
        frame = frame.f_back
    return list(numbers)
