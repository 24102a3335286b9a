"""Runs Lethe and its Python peers in turn and writes the table; bench/compare starts it with everything it needs.

Two long-lived workers, one computing at a time. A row: both contestants opened, their results compared, each warmed up
twice, then A B A B. Every row is saved as soon as it is measured, so an interrupt keeps what there is.
"""
import argparse
import itertools
import json
import os
import shutil
import signal
import sys
import time
from dataclasses import asdict

import machine
import plan
import table
from inputs import Inputs
from side import Problem, Worker

WARM_UPS = 2
QUICK_SECONDS = 540  # after that no further row is begun
# What holds Lethe, PyTorch, its oneDNN and MKL to AVX2 where the processor has more.
AVX2 = {"LETHE_ISA": "avx2", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


class Comparison:
    def __init__(self, options):
        self.options = options
        self.out = os.path.abspath(options.out)
        self.work = os.path.join(self.out, "work")
        os.makedirs(self.work, exist_ok=True)
        self.log = open(os.path.join(self.out, "workers.log"), "w")
        self.workers = {"ours": self.start("ours"), "theirs": self.start("theirs")}
        self.numbers = itertools.count()
        self.begun = time.monotonic()
        told = {key: getattr(options, key) for key in ("quick", "shapes", "ops", "pairs", "threads", "device", "isa")}
        self.found = {"machine": machine.describe(options.isa), "commit": machine.commit(),
                      "date": time.strftime("%Y-%m-%d %H:%M"), "options": told, "sgemm": [], "rows": []}
        if options.merge:
            self.take_over()
        for side, worker in self.workers.items():
            self.found[side] = worker.ask("hello")
        self.require_same_torch()
        self.inputs = Inputs(self.workers["ours"], self.work, options.data, options.quick)

    def start(self, side, default_malloc=False):
        options = self.options
        threads = str(options.threads)
        environment = {"OMP_WAIT_POLICY": "passive"} if options.check else {}  # a check may run on a busy machine
        environment |= AVX2 if options.isa == "avx2" else {}
        environment |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "TORCHINDUCTOR_CACHE_DIR":
                       os.path.join(self.out, "inductor")}
        if side == "ours":
            command = [options.java, "--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC",
                       "-Dlethe.native=" + options.native, "-cp", options.classpath, "dev.lethe.bench.CompareWorker",
                       options.device, threads]
        else:
            command = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py"),
                       "--device", options.device, "--threads", threads]
            if not default_malloc:  # glibc told to keep freed memory: what a PyTorch user on a CPU gains most by
                environment |= {"MALLOC_MMAP_THRESHOLD_": str(1 << 32), "MALLOC_TRIM_THRESHOLD_": str(1 << 36),
                                "MALLOC_TOP_PAD_": str(1 << 26)}
        return Worker(command, environment, self.log)

    def take_over(self):
        """What an earlier run into the same folder measured stays, until this one measures it again."""
        try:
            with open(os.path.join(self.out, "compare.json")) as file:
                earlier = json.load(file)
        except FileNotFoundError:
            return
        if earlier["machine"] != self.found["machine"]:
            self.say(f"{self.out} is of another machine ({earlier['machine']}): give another --out, or leave --merge out")
            self.end()
            sys.exit(2)
        for row in earlier["rows"]:
            row.setdefault("commit", earlier["commit"])
        self.found |= {key: earlier[key] for key in ("sgemm", "rows", "memory") if key in earlier}

    def put(self, kind, found):
        """A row in the place of the one before it, if there is one."""
        rows = self.found.setdefault(kind, [])
        same = [i for i, row in enumerate(rows) if all(row.get(key) == found.get(key) for key in ("shape", "kind", "name"))]
        if same:
            rows[same[0]] = found
        else:
            rows.append(found)

    def require_same_torch(self):
        versions = [self.found[side]["torch"].split("+")[0] for side in ("ours", "theirs")]
        if versions[0] != versions[1]:
            self.say(f"Lethe runs on libtorch {versions[0]}, this Python has torch {versions[1]}: give a Python with torch"
                     f" {versions[0]} by --python" + ("; skipped" if self.options.check else ""))
            self.end()
            sys.exit(0 if self.options.check else 2)

    # ---- a row -----------------------------------------------------------------------------------------------------

    def open(self, row, contestant, name, shape):
        model = self.inputs.model(shape)
        args = contestant.args
        if row.examples == "pipeline":
            examples, args = self.inputs.pipeline(name, shape, model)
        else:
            examples = self.inputs.examples(row.examples, name, shape, model)
        worker = self.workers[contestant.side]
        case = str(next(self.numbers))
        base = worker.ask("memory", case=case, reset=True)["rss"]
        work = os.path.join(self.work, f"{contestant.side}-{case}")
        os.makedirs(work, exist_ok=True)
        try:
            reply = worker.ask("open", case=case, op=contestant.op, variant=contestant.variant, model=model,
                               examples=examples, work=work, args=args)
        except Problem:
            shutil.rmtree(work)
            raise
        return {"worker": worker, "case": case, "files": reply["files"], "base": base, "work": work}

    def close(self, opened):
        opened["worker"].ask("close", case=opened["case"])
        shutil.rmtree(opened["work"], ignore_errors=True)

    def run(self, opened, cold):
        opened["worker"].ask("before", case=opened["case"])
        if cold:
            machine.drop_from_cache(opened["files"])
        return opened["worker"].ask("run", case=opened["case"])

    def warm_up(self, opened, shape, cold, runs=WARM_UPS):
        for i in range(runs):
            opened["worker"].ask("memory", case=opened["case"], reset=i == runs - 1)
            self.run(opened, cold)
        peak = opened["worker"].ask("memory", case=opened["case"])["peak"]
        opened["added"] = peak - opened["base"] - 4 * plan.parameters(shape)
        opened["stored"] = opened["worker"].ask("stored", case=opened["case"])["bytes"]

    def row(self, row, name, shape):
        found = {"shape": name, **{k: v for k, v in asdict(row).items() if k not in ("pairs", "quick", "largest")}}
        opened = []
        checked = row.check and row.first.side != row.second.side
        warm_ups = 0 if row.pairs and checked else WARM_UPS - checked  # the run that is compared warms up too
        try:
            opened.append(self.open(row, row.first, name, shape))
            if checked:
                ours = os.path.join(self.work, "ours.bin")
                tensors = opened[0]["worker"].ask("result", case=opened[0]["case"], out=ours)["tensors"]
            if self.options.check is False:
                self.warm_up(opened[0], shape, row.cold, warm_ups)
            opened.append(self.open(row, row.second, name, shape))
            if checked:
                found |= self.compare(opened[1], ours, tensors, row.tolerance)
            if self.options.check is False:
                for side in opened:
                    side["worker"].ask("tune", case=side["case"])
                self.warm_up(opened[1], shape, row.cold, warm_ups)
                self.time(found, row, opened)
        except Problem as problem:
            found["problem"] = str(problem)
        except KeyboardInterrupt:
            opened.clear()  # a worker may be in the middle of an answer: it is ended, not asked
            raise
        finally:
            for side in opened:
                self.close(side)
        return found

    def compare(self, theirs, path, tensors, tolerance):
        reply = theirs["worker"].ask("check", case=theirs["case"], ours=path, tensors=tensors)
        os.unlink(path)
        if reply["missing"]:
            raise Problem(f"theirs lacks {reply['missing'][:3]}")
        if not reply["relative"] <= tolerance:
            raise Problem(f"results differ by {reply['relative']:.1e} relative, {tolerance:.0e} is allowed; not timed")
        return {"error": reply["relative"]}

    def time(self, found, row, opened):
        times, parts = ([], []), ([], [])
        for _ in range(row.pairs or self.options.pairs):
            for i, side in enumerate(opened):
                reply = self.run(side, row.cold)
                times[i].append(reply["nanos"] / 1e9)
                parts[i].append(reply["parts"])
        found |= {"seconds": times, "parts": parts, "added": [side["added"] for side in opened],
                  "stored": [side["stored"] for side in opened]}

    # ---- all rows --------------------------------------------------------------------------------------------------

    def all(self):
        options = self.options
        for name in options.shapes.split(","):
            shape = plan.SHAPES[name]
            if not options.check and (not options.ops or "memory" in options.ops.split(",")):
                self.say(f"{name}: peak memory of a train step")
                self.memory(name, shape)
                self.save()
            for row in plan.rows(shape, options.quick):
                if options.ops and row.group not in options.ops.split(","):
                    continue
                if options.check and row.kind == "overhead":
                    continue
                if row.group in ("train", "compile") and not options.check:
                    self.sgemm()
                self.say(f"{name}: {row.name}")
                if options.quick and time.monotonic() - self.begun > QUICK_SECONDS:
                    self.put("rows", {"shape": name, "kind": row.kind, "group": row.group, "name": row.name,
                                      "problem": "the ten minutes of --quick were over"})
                    continue
                found = self.row(row, name, shape)
                self.put("rows", found | {"flops": plan.train_flops(shape), "commit": self.found["commit"]})
                self.say("  " + table.short(found))
                self.save()

    def sgemm(self):
        self.found["sgemm"].append(self.workers["theirs"].ask("sgemm", size=2048))

    def memory(self, name, shape):
        """A train step's peak in fresh processes; Python's with glibc's defaults and tuned, and the smaller counts."""
        row = next(row for row in plan.rows(shape, True) if row.group == "train")
        long_lived = self.workers
        added = {}
        processes = ("ours", "ours", False), ("theirs", "theirs", True), ("tuned", "theirs", False)
        for label, side, default_malloc in processes:
            self.workers = {**long_lived, side: self.start(side, default_malloc)}
            try:
                opened = self.open(row, row.first if side == "ours" else row.second, name, shape)
                self.warm_up(opened, shape, False)
                added[label] = opened["added"]
                self.close(opened)
            finally:
                self.workers[side].end()
                self.workers = long_lived
        self.put("memory", {"shape": name, "state": 12 * plan.parameters(shape), "ours": added["ours"],
                            "theirs": min(added["theirs"], added["tuned"]), "target": "<= 0.6"})

    def save(self):
        with open(os.path.join(self.out, "compare.json"), "w") as file:
            json.dump(self.found, file, indent=1)
        with open(os.path.join(self.out, "compare.md"), "w") as file:
            file.write(table.markdown(self.found))

    @staticmethod
    def say(text):
        print(text, file=sys.stderr, flush=True)

    def end(self, at_once=False):
        for worker in self.workers.values():
            worker.end(at_once)
        if not self.options.keep:
            shutil.rmtree(self.work, ignore_errors=True)
        self.log.close()


def arguments():
    parser = argparse.ArgumentParser(prog="bench/compare", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the small shape, fewer operations: at most ten minutes")
    parser.add_argument("--check", action="store_true", help="compare results on a tiny shape, time nothing")
    parser.add_argument("--shapes", default="", help="comma-separated: " + ", ".join(plan.SHAPES))
    parser.add_argument("--ops", default="", help="comma-separated groups: " + ", ".join(
        dict.fromkeys([row.group for row in plan.rows(plan.SHAPES["tiny"], True)] + ["memory"])))
    parser.add_argument("--pairs", type=int, default=5, help="A B pairs a row, after warm-up")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count()))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--isa", choices=("avx2", ""), default="", help="hold both sides to it on a processor with more")
    parser.add_argument("--data", help="records for ragged batches and the pipeline; TOFU where it is at hand")
    parser.add_argument("--out", default="build/compare")
    parser.add_argument("--record", action="store_true", help="put the table into bench/RESULTS.md")
    parser.add_argument("--merge", action="store_true", help="keep what OUT holds of rows that this run does not measure")
    parser.add_argument("--keep", action="store_true", help="keep models and examples for the next run")
    for given in ("java", "classpath", "native"):
        parser.add_argument("--" + given, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    usual = "tiny" if options.check else "small" if options.quick else "small,124m-64,124m-512"
    options.shapes = options.shapes or usual
    unknown = [name for name in options.shapes.split(",") if name not in plan.SHAPES]
    if unknown:
        parser.error(f"no shape {', '.join(unknown)}; there are {', '.join(plan.SHAPES)}")
    options.data = options.data or machine.default_data()
    return options


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    comparison = Comparison(options)
    interrupted = False
    try:
        comparison.all()
    except KeyboardInterrupt:
        interrupted = True
        print("interrupted; what was measured is kept", file=sys.stderr)
    finally:
        comparison.save()
        comparison.end(interrupted)
    print(table.markdown(comparison.found))
    print(f"saved in {comparison.out}: compare.md, compare.json", file=sys.stderr)
    if options.record:
        table.record("compare", comparison.found["machine"], table.markdown(comparison.found))
    if interrupted:
        sys.exit(130)
    if options.check and any("problem" in row for row in comparison.found["rows"]):
        sys.exit(1)


if __name__ == "__main__":
    main()
