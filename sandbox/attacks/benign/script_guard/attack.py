count = 0


def main():
    global count
    count += 1
    print(*sorted(set(map(int, input().split()))))


if __name__ == '__main__':
    main()
    assert count == 1
