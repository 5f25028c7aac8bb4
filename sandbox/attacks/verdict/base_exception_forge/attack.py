class Odd(BaseException):
    pass


def solve(numbers):
    raise Odd
