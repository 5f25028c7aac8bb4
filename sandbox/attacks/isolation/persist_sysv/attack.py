import ctypes

LEFT = []


def attempt():
    libc = ctypes.CDLL(None, use_errno=True)
    if LEFT:
        raise OSError
    LEFT.append(1)
    found = libc.shmget(0xC0DE, 4096, 0), libc.msgget(0xC0DE, 0)
    libc.shmget(0xC0DE, 4096, 0o1666)
    libc.msgget(0xC0DE, 0o1666)
    if max(found) < 0:
        raise OSError
    return found


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
