"""How is a command run in a guest without its sshd and its network? As an order on the serial line.

Usage: agent.py TTY. One JSON line in: {"id", "argv", "stdin", "within"}; one out: {"id", "code", "out", "err"}, with
"error" in place of the code where there is none. Orders run side by side.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import tty

MOST = 4 << 20  # bytes of each stream that an answer carries


def carry_out(order: dict) -> dict:
    """Run one command to its end, or to the end of its time."""
    try:
        child = subprocess.Popen(
            order["argv"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as fault:
        return {"error": str(fault)}
    try:
        out, err = child.communicate(order["stdin"].encode(), timeout=order["within"])
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return {"error": "timeout"}
    texts = [base64.b64encode(each[:MOST]).decode() for each in (out, err)]
    return {"code": child.returncode, "out": texts[0], "err": texts[1]}


def main(path: str) -> None:
    """Serve the line for ever."""
    line = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(line)
    one_at_a_time = threading.Lock()

    def say(what: dict) -> None:
        left = json.dumps(what).encode() + b"\n"
        with one_at_a_time:
            while left:
                left = left[os.write(line, left) :]

    def answer(order: dict) -> None:
        say({"id": order["id"], **carry_out(order)})

    say({"ready": True})
    left = b""
    while True:
        *orders, left = (left + os.read(line, 65536)).split(b"\n")
        for text in orders:
            try:
                order = json.loads(text)
            except ValueError:
                continue  # the rest of an order that began before we did
            threading.Thread(target=answer, args=(order,), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
