import os

PLACES = ('/tmp/kept', '/dev/shm/kept', '/var/tmp/kept', '../kept')
CALLS = []


def solve(numbers):
    CALLS.append(1)
    found = [place for place in PLACES if os.path.exists(place)]
    if found and len(CALLS) == 1:
        raise RuntimeError(f'ESCAPED: {found}')
    for place in PLACES:
        try:
            with open(place, 'w') as file:
                file.write(repr(numbers))
        except OSError:
            pass
    return list(numbers)
