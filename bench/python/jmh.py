"""Puts JMH's results into bench/RESULTS.md: jmh.py RESULTS.json. Only the standard library; bench/run --record calls it."""
import json
import sys
import time

import machine
import table


def main():
    with open(sys.argv[1]) as file:
        results = json.load(file)
    jvm = f"{results[0]['vmName']} {results[0]['vmVersion']}, JMH {results[0]['jmhVersion']}"
    lines = [f"{time.strftime('%Y-%m-%d %H:%M')}, commit {machine.commit()}, {machine.describe()}; {jvm}.", "",
             "| bench | mean | 99.9 % interval | unit |", "|---|---|---|---|"]
    for result in sorted(results, key=lambda one: one["benchmark"]):
        metric = result["primaryMetric"]
        name = ".".join(result["benchmark"].split(".")[-2:])
        lines.append(f"| {name} | {metric['score']:.3g} | ±{float(metric['scoreError']):.2g} | {metric['scoreUnit']} |")
    table.record("jmh", machine.describe(), "\n".join(lines))


if __name__ == "__main__":
    main()
