class Key:
    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


def solve(numbers):
    assert Key(1) == Key(2)
    return sorted(set(numbers))
