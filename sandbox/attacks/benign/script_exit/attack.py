text = input()
print(*sorted(set(map(int, text.split()))))
exit(1)
print('never')
