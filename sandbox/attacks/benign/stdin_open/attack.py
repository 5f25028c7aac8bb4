text = open('/dev/stdin').read()
assert open(0).read() == ''
print(*sorted(set(map(int, text.split()))))
