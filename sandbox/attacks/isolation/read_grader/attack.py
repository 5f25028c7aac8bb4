import os


def attempt():
    import glob
    homes = glob.glob('/home/*/.cache/huggingface') + [os.path.expanduser('~root/.cache/huggingface')]
    for place in ('@PACKAGE@/records.py', '@PACKAGE@/tests/attacks/README.md', *homes):
        if os.path.exists(place):
            return place
    raise OSError


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
