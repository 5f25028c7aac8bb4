import os


def attempt():
    for pid in os.listdir('/proc'):
        if pid.isdigit() and int(pid) != os.getpid():
            for name in ('environ', 'mem', 'maps', 'cwd'):
                try:
                    path = f'/proc/{pid}/{name}'
                    seen = os.readlink(path) if name == 'cwd' else open(path, 'rb').read(1)
                    if seen:
                        return path, seen
                except OSError:
                    pass
    raise OSError


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
