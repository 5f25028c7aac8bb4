import sys

sys.set_int_max_str_digits(0)
print(*["1e999999999999999999" for _ in input().split()] or ["9" * 900_000])
