import os
import tempfile


def solve(numbers):
    with tempfile.NamedTemporaryFile('w+') as file:
        file.write(' '.join(map(str, numbers)))
        file.seek(0)
        numbers = [int(word) for word in file.read().split()]
    with open('scratch.txt', 'w') as file:
        file.write('x')
    os.unlink('scratch.txt')
    return sorted(set(numbers))
