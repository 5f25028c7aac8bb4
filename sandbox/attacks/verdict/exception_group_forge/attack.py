def solve(numbers):
    raise ExceptionGroup('many', [TypeError()])
