import ctypes


def attempt():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x10000000 | 0x00020000) != 0 or libc.mount(b'none', b'/tmp', b'tmpfs', 0, None) != 0:
        raise OSError
    return 'mounted'


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
