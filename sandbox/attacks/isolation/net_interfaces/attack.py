import socket


def attempt():
    names = [name for _, name in socket.if_nameindex() if name not in ('lo', 'sit0', 'tunl0', 'ip6tnl0')]
    if not names:
        raise OSError
    return names


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
