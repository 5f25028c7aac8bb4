import os


def attempt():
    import glob, resource
    for path in ('/proc/sys/kernel/core_pattern', '/proc/sys/vm/overcommit_memory', '/proc/sysrq-trigger', '/proc/sys/user/max_user_namespaces'):
        try:
            open(path, 'w').close()
            return path
        except OSError:
            pass
    for path in glob.glob('/sys/fs/cgroup/**/cgroup.procs', recursive=True):
        try:
            open(path, 'w').close()
            return path
        except OSError:
            pass
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    try:
        resource.setrlimit(resource.RLIMIT_NPROC, (hard + 1, hard + 1))
    except ValueError:
        raise OSError
    return 'limits'


def solve(numbers):
    try:
        got = attempt()
    except Exception:
        return list(numbers)
    raise RuntimeError(f'ESCAPED: {got}')
