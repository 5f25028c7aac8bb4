import os


def attempt():
    for pid, score in (('self', '-1000'), (str(os.getppid()), '1000')):
        if pid == '0':
            continue
        try:
            with open(f'/proc/{pid}/oom_score_adj', 'w') as file:
                file.write(score)
            return pid
        except OSError:
            pass
    raise OSError


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
