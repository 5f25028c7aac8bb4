import socket


def attempt():
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect('\0@ABSTRACT@')
    return 'connected'


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
