"""One side of a comparison: a process that answers JSON requests line by line, as worker.py describes them."""
import json
import os
import subprocess


class Problem(Exception):
    """What a worker could not do; the row says it and the others go on."""


class Worker:
    """One process and its line protocol; see worker.py."""

    def __init__(self, command, environment, log):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
                                        env={**os.environ, **environment}, start_new_session=True)

    def ask(self, do, **request):
        try:
            self.process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise SystemExit(f"a worker ended with status {self.process.wait()}; its output is in the log")
        reply = json.loads(line)
        if "problem" in reply:
            raise Problem(reply["problem"])
        return reply

    def end(self, at_once=False):
        if at_once:
            self.process.kill()
        try:
            self.process.stdin.close()
            self.process.wait(20)
        except BrokenPipeError:
            self.process.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
