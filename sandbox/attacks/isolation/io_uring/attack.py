import ctypes
import platform


def attempt():
    libc = ctypes.CDLL(None, use_errno=True)
    parameters = ctypes.create_string_buffer(256)
    numbers = {'io_uring_setup': 425, 'userfaultfd': {'x86_64': 323}.get(platform.machine(), 282)}
    for name, number in numbers.items():
        arguments = (4, parameters) if name == 'io_uring_setup' else (0,)
        if libc.syscall(number, *arguments) >= 0:
            return name
    parameters[0:8] = (1).to_bytes(4, 'little') + (112).to_bytes(4, 'little')
    if libc.syscall({'x86_64': 298}.get(platform.machine(), 241), parameters, 0, -1, -1, 0) >= 0:
        return 'perf_event_open'
    raise OSError


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
