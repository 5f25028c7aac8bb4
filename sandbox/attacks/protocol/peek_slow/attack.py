import os
import socket
import struct
import time

SO_PEEK_OFF = 42
channel = socket.socket(fileno=3)


def look(place, count):
    """Bytes of the channel from `place` on, which stay in it."""
    data = b''
    while len(data) < place + count:
        data = channel.recv(place + count, socket.MSG_PEEK | socket.MSG_WAITALL)
    return data[place:]


def say(payload):
    channel.sendall(struct.pack('!IB', len(payload), 6) + payload)


def solve(numbers):
    pass


say(b'L')
place = 0
# Answers rightly without taking one call, so that the channel fills up, and takes its time for the last but one.
for number in range(8):
    length, _ = struct.unpack('!IB', look(place, 5))
    nonce = look(place + 6, 8)
    if number == 6:
        time.sleep(9)
    say(b'V' + nonce + b'Vj' + bytes([number]))
    place += 5 + length
time.sleep(30)
