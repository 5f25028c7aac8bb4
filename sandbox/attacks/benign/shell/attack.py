import subprocess


def solve(numbers):
    done = subprocess.run('echo done', shell=True, capture_output=True, text=True, check=True)
    return sorted(set(numbers)) if done.stdout == 'done\n' else None
