"""The stages of bench/gpu/run.sh: parity, the matrix peak, and a table of training, capture, scoring and erasure.

Reuses bench/compare's workers and cases; the most telling come first. The contestants of a row are all open and run in
turn, A B A B: medians of five runs after two to warm up. torch.compile gets ready in processes of its own while the
library is built. Every result is appended to results.jsonl as it comes and results.md is written anew after each; a
worker that fails or outlives its stage's time is ended, and nothing else is lost.
"""
import argparse
import contextlib
import itertools
import json
import os
import random
import signal
import statistics
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
import compare
import plan
from side import Problem, Worker

SIZES = {"124M": dict(layers=12, hidden=768, heads=12), "355M": dict(layers=24, hidden=1024, heads=16),
         "tiny": dict(layers=2, hidden=32, heads=2)}
RUNS, WARM_UPS = 5, 2
SCORED = 400
GRAPHED, TUNED = "reduce-overhead", "max-autotune-no-cudagraphs"  # modes of torch.compile: quick to get ready; not so


class Stages:
    def __init__(self, options):
        self.options = options
        self.start = time.monotonic()
        self.end = self.until = self.start + options.seconds
        self.workers = {}  # by (side, compute) or (side, compute, number); "compiled" is PyTorch's too
        self.rows, self.ready, self.unready, self.peak = [], {}, [], None
        self.numbers, self.making = itertools.count(), threading.Lock()
        self.context = 64 if options.tiny else 1024
        self.log = open(os.path.join(options.out, "workers.log"), "w")

    # ---- workers ----------------------------------------------------------------------------------------------------

    def worker(self, key):
        if key not in self.workers:
            (side, compute, *_), options, threads = key, self.options, str(os.cpu_count())
            if side == "ours":
                self.built()
                command = [options.java, "--enable-native-access=ALL-UNNAMED", "-Dlethe.native=" + options.native, "-cp",
                           options.classpath, "dev.lethe.bench.CompareWorker", options.device, threads, compute.upper()]
            else:
                command = [sys.executable, os.path.join(os.path.dirname(compare.__file__), "worker.py"), "--device",
                           options.device, "--threads", threads, "--compute", compute]
            cache = os.path.join(options.work, f"inductor-{next(self.numbers)}")  # a killed worker's may be broken
            self.workers[key] = Worker(command, {"OMP_NUM_THREADS": threads, "TORCHINDUCTOR_CACHE_DIR": cache}, self.log)
        return self.workers[key]

    def built(self):
        """Waits for the library."""
        status = Path(self.options.work, "built")
        while not status.exists():
            if time.monotonic() > self.until:
                raise Problem("the library is not built yet")
            time.sleep(0.2)
        if status.read_text().strip() != "0":
            log = Path(self.options.out, "build.log").read_text().splitlines()
            raise Problem(f"the library could not be built: {[line for line in log if 'error' in line.lower()][-1:]}")

    def ask(self, key, do, until=None, **request):
        """A worker that does not answer in time, dies or answers nonsense is ended; the next who asks starts another."""
        worker = self.worker(key)
        left = (until or self.until) - time.monotonic()
        if left <= 0:
            raise Problem("out of time")
        timer = threading.Timer(left, self.finish, [key])
        timer.start()
        try:
            return worker.ask(do, **request)
        except (SystemExit, ValueError, OSError) as problem:
            self.finish(key)
            raise Problem("out of time" if time.monotonic() > (until or self.until) else str(problem)) from None
        finally:
            timer.cancel()

    def finish(self, *keys):
        """Ends workers, with the processes that they have started; all without keys."""
        for key in keys or list(self.workers):
            worker = self.workers.pop(key, None)
            if worker:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(worker.process.pid, signal.SIGKILL)  # it leads a session
                worker.process.wait()

    def wanted(self, name):
        return not self.options.only or name in self.options.only.split(",")

    def stage(self, name, seconds, body, *given, **more):
        if name not in ("build", "peak") and not self.wanted(name):
            return
        self.until = min(self.end, time.monotonic() + seconds)
        if self.until - time.monotonic() < 2:
            self.keep(stage=name, problem="no time left")
            return
        try:
            body(*given, **more)
        except (Exception, SystemExit) as problem:  # whatever it is, the other stages go on
            self.keep(stage=name, problem=f"{type(problem).__name__}: {problem}")

    def keep(self, **row):
        self.rows.append(row)
        print(json.dumps(row), file=sys.stderr, flush=True)
        with open(os.path.join(self.options.out, "results.jsonl"), "a") as file:
            file.write(json.dumps(row) + "\n")
        self.write()

    # ---- inputs -----------------------------------------------------------------------------------------------------

    def model(self, size, key, until):
        folder = os.path.join(self.options.work, "model-" + size)
        with self.making:
            if not os.path.isdir(folder):
                maker = ("theirs", key[1]) if key[0] == "ours" else key
                self.ask(maker, "init", until, model=folder, context=self.context, **SIZES[size])
        return folder

    def examples(self, records, tokens, ragged=False):
        path = os.path.join(self.options.work, f"{records}x{tokens}{'-ragged' if ragged else ''}.json")
        chance = random.Random(records)
        rows = [[chance.randrange(50257) for _ in range(1 + (chance.randint(tokens // 4, tokens) if ragged else tokens))]
                for _ in range(records)]
        Path(path).write_text(json.dumps({"tokens": [row[:-1] for row in rows], "targets": [row[1:] for row in rows]}))
        return path

    def open(self, key, op, variant, size, examples, until=None, **args):
        case = str(next(self.numbers))
        work = os.path.join(self.options.work, "case-" + case)
        os.makedirs(work)
        model = self.model(size, key, until)
        self.ask(key, "open", until, case=case, op=op, variant=variant, model=model, examples=examples, work=work, args=args)
        return case

    # ---- stages -----------------------------------------------------------------------------------------------------

    def parity(self, op, ours, theirs, compute, tolerance, size, examples, runs=0, **args):
        """Ours after so many runs (a device repeats a pass of one shape as a recorded graph) against theirs in fp32."""
        a, b = ("ours", compute), ("theirs", "f32")
        case = self.open(a, op, ours, size, examples, **args)
        for _ in range(runs):
            self.ask(a, "run", case=case)
        path = os.path.join(self.options.work, "ours.bin")
        tensors = self.ask(a, "result", case=case, out=path)["tensors"]
        self.ask(a, "close", case=case)
        case = self.open(b, op, theirs, size, examples, **args)
        found = self.ask(b, "check", case=case, ours=path, tensors=tensors)
        self.ask(b, "close", case=case)
        what = f"{op} {ours}".strip() + f", {size}" + (f", run {runs + 1}" if runs else "")
        self.keep(stage="parity", what=what, compute=compute, relative=found["relative"], allowed=tolerance,
                  holds=found["relative"] <= tolerance and not found["missing"])

    def get_ready(self, key, size, records, examples, until):
        """Compiles on a thread and in a process of its own: a case run once to warm up and left open."""
        try:
            case = self.open(key, "train", "compile", size, examples, until, mode=GRAPHED)
            self.ask(key, "run", until, case=case)
            self.ready[records] = case
        except (Exception, SystemExit) as problem:
            self.unready.append(f"{records}: {problem}")

    def compiled(self, threads, until):
        for thread in threads:
            thread.join(max(0, until - time.monotonic()) + 5)
        if self.unready:
            raise Problem("torch.compile, batch " + "; ".join(self.unready))

    def matrix_peak(self, key):
        self.peak = self.ask(key, "rate", size=512 if self.options.tiny else 8192, dtype="bfloat16")["rate"]
        self.keep(stage="peak", flops=self.peak)

    def timed(self, name, size, records, tokens, *contestants, **args):
        """A contestant: its worker, op, variant, args of its own, and the case if one is open."""
        examples, rows, running = self.examples(records, tokens), [], []
        for key, op, variant, own, *ready in contestants:
            rows.append(dict(stage=name, side=key[0], compute=key[1], size=size, records=records, tokens=tokens, times=[], parts=[],
                             what=" ".join(filter(None, [op, variant, *map(str, own.values())]))))
            case = ready[0] if ready else self.attempt(rows[-1], key, self.open, op, variant, size, examples, **args, **own)
            if case:
                running.append((rows[-1], key, case))
        for i in range(WARM_UPS + RUNS):
            for row, key, case in list(running):
                seconds = self.attempt(row, key, self.once, case, row)
                if seconds is None:
                    running = [entry for entry in running if entry[0] is not row]
                elif i >= WARM_UPS:
                    row["times"].append(seconds)
                    row["parts"].append(row.pop("last"))
        for row in rows:
            if row["times"]:
                self.measured(row, rows[0])
        self.until = min(self.end, self.until + 5)
        for row, key, case in running:
            self.attempt(row, key, self.ask, "close", case=case)

    def attempt(self, row, key, body, *given, **more):
        """body(key, ...); None after a problem, which ends the worker, and nothing else."""
        try:
            return body(key, *given, **more)
        except Problem as problem:
            self.finish(key)
            self.keep(**{**row, "problem": str(problem)})

    def once(self, key, case, row):
        self.ask(key, "before", case=case)
        reply = self.ask(key, "run", case=case)
        row["last"] = {part: nanos / 1e9 for part, nanos in reply.get("parts", {}).items()}
        row["bytes"] = self.ask(key, "stored", case=case)["bytes"]
        return reply["nanos"] / 1e9

    def measured(self, row, first):
        seconds, total = statistics.median(row["times"]), row["records"] * row["tokens"]
        row = row | dict(seconds=seconds, tokens_per_second=total / seconds,
                         parts={part: statistics.median(parts[part] for parts in row["parts"]) for part in row["parts"][0]})
        if first["times"]:
            row["of_first"] = seconds / statistics.median(first["times"])
        if row["what"].startswith(("train", "epoch")) and self.peak:
            shape = plan.SHAPES["small"] | SIZES[row["size"]] | dict(context=self.context, tokens=row["tokens"],
                                                                     batch=row["records"])
            row["share_of_peak"] = plan.train_flops(shape) / seconds / self.peak
        self.keep(**row)

    def all(self):
        tiny, start, total = self.options.tiny, self.start, self.options.seconds
        narrow = "f32" if self.options.device == "cpu" else "bf16"
        small, long, short, few, many, scored = ("tiny", 32, 16, 2, 3, 12) if tiny else ("124M", 1024, 64, 16, 64, SCORED)
        ours, theirs, half = ("ours", narrow), ("theirs", narrow), start + total / 2
        compiled = {records: ("compiled", narrow, records) for records in (few, many)}
        compiling = [threading.Thread(target=self.get_ready, daemon=True, args=(
            key, small, records, self.examples(records, long), half)) for records, key in compiled.items()]
        for thread in compiling if self.wanted("compile") else ():
            thread.start()

        self.stage("build", total / 2, self.worker, ours)
        parity = lambda *given, **args: self.stage("parity", 40, self.parity, *given, **args)
        ragged, two = self.examples(8, short, True), self.examples(2, 16)
        parity("train", "", "eager", "f32", 1e-4, small, ragged)
        parity("records", "capture", "hooks", "f32", 1e-4, small, two, sites="all", topk=0)
        parity("train", "", "eager", narrow, 2e-2, small, ragged)
        parity("records", "batch", "batch", narrow, 2e-2, small, ragged, runs=4)
        for ours_is, theirs_is in (("hvp", "double"), ("ggn", "ggn")):
            parity("curvature", ours_is, theirs_is, "f32", 1e-4, small, two)
        exact, peer = ("ours", "f32"), ("theirs", "f32")
        self.stage("curvature", 45, self.timed, "curvature", small, 4, long, (exact, "records", "batch", {}),
                   (exact, "curvature", "hvp", {}), (exact, "curvature", "ggn", {}), (peer, "records", "batch", {}),
                   (peer, "curvature", "double", {}), (peer, "curvature", "ggn", {}))
        if narrow != "f32":
            self.finish(exact, peer)

        self.stage("compile", total / 2, self.compiled, compiling, half)
        self.stage("peak", 30, self.matrix_peak, theirs)
        train = lambda name, seconds, size, records, who, variant, *more, **own: self.stage(name, seconds, self.timed, name, size,
            records, long, (ours, "train", "", {}), (who, "train", variant, own, *more))
        for records, key in compiled.items():
            if records in self.ready:
                train("train", 25, small, records, key, "compile", self.ready[records], mode=GRAPHED)
            self.finish(key)
        for records in (few, many):
            train("train", 25, small, records, theirs, "eager")
        kept = dict(sites="embedding", topk=256)
        self.stage("epoch", 45, self.timed, "epoch", small, 12 * few, long, (ours, "epoch", "plain", {}),
                   (ours, "epoch", "capture", kept | dict(dtype="F32")), (ours, "epoch", "capture", kept | dict(dtype="BF16")),
                   batch=few)
        part = 4 if tiny else 50
        self.stage("score", 40, self.timed, "score", small, scored, short, (ours, "influence", "", kept),
                   (theirs, "influence", "vmap", {}), (theirs, "influence", "jvp", {}), batch=part)
        self.stage("erase", 25, self.timed, "erase", small, scored, short, (ours, "ascent", "", kept), batch=part)
        every = dict(sites="all", topk=256, dtype="BF16")
        self.stage("whole", 40, self.timed, "score", small, scored // 4, short, (ours, "influence", "", every),
                   (ours, "ascent", "", every), batch=part)
        if not tiny:
            train("large", 40, "355M", few, theirs, "eager")
        self.finish(theirs)
        train("tuned", total, small, few, compiled[few], "compile", mode=TUNED)

    # ---- the table --------------------------------------------------------------------------------------------------

    def write(self):
        commit = compare.machine.commit() + (f", classes of {self.options.classes_of}" if self.options.classes_of else "")
        lines = [f"# {self.options.device}, {time.strftime('%Y-%m-%d')}, commit {commit}", "",
                 "Ours is Lethe, theirs is PyTorch, run in turn. Medians of five runs after two to warm up (fewer where a "
                 "number in brackets says so); the last column: the time in times of the pair's first.", ""]
        if self.options.tiny:
            lines += ["**Tiny shapes: a rehearsal of the script, not a measurement.**", ""]
        if self.peak:
            lines += [f"Measured bf16 matrix peak: {self.peak / 1e12:.1f} TFLOP/s.", ""]
        checks = [row for row in self.rows if row["stage"] == "parity" and "relative" in row]
        if checks:
            lines += ["| parity | compute | relative error | allowed | |", "|---|---|---|---|---|"]
            lines += [f"| {r['what']} | {r['compute']} | {r['relative']:.1e} | {r['allowed']:.0e} | "
                      f"{'holds' if r['holds'] else '**fails**'} |" for r in checks] + [""]
        timed = [row for row in self.rows if "seconds" in row]
        if timed:
            lines += ["| stage | who | what | model | batch | ms | tokens/s | of peak | MB kept | of first |", "|---" * 10 + "|"]
            lines += [f"| {r['stage']} | {r['side']} {r['compute']} | {r['what']} | {r['size']} | {r['records']} x {r['tokens']}"
                      f" | {r['seconds'] * 1e3:.2f}{'' if len(r['times']) == RUNS else ' (%d)' % len(r['times'])}"
                      f" | {r['tokens_per_second']:,.0f} | " + (f"{r['share_of_peak']:.1%}" if "share_of_peak" in r else "")
                      + f" | {r['bytes'] / 1e6:,.0f} | " + (f"{r['of_first']:.2f} |" if "of_first" in r else "|") for r in timed] + [""]
        epochs = [row for row in timed if row["what"].startswith("epoch")]  # the model's thread: all but the writer
        lines += [f"- {row['what']}, ms of the run: " + ", ".join(f"{part} {seconds * 1e3:.1f}" for part, seconds in
                                                                  row["parts"].items()) for row in epochs]
        lines += dict.fromkeys(  # each once
            f"- {row['stage']}: " + (f"{row['side']} {row['what']}, {row['records']} x {row['tokens']}: " if "side" in row
                                     else "") + row["problem"][:300] for row in self.rows if "problem" in row)
        part = Path(self.options.out, "results.md.part")
        part.write_text("\n".join(lines) + "\n")
        part.replace(part.with_suffix(""))


def stop(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # timeout sends it twice
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser()
    for name in ("device", "out", "work", "java", "native", "classpath", "classes-of"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--only", default="")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--seconds", type=float, required=True)
    stages = Stages(parser.parse_args())
    signal.signal(signal.SIGTERM, stop)
    try:
        stages.all()
    except KeyboardInterrupt:
        stages.keep(stage="end", problem="stopped; what was measured is kept")
    finally:
        stages.finish()
    sys.stderr.flush()
    checks = [row["holds"] for row in stages.rows if "holds" in row]
    os._exit(0 if checks and all(checks) else 1)  # whatever a thread still waits for


if __name__ == "__main__":
    main()
