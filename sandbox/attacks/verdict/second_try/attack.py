def solve(number):
    # Its answer to the second call makes another third call than the reference's does.
    if number == 8:
        raise RuntimeError('ESCAPED: a call that its own answers rule out')
    return {3: 7, 7: 9}.get(number, 0)
