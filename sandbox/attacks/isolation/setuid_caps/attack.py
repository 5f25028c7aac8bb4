import os
import socket


def socket_name():
    socket.sethostname('owned')


def attempt():
    calls = [lambda: os.setuid(0), lambda: os.setgroups([0]), lambda: os.chroot('/tmp'), lambda: os.mknod('/tmp/disk', 0o60666, 0x800),
             lambda: os.chown('/tmp', 0, 0), lambda: os.nice(-5), lambda: socket_name()]
    for number, call in enumerate(calls):
        try:
            call()
            return number
        except OSError:
            pass
    raise OSError


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
