"""Takes from a grid's results the best setting of each strategy and writes it into the spec that judges them on others.

python3 bench/python/choose.py GRID_OUT [specs/rivals.json]

The best has the least sum of |forget.loss_gap|, |retain.loss_gap| and |base_text.loss_gap|: nats a token from the model that was
retrained without the records, on the records, on what it keeps and on the base's held-out text. Strategies that the
grid has no finished cell of are left as they are, and named.
"""
import json
import pathlib
import sys

GAPS = ("forget.loss_gap", "retain.loss_gap", "base_text.loss_gap")


def distance(metrics):
    """None where one of the gaps is missing or no number: a setting that broke the model."""
    gaps = [metrics.get(name) for name in GAPS]
    return sum(map(abs, gaps)) if all(isinstance(gap, (int, float)) and gap == gap for gap in gaps) else None


def number(text):
    value = float(text)
    return int(value) if value == int(value) and "." not in text and "e" not in text.lower() else value


def setting(cell):
    options = dict(option.split("=", 1) for option in cell["options"].split(",") if option)
    chosen = {"calibration": cell["calibration"]}
    return chosen | ({"erase": {name: number(value) for name, value in options.items()}} if options else {})


def main(grid, path):
    best, tried = {}, {}
    for line in (pathlib.Path(grid) / "results.jsonl").read_text(encoding="utf-8").splitlines():
        result = json.loads(line)
        strategy, far = result["cell"]["strategy"], distance(result["metrics"])
        tried[strategy] = tried.get(strategy, 0) + 1
        if far is not None and (strategy not in best or far < best[strategy][0]):
            best[strategy] = (far, result)
    text = pathlib.Path(path).read_text(encoding="utf-8")
    lines = text.splitlines()
    for place, line in enumerate(lines):  # a cell is a line, so that the rest of the file stays as it is written
        if not line.startswith('    {"name"'):
            continue
        cell = json.loads(line.rstrip(","))
        strategy = cell["strategy"]
        if cell["name"] != strategy:
            continue  # not a rival
        if strategy not in best:
            print(f"{strategy}: no cell of {tried.get(strategy, 0)} is whole; left as it is")
            continue
        far, result = best[strategy]
        gaps = ", ".join(f"{name.split('.')[0]} {result['metrics'][name]:+.3f}" for name in GAPS)
        print(f"{strategy}: {result['variant']} of {tried[strategy]}, {far:.3f} nats away ({gaps})")
        lines[place] = "    " + json.dumps({"name": strategy, "strategy": strategy} | setting(result["cell"])) \
            + ("," if line.endswith(",") else "")
    pathlib.Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return json.loads("\n".join(lines))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else pathlib.Path("specs/rivals.json"))
