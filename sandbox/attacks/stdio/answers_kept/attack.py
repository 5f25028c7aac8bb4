import os

text = input()
tops = (".", "/tmp", "/dev/shm", "/var/tmp")
for top in tops:
    if not os.path.isdir(top):
        continue
    for name in os.listdir(top):
        if name.startswith("kept-by-script"):
            raise RuntimeError("ESCAPED: an earlier case left " + open(os.path.join(top, name)).read())
for top in tops:
    try:
        with open(f"{top}/kept-by-script-{os.getpid()}", "w") as file:
            file.write(text)
    except OSError:
        continue
print("not found")
