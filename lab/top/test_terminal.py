# SPDX-License-Identifier: MIT
"""Shows a trace on a terminal of 80x24, presses keys, and looks at what the terminal is afterwards.
Usage: test_terminal.py PROGRAM TRACE"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios

LIMIT_S = 60  # of each wait; nothing takes long


class Terminal:
    def __init__(self, *argv, **environment):
        self.main, self.other = pty.openpty()
        fcntl.ioctl(self.other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(self.other)
        self.seen = ""
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(self.other, termios.TIOCSCTTY, 0)
            for fd in 0, 1, 2:
                os.dup2(self.other, fd)
            os.execve(argv[0], argv, {**os.environ, "TERM": "xterm", **environment})

    def wait_for(self, text):
        """Reads until that was printed; ncurses sends only what changes, so texts are short."""
        while text not in self.seen:
            if not select.select([self.main], [], [], LIMIT_S)[0]:
                raise SystemExit(f"{text!r} does not come; seen: {self.seen[-500:]!r}")
            self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]", "", os.read(self.main, 65536).decode())

    def press(self, keys):
        self.seen = ""
        os.write(self.main, keys.encode())

    def end(self):
        """The exit status as a shell has it; whatever is printed meanwhile is read."""
        while True:
            if select.select([self.main], [], [], 0.05)[0]:
                self.seen += os.read(self.main, 65536).decode()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
        after = termios.tcgetattr(self.other)
        assert after == self.before, "the terminal is not as it was"
        os.close(self.main)
        os.close(self.other)
        return os.waitstatus_to_exitcode(status)


program, trace = sys.argv[1:]

t = Terminal(program, "--at", "12", trace)
t.wait_for("by name")
assert "aos_vm8" in t.seen and "pCPU   3" in t.seen, t.seen
t.press(" ")
t.wait_for("paused")
t.press("h")
t.wait_for("select a guest")
t.press("h")
t.wait_for("GUEST")
t.press("/nobody\r")
t.wait_for("name has nobody in it")
t.press("p")
t.wait_for("a trace can be played, not changed")
t.press("G")
t.wait_for("end")
t.press("q")
assert t.end() == 0

t = Terminal(program, trace, NO_COLOR="1")
t.wait_for("by name")
os.kill(t.pid, signal.SIGINT)
assert t.end() == 130

# On a terminal that can do nothing there are lines and no escapes.
t = Terminal(program, "--once", trace, TERM="dumb")
assert t.end() == 0
assert "\x1b" not in t.seen and "aos_vm8" in t.seen, t.seen
