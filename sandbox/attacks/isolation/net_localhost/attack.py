import socket


def attempt():
    for address in ('127.0.0.1', 'localhost', '0.0.0.0', '172.17.0.1', 'host.docker.internal'):
        try:
            with socket.create_connection((address, @TCP_PORT@), timeout=0.1):
                return address
        except OSError:
            pass
    raise OSError


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
