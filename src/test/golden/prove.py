#!/usr/bin/env python3
"""Writes src/test/resources/golden/prove.json: intervals, chances, best-of-k, TPR at 1 % FPR, offline LiRA and rounding on fixed
numbers, for the tests of dev.lethe.prove and ULira.offline. From scipy, scikit-learn and numpy; what they lack is written here from
its definition, by another way than in Java where there is one. The same versions write the same bytes.

    python3 src/test/golden/prove.py
"""
import itertools
import json
import math
import pathlib

import numpy
from scipy import optimize, stats
from sklearn.metrics import roc_auc_score, roc_curve

ROOT = pathlib.Path(__file__).resolve().parents[3]
RANDOM = numpy.random.default_rng(17)


def intervals():
    """Newcombe's method 5: the roots of (auc - t)^2 = z^2 V(t)."""
    z = stats.norm.ppf(0.995)
    out = []
    for auc, m, n in ((0.5, 10, 30), (0.81, 10, 30), (1, 10, 30), (0, 4, 9), (0.97, 200, 120), (1, 5, 5), (0.03, 50, 1000)):
        def apart(t):
            half = (m + n) / 2 - 1
            return (auc - t) ** 2 - z * z * t * (1 - t) * (1 + half * (1 - t) / (2 - t) + half * t / (1 + t)) / (m * n)
        low = optimize.brentq(apart, 1e-12, auc - 1e-12) if auc > 0 else 0.0
        high = optimize.brentq(apart, auc + 1e-12, 1 - 1e-12) if auc < 1 else 1.0
        out.append({"auc": auc, "m": m, "n": n, "low": low, "high": high})
    return out


def flagged():
    out = []
    for m, n, shift, levels in ((10, 30, 1, 0), (40, 100, 2, 0), (40, 250, 1.5, 0), (200, 400, 0, 0), (40, 300, 1, 7), (5, 1000, 3, 0)):
        erased, controls = RANDOM.normal(shift, 1, m), RANDOM.normal(0, 1, n)
        if levels:
            erased, controls = numpy.round(erased * levels) / levels, numpy.round(controls * levels) / levels
        truth, scores = [1] * m + [0] * n, [*erased, *controls]
        fpr, tpr, _ = roc_curve(truth, scores, drop_intermediate=False)
        most = max(t for f, t in zip(fpr, tpr) if f <= 0.01 + 1e-12)
        alarms, count = n // 100, round(most * m)
        chance = stats.hypergeom.cdf(alarms, m + n, n, count + alarms)
        out.append({"erased": list(erased), "controls": list(controls), "auc": roc_auc_score(truth, scores), "tpr": most,
                    "flagged": count, "chance": float(chance)})
    return out


def best_of():
    out = []
    for n, k in ((1, 1), (5, 1), (5, 2), (6, 3), (9, 4), (9, 9)):
        samples = list(numpy.round(RANDOM.random(n) * 6) / 6)
        every = [max(chosen) for chosen in itertools.combinations(samples, k)]
        out.append({"samples": samples, "k": k, "mean": math.fsum(every) / len(every)})
    return out


def offline():
    out = []
    for models, records in ((2, 3), (5, 20), (63, 4), (64, 4)):
        retrained = RANDOM.normal(RANDOM.normal(-4, 2, records), RANDOM.random(records) + 0.2, (models, records))
        model = RANDOM.normal(-4, 3, records)
        deviation = retrained.std(axis=0, ddof=1)
        if models + 1 < 64:
            deviation = numpy.full(records, math.sqrt(numpy.mean(deviation ** 2)))
        out.append({"model": list(model), "retrained": retrained.tolist(),
                    "deviations": list((model - retrained.mean(axis=0)) / deviation)})
    return out


def rounding():
    out = []
    for bits, count, scale in ((8, 64, 0.02), (4, 64, 0.02), (4, 200, 3.0), (4, 3, 1.0)):
        values = RANDOM.normal(0, scale, count).astype(numpy.float32)
        rounded = values.copy()
        for start in range(0, count, 64):
            group = values[start:start + 64]
            step = numpy.abs(group).max() / numpy.float32(2 ** (bits - 1) - 1)
            rounded[start:start + 64] = step * numpy.rint(group / step)
        out.append({"bits": bits, "values": [float(v) for v in values], "rounded": [float(v) for v in rounded]})
    return out


def main():
    golden = {"intervals": intervals(), "flagged": flagged(), "best_of": best_of(), "offline_lira": offline(), "rounding": rounding()}
    (ROOT / "src/test/resources/golden/prove.json").write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


main()
