"""How is a command run in a guest without its sshd and its network? As an order on the serial line.

Usage: agent.py TTY. In: JSON lines {"id", "piece", "last"}, each answered with {"id", "read"}; the pieces of an id
make a JSON text {"argv", "stdin", "within"}. Out, when it was carried out: {"id", "code", "out", "err"}, with "error"
in place of the rest where there is no code. Orders run side by side.
"""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import tty
from typing import Any

MOST = 4 << 20  # bytes of each stream that an answer carries


def carry_out(order: dict[str, Any]) -> dict[str, Any]:
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

    def say(what: dict[str, Any]) -> None:
        left = json.dumps(what).encode() + b"\n"
        with one_at_a_time:
            while left:
                left = left[os.write(line, left) :]

    def answer(number: int, text: str) -> None:
        say({"id": number, **carry_out(json.loads(text))})

    say({"ready": True})
    left, orders = b"", dict[int, str]()
    while True:
        *lines, left = (left + os.read(line, 65536)).split(b"\n")
        for said in lines:
            try:
                part = json.loads(said)
            except ValueError:
                continue  # the rest of a line that began before we did
            number = part["id"]
            orders[number] = orders.get(number, "") + part["piece"]
            say({"id": number, "read": True})
            if part["last"]:
                threading.Thread(target=answer, args=(number, orders.pop(number)), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
