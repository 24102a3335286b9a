"""How Lethe's costs grow: curves of time or bytes over records, tokens, forget-set size, model size and ledger size.

Each curve varies one size and holds the others; its exponent is the slope of the least-squares line through the logarithms,
with a 95 % interval. Drives the Java worker of bench/compare alone; needs no PyTorch. Small sizes: minutes in all.
"""
import argparse
import itertools
import json
import math
import os
import random
import shutil
import sys
import time
from statistics import median

import machine
import plan
import table
from side import Problem, Worker

RUNS = 5
BASE = dict(layers=2, hidden=128, heads=2, context=256, vocabulary=8192, tokens=64, batch=8)
EXACT, EMBEDDING = {"sites": "all", "topk": 0}, {"sites": "embedding", "topk": 256}
MODELS = [(2, 64), (2, 128), (4, 192), (4, 256), (6, 384), (8, 512)]
STUDENT = {1: 12.7, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31}  # 97.5 % points


class Curve:
    """One cost over one size. `point` turns a size into (shape, records, op, variant, args); measures time or bytes."""

    def __init__(self, cost, over, sizes, point, unit="s", per_record=False):
        self.cost, self.over, self.sizes, self.point, self.unit, self.per_record = cost, over, sizes, point, unit, per_record


def at(**changes):
    return BASE | changes


def model(size):
    layers, hidden = MODELS[size]
    return at(layers=layers, hidden=hidden, heads=hidden // 64)


def curves():
    models = range(len(MODELS))
    tokens = [16, 32, 64, 128, 256]
    records = [16, 32, 64, 128, 256]
    batch = {"batch": 8}
    return [
        Curve("train step", "tokens a record", tokens, lambda t: (at(tokens=t), 8, "train", "", {})),
        Curve("train step", "parameters", models, lambda m: (model(m), 8, "train", "", {})),
        Curve("first epoch, nothing kept", "records", records, lambda n: (at(), n, "epoch", "plain", batch)),
        Curve("first epoch, whole model kept", "records", records, lambda n: (at(), n, "epoch", "capture", EXACT | batch)),
        Curve("first epoch, embedding top-k:256 kept", "records", records,
              lambda n: (at(), n, "epoch", "capture", EMBEDDING | batch)),
        Curve("bytes a record, whole model exact", "tokens a record", tokens,
              lambda t: (at(tokens=t), 8, "records", "capture", EXACT), "bytes", True),
        Curve("bytes a record, embedding top-k:256", "tokens a record", tokens,
              lambda t: (at(tokens=t), 8, "records", "capture", EMBEDDING), "bytes", True),
        Curve("bytes a record, whole model exact", "parameters", models,
              lambda m: (model(m), 8, "records", "capture", EXACT), "bytes", True),
        Curve("ascent direction, whole model", "forget records", records[:-1],
              lambda n: (at(), n, "ascent", "", EXACT | batch)),
        Curve("ascent direction, embedding top-k:256", "forget records", records,
              lambda n: (at(), n, "ascent", "", EMBEDDING | batch)),
        Curve("ascent direction of 20 records, whole model", "parameters", models,
              lambda m: (model(m), 20, "ascent", "", EXACT | batch)),
        Curve("influence on a query, embedding top-k:256", "ledger entries", [256, 512, 1024, 2048, 4096],
              lambda n: (at(), n + 1, "influence", "", EMBEDDING | batch)),
    ]


class Scaling:
    def __init__(self, options):
        self.options = options
        self.out = os.path.abspath(options.out)
        self.work = os.path.join(self.out, "work")
        os.makedirs(self.work, exist_ok=True)
        threads = str(options.threads)
        self.log = open(os.path.join(self.out, "worker.log"), "w")
        self.worker = Worker([options.java, "--enable-native-access=ALL-UNNAMED", "-XX:+UseSerialGC",
                              "-Dlethe.native=" + options.native, "-cp", options.classpath, "dev.lethe.bench.CompareWorker",
                              options.device, threads], {"OMP_NUM_THREADS": threads}, self.log)
        self.numbers = itertools.count()
        self.found = {"date": time.strftime("%Y-%m-%d %H:%M"), "commit": machine.commit(), "machine": machine.describe(),
                      "ours": self.worker.ask("hello"), "curves": []}

    def model(self, shape):
        folder = os.path.join(self.work, "model-" + "-".join(str(shape[k]) for k in ("layers", "hidden", "context")))
        if not os.path.isdir(folder):
            self.worker.ask("init", model=folder, seed=1, shape=plan.init(shape))
        return folder

    def examples(self, shape, count):
        path = os.path.join(self.work, f"{count}-{shape['tokens']}.json")
        if not os.path.exists(path):
            chance = random.Random(count)
            rows = [[chance.randrange(shape["vocabulary"]) for _ in range(shape["tokens"] + 1)] for _ in range(count)]
            with open(path, "w") as file:
                json.dump({"tokens": [row[:-1] for row in rows], "targets": [row[1:] for row in rows]}, file)
        return path

    def point(self, curve, size):
        shape, count, op, variant, args = curve.point(size)
        case = str(next(self.numbers))
        work = os.path.join(self.work, case)
        os.makedirs(work)
        self.worker.ask("open", case=case, op=op, variant=variant, model=self.model(shape),
                        examples=self.examples(shape, count), work=work, args=args)
        times = []
        for _ in range(2 if curve.unit == "bytes" else RUNS + 1):
            self.worker.ask("before", case=case)
            times.append(self.worker.ask("run", case=case)["nanos"] / 1e9)
        stored = self.worker.ask("stored", case=case)["bytes"]
        self.worker.ask("close", case=case)
        shutil.rmtree(work)
        x = plan.parameters(shape) if curve.over == "parameters" else size
        return x, stored / (count if curve.per_record else 1) if curve.unit == "bytes" else median(times[1:])

    def all(self):
        for curve in curves():
            points = [self.point(curve, size) for size in curve.sizes]
            exponent, interval = fit(points)
            self.found["curves"].append({"cost": curve.cost, "over": curve.over, "unit": curve.unit, "points": points,
                                         "exponent": exponent, "interval": interval})
            print(f"{curve.cost} over {curve.over}: exponent {exponent:.2f} ± {interval:.2f}", file=sys.stderr, flush=True)
            self.save()

    def save(self):
        with open(os.path.join(self.out, "scaling.json"), "w") as file:
            json.dump(self.found, file, indent=1)
        with open(os.path.join(self.out, "scaling.md"), "w") as file:
            file.write(markdown(self.found))

    def end(self):
        self.worker.end()
        shutil.rmtree(self.work, ignore_errors=True)
        self.log.close()


def fit(points):
    """Slope of log cost over log size, and half the width of its 95 % interval (Student's t, n - 2)."""
    x = [math.log(size) for size, _ in points]
    y = [math.log(cost) for _, cost in points]
    n, mean_x, mean_y = len(points), sum(x) / len(x), sum(y) / len(y)
    spread = sum((a - mean_x) ** 2 for a in x)
    slope = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / spread
    rest = sum((b - mean_y - slope * (a - mean_x)) ** 2 for a, b in zip(x, y))
    return slope, STUDENT[n - 2] * math.sqrt(rest / (n - 2) / spread)


def markdown(found):
    lines = [f"{found['date']}, commit {found['commit']}, {found['machine']}; {found['ours']['threads']} threads, libtorch "
             f"{found['ours']['torch']}. {BASE['layers']} layers, hidden {BASE['hidden']}, {BASE['vocabulary']} tokens of "
             f"vocabulary, {BASE['tokens']} tokens a record, batches of {BASE['batch']}, fp32, unless the curve says "
             f"otherwise; medians of {RUNS} runs.", "",
             "| cost | over | measured | exponent |", "|---|---|---|---|"]
    for curve in found["curves"]:
        show = table.duration if curve["unit"] == "s" else table.mega
        points = "; ".join(f"{size:,}: {show(cost)}" for size, cost in curve["points"])
        lines.append(f"| {curve['cost']} | {curve['over']} | {points} | {curve['exponent']:.2f} ± {curve['interval']:.2f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="bench/scaling", description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count()))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", default="build/scaling")
    parser.add_argument("--record", action="store_true", help="put the table into bench/RESULTS.md")
    for given in ("java", "classpath", "native"):
        parser.add_argument("--" + given, required=True, help=argparse.SUPPRESS)
    scaling = Scaling(parser.parse_args())
    try:
        scaling.all()
    except (KeyboardInterrupt, Problem) as stopped:
        print(f"stopped ({stopped}); what was measured is kept", file=sys.stderr)
    finally:
        scaling.end()
    print(markdown(scaling.found))
    if scaling.options.record:
        table.record("scaling", scaling.found["machine"], markdown(scaling.found))


if __name__ == "__main__":
    main()
