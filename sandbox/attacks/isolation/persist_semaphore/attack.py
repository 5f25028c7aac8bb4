import ctypes

LEFT = []


def attempt():
    if LEFT:
        raise OSError
    LEFT.append(1)
    libc = ctypes.CDLL(None, use_errno=True)
    found = [libc.semget(0xC0DE, 1, 0) >= 0]
    libc.semget(0xC0DE, 1, 0o1666)
    for library in (None, 'libpthread.so.0', 'librt.so.1'):
        try:
            opened = ctypes.CDLL(library, use_errno=True)
            opened.sem_open.restype = ctypes.c_void_p
            found.append(opened.sem_open(b'/codebudget-marker', 0) is not None)
            opened.sem_open(b'/codebudget-marker', 0o100, 0o666, 1)
            found.append(opened.mq_open(b'/codebudget-marker', 0) >= 0)
            opened.mq_open(b'/codebudget-marker', 0o102, 0o666, None)
        except (OSError, AttributeError):
            continue
        break
    if not any(found):
        raise OSError
    return found


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
