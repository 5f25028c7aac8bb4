import socket


def attempt():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b'@', ('127.0.0.1', @UDP_PORT@))
    try:
        return socket.getaddrinfo('example.com', 80)
    except socket.gaierror as error:
        raise OSError from error


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
