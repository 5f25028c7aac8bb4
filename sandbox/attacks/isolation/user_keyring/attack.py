import ctypes
import platform

KEY_SPEC_USER_KEYRING = -4
ADD_KEY, KEYCTL = {'x86_64': (248, 250)}.get(platform.machine(), (217, 219))
libc = ctypes.CDLL(None, use_errno=True)


def attempt():
    if libc.syscall(KEYCTL, 10, KEY_SPEC_USER_KEYRING, b'user', b'left-behind', 0) >= 0:
        return 'a key of the last program'
    raise OSError


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        libc.syscall(ADD_KEY, b'user', b'left-behind', b'x', 1, KEY_SPEC_USER_KEYRING)
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
