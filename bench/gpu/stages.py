"""The stages of bench/gpu/run.sh: parity, the matrix peak, and a table of training, capture and erasure.

Reuses bench/compare's workers and cases: one process of ours and one of PyTorch's a precision. Every result is appended to
results.jsonl as it comes and results.md is written anew after each; a stage that fails or outlives its time loses its
workers and nothing else. Times are medians of five runs after two to warm up.
"""
import argparse
import json
import os
import random
import statistics
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
import compare
import plan

SIZES = {"124M": dict(layers=12, hidden=768, heads=12), "355M": dict(layers=24, hidden=1024, heads=16),
         "774M": dict(layers=36, hidden=1280, heads=20), "tiny": dict(layers=2, hidden=32, heads=2)}
RUNS, WARM_UPS = 5, 2
ERASED = 400


class Stages:
    def __init__(self, options):
        self.options = options
        self.end = time.monotonic() + options.seconds
        self.workers = {}
        self.rows = []
        self.cases = 0
        self.peak = None
        self.context = 64 if options.tiny else 1024
        self.log = open(os.path.join(options.out, "workers.log"), "w")
        self.work = os.path.join(options.out, "work")
        os.makedirs(self.work, exist_ok=True)

    # ---- workers ----------------------------------------------------------------------------------------------------

    def worker(self, side, compute):
        if (side, compute) not in self.workers:
            options, here = self.options, os.path.dirname(os.path.abspath(compare.__file__))
            threads = str(os.cpu_count())
            if side == "ours":
                command = [options.java, "--enable-native-access=ALL-UNNAMED", "-Dlethe.native=" + options.native, "-cp",
                           options.classpath, "dev.lethe.bench.CompareWorker", options.device, threads, compute.upper()]
            else:
                command = [sys.executable, os.path.join(here, "worker.py"), "--device", options.device, "--threads", threads,
                           "--compute", compute]
            self.workers[side, compute] = compare.Worker(command, {"OMP_NUM_THREADS": threads}, self.log)
        return self.workers[side, compute]

    def stage(self, name, seconds, body):
        """Runs body; at the end of its time its workers are killed, so that whatever it waits for ends."""
        seconds = min(seconds, self.end - time.monotonic())
        if seconds <= 5:
            return self.keep(stage=name, problem="no time left")
        timer = threading.Timer(seconds, self.kill)
        timer.start()
        began = time.monotonic()
        try:
            body()
        except (compare.Problem, SystemExit, ValueError, KeyError) as problem:
            late = time.monotonic() - began >= seconds - 0.5
            self.keep(stage=name, problem=f"over {seconds:.0f} s" if late else str(problem))
        finally:
            timer.cancel()

    def kill(self):
        for worker in self.workers.values():
            worker.process.kill()
        self.workers = {}

    def keep(self, **row):
        self.rows.append(row)
        with open(os.path.join(self.options.out, "results.jsonl"), "a") as file:
            file.write(json.dumps(row) + "\n")
        self.write()
        print(json.dumps(row), file=sys.stderr)

    # ---- inputs -----------------------------------------------------------------------------------------------------

    def model(self, size):
        folder = os.path.join(self.work, "model-" + size)
        if not os.path.isdir(folder):
            self.worker("ours", "f32").ask("init", model=folder, seed=1, vocabulary=50257, context=self.context, **SIZES[size])
        return folder

    def examples(self, records, tokens, ragged=False):
        path = os.path.join(self.work, f"{records}x{tokens}{'-ragged' if ragged else ''}.json")
        if not os.path.exists(path):
            chance = random.Random(records)
            lengths = [chance.randint(tokens // 4, tokens) if ragged else tokens for _ in range(records)]
            rows = [[chance.randrange(50257) for _ in range(length + 1)] for length in lengths]
            with open(path, "w") as file:
                json.dump({"tokens": [row[:-1] for row in rows], "targets": [row[1:] for row in rows]}, file)
        return path

    def open(self, side, compute, op, variant, size, examples, **args):
        self.cases += 1
        case, work = str(self.cases), os.path.join(self.work, f"case-{self.cases}")
        os.makedirs(work, exist_ok=True)
        model = self.model(size)
        worker = self.worker(side, compute)
        worker.ask("open", case=case, op=op, variant=variant, model=model, examples=examples, work=work, args=args)
        return worker, case

    # ---- stages -----------------------------------------------------------------------------------------------------

    def parity(self, op, ours, theirs, compute, tolerance, size, examples, runs=0, **args):
        """Ours after so many runs (a device repeats a pass of one shape as a recorded graph) against theirs in fp32."""
        a, case = self.open("ours", compute, op, ours, size, examples, **args)
        for _ in range(runs):
            a.ask("run", case=case)
        path = os.path.join(self.work, "ours.bin")
        tensors = a.ask("result", case=case, out=path)["tensors"]
        a.ask("close", case=case)
        b, other = self.open("theirs", "f32", op, theirs, size, examples, **args)
        found = b.ask("check", case=other, ours=path, tensors=tensors)
        b.ask("close", case=other)
        holds = found["relative"] <= tolerance and not found["missing"]
        self.keep(stage="parity", what=f"{op} {ours}".strip() + f", {size}" + (f", run {runs + 1}" if runs else ""), compute=compute, relative=found["relative"], allowed=tolerance,
                  holds=holds)

    def timed(self, name, side, compute, op, variant, size, records, tokens, ragged=False, **args):
        examples = self.examples(records, tokens, ragged)
        worker, case = self.open(side, compute, op, variant, size, examples, **args)
        times = []
        for i in range(WARM_UPS + RUNS):
            worker.ask("before", case=case)
            nanos = worker.ask("run", case=case)["nanos"]
            if i >= WARM_UPS:
                times.append(nanos / 1e9)
        stored = worker.ask("stored", case=case)["bytes"]
        worker.ask("close", case=case)
        with open(examples) as file:
            total = sum(len(row) for row in json.load(file)["tokens"])
        shape = dict(SIZES[size], vocabulary=50257, context=self.context, tokens=total / records, batch=records)
        seconds = statistics.median(times)
        row = dict(stage=name, side=side, compute=compute, what=f"{op} {variant}".strip(), size=size, records=records,
                   tokens=tokens, ragged=ragged, seconds=seconds, runs=times, tokens_per_second=total / seconds, bytes=stored)
        if op == "train" and self.peak:
            row["share_of_peak"] = plan.train_flops(shape) / seconds / self.peak
        self.keep(**row)

    def matrix_peak(self):
        rate = self.worker("theirs", "f32").ask("rate", size=512 if self.options.tiny else 8192, dtype="bfloat16")["rate"]
        self.peak = rate
        self.keep(stage="peak", flops=rate)

    def all(self):
        tiny = self.options.tiny
        narrow = "f32" if self.options.device == "cpu" else "bf16"
        small, long, short = ("tiny", 32, 16) if tiny else ("124M", 1024, 64)
        few = self.examples(3, 16, True) if tiny else self.examples(8, 128, True)
        self.stage("parity", 60, lambda: self.parity("train", "", "eager", "f32", 1e-4, small, few))
        self.stage("parity", 60, lambda: self.parity("records", "capture", "hooks", "f32", 1e-4, small,
                                                     self.examples(2, 16), sites="all", topk=0))
        for compute, allowed in (("f32", 1e-4), (narrow, 2e-2)):
            self.stage("parity", 40, lambda: self.parity("records", "batch", "batch", compute, allowed, small, few, runs=4))
        self.stage("parity", 40, lambda: self.parity("train", "", "eager", narrow, 2e-2, small, few))
        self.stage("peak", 20, self.matrix_peak)
        batches = (2,) if tiny else (16, 32, 64)
        for records in batches:
            self.stage("train", 40, lambda: self.timed("train", "ours", narrow, "train", "", small, records, long))
            self.stage("train", 40, lambda: self.timed("train", "theirs", narrow, "train", "eager", small, records, long))
        for side, variant in (("ours", ""), ("theirs", "eager")):
            self.stage("ragged", 30, lambda: self.timed("ragged", side, narrow, "train", variant, small, 8 if tiny else 64,
                                                        short, True))
        captured = 2 if tiny else 8
        for side, variant in (("ours", "batch"), ("ours", "capture"), ("theirs", "hooks"), ("theirs", "vmap")):
            self.stage("capture", 40, lambda: self.timed("capture", side, narrow, "records", variant, small, captured, long,
                                                         sites="all", topk=0, dtype="BF16"))
        self.stage("embedding", 30, lambda: self.timed("embedding", "ours", narrow, "records", "capture", small, captured,
                                                       long, sites="embedding", topk=256, dtype="BF16"))
        for side, variant in (("ours", "hvp"), ("theirs", "double")):
            self.stage("curvature", 40, lambda: self.timed("curvature", side, "f32", "curvature", variant, small, captured,
                                                           long))
        self.stage("erase", 60, lambda: self.timed("erase", "ours", narrow, "ascent", "", small, 12 if tiny else ERASED, short,
                                                   sites="embedding", topk=256, batch=4 if tiny else 50))
        self.stage("compile", 100, lambda: self.timed("train", "theirs", narrow, "train", "compile", small, batches[0], long))
        if not tiny:
            for size, records in (("355M", 16), ("774M", 8)):
                for side, variant in (("ours", ""), ("theirs", "eager")):
                    self.stage("large", 60, lambda: self.timed("train", side, narrow, "train", variant, size, records, long))
            for records in batches[1:]:
                self.stage("compile", 100, lambda: self.timed("train", "theirs", narrow, "train", "compile", small, records,
                                                              long))
        self.kill()

    # ---- the table --------------------------------------------------------------------------------------------------

    def write(self):
        lines = [f"# {self.options.device}, {time.strftime('%Y-%m-%d')}, commit {compare.machine.commit()}", "",
                 "Ours is Lethe, theirs is PyTorch. Medians of five runs after two to warm up.", ""]
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
            lines += ["| stage | who | what | model | batch | ms | tokens/s | of peak |", "|---|---|---|---|---|---|---|---|"]
            lines += [f"| {r['stage']} | {r['side']} {r['compute']} | {r['what']} | {r['size']} | {r['records']} x "
                      f"{'up to ' if r['ragged'] else ''}{r['tokens']} | {r['seconds'] * 1e3:.1f} | "
                      f"{r['tokens_per_second']:,.0f} | "
                      + (f"{r['share_of_peak']:.1%}" if "share_of_peak" in r else "") + " |" for r in timed] + [""]
        lines += [f"- {row['stage']}: {row['problem']}" for row in self.rows if "problem" in row]
        path = os.path.join(self.options.out, "results.md")
        with open(path + ".part", "w") as file:
            file.write("\n".join(lines) + "\n")
        os.replace(path + ".part", path)


def main():
    parser = argparse.ArgumentParser()
    for name in ("device", "out", "java", "native", "classpath"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--seconds", type=float, required=True)
    stages = Stages(parser.parse_args())
    try:
        stages.all()
    finally:
        stages.kill()
    failed = [row for row in stages.rows if row.get("holds") is False]
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
