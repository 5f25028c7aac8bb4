def solve(numbers):
    kept = []
    while True:
        kept.append(open('/dev/null'))
