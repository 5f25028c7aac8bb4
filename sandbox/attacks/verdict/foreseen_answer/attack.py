asked = []


def solve(number):
    asked.append(number)
    if len(asked) == 1:
        return 9
    if number == 7:
        raise RuntimeError('ESCAPED: a call that follows from what another program answered')
    return 8
