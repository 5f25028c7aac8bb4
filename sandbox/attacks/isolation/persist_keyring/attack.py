import ctypes
import platform


def attempt():
    libc = ctypes.CDLL(None, use_errno=True)
    add_key, keyctl = {'x86_64': (248, 250), 'aarch64': (217, 219)}[platform.machine()]
    key = libc.syscall(keyctl, 10, -3, b'user', b'codebudget-marker', 0)
    if key < 0:
        libc.syscall(add_key, b'user', b'codebudget-marker', b'x', 1, -3)
        raise OSError
    if LEFT:
        raise OSError
    return key


LEFT = []


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        LEFT.append(1)
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
