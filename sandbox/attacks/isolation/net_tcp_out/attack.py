import socket


def attempt():
    with socket.socket() as listener:
        listener.setblocking(False)
        code = listener.connect_ex(('192.0.2.1', 80))
    if code not in (11, 115):
        raise OSError(code)
    return 'connecting'


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
