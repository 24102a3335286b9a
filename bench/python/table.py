"""What was measured as text: one line a row, the markdown tables, and their place in bench/RESULTS.md."""
import os
import re
from statistics import median

import machine

RESULTS = os.path.join(machine.ROOT, "bench", "RESULTS.md")

NAMES = {"mm": "torch.mm", "onednn": "oneDNN inside libtorch"}
ON_AMD = (" torch.mm's library (MKL) keeps to AVX2 on this processor. Lethe's products do not go by it, PyTorch's own fp32"
          " layers always do, and part of the ratios below is that. Shares are of the faster rate.")


def ratios(row):
    """Second's time over first's, pair by pair."""
    return [second / first for first, second in zip(*row["seconds"])]


def met(value, target):
    if not target:
        return ""
    sign, bound = target.split()
    return "met" if (value >= float(bound) if sign == ">=" else value <= float(bound)) else "**missed**"


def duration(seconds):
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def mega(count):
    if count < 1e6:
        return f"{count / 1e3:,.0f} kB"
    return f"{count / 1e6:,.0f} MB" if count >= 1e8 else f"{count / 1e6:,.1f} MB"


def spread(row):
    values = ratios(row)
    return f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def short(row):
    if "problem" in row:
        return row["problem"]
    if "seconds" not in row:
        return f"agrees, {row['error']:.1e}" if "error" in row else "opens and runs"
    return f"{duration(median(row['seconds'][0]))}, {duration(median(row['seconds'][1]))}: {spread(row)}" \
           f" {met(median(ratios(row)), row['target'])}"


def markdown(found):
    theirs, ours = found["theirs"], found["ours"]
    lines = [f"{found['date']}, commit {found['commit']}, {found['machine']}; fp32, {theirs['threads']} threads, device "
             f"{theirs['device']}; torch {theirs['torch']}, transformers {theirs['transformers']}, Python {theirs['python']}, "
             f"Java {ours['java']}."]
    if found["sgemm"]:
        rates = {key: median(one[key] for one in found["sgemm"]) for key in found["sgemm"][0]}
        lines.append("Measured sgemm rate, 2048 x 2048 x 2048, GFLOP/s: "
                     + ", ".join(f"{NAMES[key]} {rate / 1e9:.0f}" for key, rate in rates.items()) + "."
                     + (ON_AMD if rates.get("onednn", 0) > 1.3 * rates["mm"] else ""))
    lines += older(found)
    for shape in dict.fromkeys(row["shape"] for row in found["rows"]):
        rows = [row for row in found["rows"] if row["shape"] == shape]
        lines += ["", f"**{shape}**", ""] + speed(rows) + shares(rows, found["sgemm"]) + overhead(rows)
        lines += memory([row for row in found.get("memory", []) if row["shape"] == shape]) + pipeline(rows) + problems(rows)
    return "\n".join(lines) + "\n"


def older(found):
    """Which rows an earlier commit's run measured."""
    names = {}
    for row in found["rows"]:
        if row.get("commit", found["commit"]) != found["commit"]:
            names.setdefault((row["commit"], row["shape"]), []).append(row["group"])
    return [f"Measured at commit {commit}: {shape}: {', '.join(dict.fromkeys(groups))}."
            for (commit, shape), groups in names.items()]


def speed(rows):
    rows = [row for row in rows if row["kind"] == "speed" and "seconds" in row]
    if not rows:
        return []
    lines = ["| Lethe \\| peer | Lethe | peer | times faster | target | | peak RSS added | bytes stored | error | pairs |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        first, second = (median(times) for times in row["seconds"])
        stored = f"{mega(row['stored'][0])}, {mega(row['stored'][1])}" if any(row["stored"]) else ""
        error = f"{row['error']:.0e}" if "error" in row else ""
        lines.append(f"| {escaped(row['name'])} | {duration(first)} | {duration(second)} | {spread(row)} | {row['target']} "
                     f"| {met(median(ratios(row)), row['target'])} | {mega(row['added'][0])}, {mega(row['added'][1])} "
                     f"| {stored} | {error} | {len(row['seconds'][0])} |")
    return lines + [""]


def overhead(rows):
    rows = [row for row in rows if row["kind"] == "overhead" and "seconds" in row]
    if not rows:
        return []
    lines = ["| overhead | without | with | ratio | target | | bytes stored |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        first, second = (median(times) for times in row["seconds"])
        lines.append(f"| {row['name']} | {duration(first)} | {duration(second)} | {spread(row)} | {row['target']} "
                     f"| {met(median(ratios(row)), row['target'])} | {mega(row['stored'][1]) if row['stored'][1] else ''} |")
    return lines + [""]


def shares(rows, sgemm):
    """Of the sgemm rate, by the FLOPs of plan.train_flops."""
    lines = []
    best = max((max(one.values()) for one in sgemm), default=0)
    for row in rows:
        if row["group"] in ("train", "compile") and "seconds" in row:
            rates = [row["flops"] / median(times) for times in row["seconds"]]
            share = [rate / best for rate in rates]
            lines.append(f"{'Lethe, torch eager' if row['group'] == 'train' else 'Lethe, torch.compile'}: "
                         f"{row['flops'] / 1e9:.1f} GFLOP a step, {rates[0] / 1e9:.0f} and {rates[1] / 1e9:.0f} GFLOP/s, "
                         f"{share[0]:.0%} and {share[1]:.0%} of the sgemm rate (target >= 80 %: {met(share[0], '>= 0.8')}).")
    return lines + [""] if lines else []


def memory(rows):
    lines = []
    for row in rows:
        ours, theirs = (row[side] - row["state"] for side in ("ours", "theirs"))
        lines.append(f"Peak memory of a train step beyond parameters, gradient and moments ({mega(row['state'] * 4 / 3)} on "
                     f"both sides): Lethe {mega(ours)}, torch eager {mega(theirs)}, ratio {ours / theirs:.2f} (target <= 0.6: "
                     f"{met(ours / theirs, '<= 0.6')}); with gradient and moments {mega(row['ours'])} and {mega(row['theirs'])}, "
                     f"{row['ours'] / row['theirs']:.2f}.")
    return lines + [""] if lines else []


def pipeline(rows):
    """The stages of the whole pipeline, seconds, Lethe then torch."""
    lines = []
    for row in rows:
        if row["group"] == "pipeline" and "parts" in row:
            stages = [f"{stage} {median(p[stage] for p in row['parts'][0]) / 1e9:.1f} and "
                      f"{median(p[stage] for p in row['parts'][1]) / 1e9:.1f} s" for stage in row["parts"][0][0]]
            lines.append("Stages of the pipeline: " + ", ".join(stages) + ".")
    return lines


def problems(rows):
    return [f"Not measured: {row['name']}: {row['problem']}." for row in rows if "problem" in row]


def escaped(name):
    return name.replace("|", "\\|")


def record(kind, key, text):
    """Puts a table into bench/RESULTS.md: one a kind and machine, the newest replaces the one before."""
    start, end = f"<!-- {kind}: {key} -->", f"<!-- end {kind} -->"
    section = f"{start}\n{text.strip()}\n{end}\n"
    with open(RESULTS) as file:
        old = file.read()
    pattern = re.compile(re.escape(start) + r".*?" + re.escape(end) + r"\n", re.DOTALL)
    if pattern.search(old):
        new = pattern.sub(lambda _: section, old)
    else:
        place = f"<!-- {kind} tables -->\n"
        new = old.replace(place, place + "\n" + section, 1)
    with open(RESULTS, "w") as file:
        file.write(new)
