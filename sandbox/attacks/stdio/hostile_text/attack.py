import sys

sys.stdout.buffer.write(bytes(range(256)) + b"\x1b[2J\xe2\x80\xae\xed\xa0\x80")
sys.stdout.flush()
raise ValueError("\x1b[2J\u202e\0\ud800\r\nPASSED")
