import os
import socket


def solve(numbers):
    for top in ('.', '/tmp', '/dev/shm'):
        try:
            os.symlink('@CANARY@', f'{top}/left-link')
            os.mkfifo(f'{top}/left-fifo')
            socket.socket(socket.AF_UNIX).bind(f'{top}/left-socket')
            os.symlink('/', f'{top}/left-root')
        except OSError:
            pass
    return list(numbers)
