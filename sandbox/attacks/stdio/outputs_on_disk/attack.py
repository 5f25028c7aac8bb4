import os
import re
import time

end = time.monotonic() + 0.3
for top in (".", "/tmp", "/dev/shm", "/var/tmp", "/run"):
    for folder, _, names in os.walk(top):
        if time.monotonic() > end:
            break
        for name in names[:200]:
            path = os.path.join(folder, name)
            try:
                if not os.path.isfile(path) or os.path.getsize(path) > 1 << 20:
                    continue
                with open(path, "rb") as file:
                    found = re.search(rb"-2 7703[1] 9012[5]", file.read())
            except OSError:
                continue
            if found:
                raise RuntimeError("ESCAPED: " + path)
print("not found")
