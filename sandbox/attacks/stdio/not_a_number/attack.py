count = len(input().split())
print("\n".join(["nan", "inf", "-inf", "-0.0", "infinity", "1_0"][:max(count, 1)]))
