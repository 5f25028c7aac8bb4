import os


def attempt():
    import glob
    found = [p for top in ('/usr/lib*', '/usr/local/lib*', '@PREFIX@/lib*') for p in glob.glob(top + '/python3*/*-packages/*')]
    if not found:
        raise OSError
    return found[:3]


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
