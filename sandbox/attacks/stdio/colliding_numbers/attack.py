print("\n".join(str(number << 44) + ".0" for number in range(50_000)))
