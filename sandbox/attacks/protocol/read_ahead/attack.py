import socket
import time


def solve(numbers):
    channel = socket.socket(fileno=3)
    time.sleep(0.05)
    try:
        ahead = channel.recv(1 << 16, socket.MSG_DONTWAIT | socket.MSG_PEEK)
    except BlockingIOError:
        ahead = b''
    finally:
        channel.detach()
    if ahead:
        raise RuntimeError('ESCAPED: a call before its time')
    return list(numbers)
