#!/usr/bin/env python3
"""Writes src/test/resources/golden/unlearning.json: the unlearning benchmarks' metrics on fixed numbers, for the tests of
dev.lethe.eval. Tests and means come from scipy and scikit-learn; OpenUnlearning's probability, truth ratio and PrivLeak,
KLoM and U-LiRA are written here in numpy from their definitions. The same versions write the same bytes.

    python3 src/test/golden/unlearning.py
"""
import json
import pathlib
import warnings

import numpy
from scipy import stats
from sklearn.metrics import roc_auc_score

ROOT = pathlib.Path(__file__).resolve().parents[3]
RANDOM = numpy.random.default_rng(11)


def kolmogorov_smirnov():
    pairs = [(RANDOM.normal(0, 1, n), RANDOM.normal(shift, 1, m))
             for n, m, shift in ((1, 1, 0), (2, 3, 0), (20, 20, 0), (20, 20, 1), (40, 37, 0.3), (100, 117, 0.1), (8, 400, 1),
                                 (400, 400, 0.1), (400, 400, 1.5), (40, 40, 9))]
    ties = RANDOM.integers(0, 6, 25) / 4, RANDOM.integers(0, 7, 30) / 4
    same = (pairs[2][0], pairs[2][0])
    out = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # scipy says so when it leaves the exact method
        for a, b in pairs + [ties, same]:
            test = stats.ks_2samp(a, b, method="exact")
            out.append({"a": list(a), "b": list(b), "statistic": float(test.statistic), "p": float(test.pvalue)})
    return out


def tofu():
    """OpenUnlearning's probability, probability_w_options and truth_ratio over mean token losses."""
    out = []
    for records, wrongs, scale in ((1, 1, 1.0), (40, 5, 3.0), (25, 3, 40.0)):
        own, right = RANDOM.random(records) * scale, RANDOM.random(records) * scale
        wrong = RANDOM.random((records, wrongs)) * scale
        probability = numpy.exp(-own)
        options = probability / (probability + numpy.exp(-wrong).sum(axis=1) + 1e-10)
        ratio = numpy.exp(-wrong.mean(axis=1)) / (numpy.exp(-right) + 1e-10)
        out.append({"own": list(own), "right": list(right), "wrong": wrong.tolist(), "probability": list(probability),
                    "probability_mean": probability.mean(), "options": list(options), "options_mean": options.mean(),
                    "ratio": list(ratio), "closer_to_1_better": numpy.minimum(ratio, 1 / (ratio + 1e-10)).mean(),
                    "true_better": numpy.maximum(0, 1 - ratio).mean()})
    return out


def harmonic_means():
    lists = [list(RANDOM.random(9)), list(RANDOM.random(6)), [0.5], [0.9] * 8 + [0.0]]
    return [{"values": values, "mean": float(stats.hmean(values))} for values in lists]


def attacks():
    """mia_reference of forget and holdout records, and PrivLeak of its AUC against another model's."""
    out = []
    for inside, outside, shift in ((5, 7, 0.0), (40, 40, 0.5), (20, 60, -0.7)):
        loss, reference = [RANDOM.random(inside) * 2, RANDOM.random(outside) * 2 + shift], \
                          [RANDOM.random(inside) * 2, RANDOM.random(outside) * 2]
        scores = [loss[0] - reference[0], loss[1] - reference[1]]
        auc = roc_auc_score([0] * inside + [1] * outside, numpy.concatenate(scores))
        retrained = roc_auc_score([0] * inside + [1] * outside, numpy.concatenate(reference))
        out.append({"loss": [list(part) for part in loss], "reference": [list(part) for part in reference], "auc": auc,
                    "retrained_auc": retrained,
                    "privleak": ((1 - auc) - (1 - retrained)) / ((1 - retrained) + 1e-10) * 100})
    return out


def margins():
    losses = [1e-9, 1e-4, 0.1, numpy.log(2), 1.0, 5.0, 40.0]
    return {"losses": losses, "margins": [float(-numpy.log(numpy.expm1(loss))) for loss in losses]}


def binned_kl(p, q):
    """compute_binned_KL_div of data-unlearning-bench, with the largest value in the last bin instead of dropped."""
    p, q = numpy.clip(p, -100, 100), numpy.clip(q, -100, 100)
    low, high = min(p.min(), q.min()), max(p.max(), q.max())
    edges = numpy.linspace(low, high if high > low else low + 1, 21)
    p, q = (numpy.histogram(x, edges)[0] / len(x) for x in (p, q))
    return float(stats.entropy(p, numpy.where(p > 0, numpy.maximum(q, 1e-5), q)))


def normal_kl(p, q):
    s, t = (max(numpy.std(x, ddof=1), 1e-3) for x in (p, q))
    return float(numpy.log(t / s) + (s ** 2 + (p.mean() - q.mean()) ** 2) / (2 * t ** 2) - 0.5)


def klom():
    out = []
    for n, m, records, shift, scale in ((100, 100, 3, 0.5, 1), (8, 8, 6, 1.0, 1), (3, 5, 4, 0.0, 1), (10, 10, 4, 30, 90)):
        u, o = RANDOM.normal(shift, 1, (n, records)) * scale, RANDOM.normal(0, 1, (m, records)) * scale
        u[:, -1] = o[0, -1]  # a record that does not vary
        values = [binned_kl(u[:, r], o[:, r]) for r in range(records)]
        floor = numpy.mean([binned_kl(o[::2, r], o[1::2, r]) for r in range(records)])
        out.append({"unlearned": u.tolist(), "oracles": o.tolist(), "klom": values, "mean": numpy.mean(values),
                    "percentile95": numpy.percentile(values, 95), "floor": float(floor),
                    "normal": [normal_kl(u[:, r], o[:, r]) for r in range(records)]})
    return out


def ulira():
    """Models i of both sides are left out together; N below 64 a side shares the root of the mean variance."""
    out = []
    for n, m, records, shift in ((3, 3, 2, 1.0), (8, 10, 12, 1.0), (12, 12, 20, 0.0), (64, 64, 3, 0.7)):
        spread = RANDOM.random(records) + 0.5
        u, o = RANDOM.normal(shift, spread, (n, records)), RANDOM.normal(0, spread, (m, records))
        own, other = numpy.zeros((min(n, m), records)), numpy.zeros((min(n, m), records))
        for i in range(min(n, m)):
            fits = []
            for side in (numpy.delete(u, i, 0), numpy.delete(o, i, 0)):
                deviation = side.std(axis=0, ddof=1)
                if len(side) + 1 < 64:
                    deviation = numpy.full(records, numpy.sqrt(numpy.mean(deviation ** 2)))
                fits.append((side.mean(axis=0), deviation))
            own[i], other[i] = (stats.norm.logpdf(x[i], *fits[0]) - stats.norm.logpdf(x[i], *fits[1]) for x in (u, o))
        right = ((own > 0).astype(float) + (other <= 0)) / 2
        labels = [1] * min(n, m) + [0] * min(n, m)
        out.append({"unlearned": u.tolist(), "retrained": o.tolist(), "accuracy": list(right.mean(axis=0)),
                    "by_model": list(right.mean(axis=1)),
                    "auc": [roc_auc_score(labels, numpy.concatenate([own[:, r], other[:, r]])) for r in range(records)],
                    "auc_pooled": roc_auc_score([1] * own.size + [0] * other.size,
                                                numpy.concatenate([own.ravel(), other.ravel()])),
                    "detectable": (stats.norm.ppf(0.95) + stats.norm.ppf(0.8)) * numpy.sqrt(1 / n + 1 / m)})
    return out


def main():
    golden = {"kolmogorov_smirnov": kolmogorov_smirnov(), "tofu": tofu(), "harmonic_means": harmonic_means(),
              "attacks": attacks(), "margins": margins(), "klom": klom(), "ulira": ulira()}
    lines = ",\n".join(json.dumps(key) + ": " + json.dumps(value) for key, value in golden.items())
    (ROOT / "src/test/resources/golden/unlearning.json").write_text("{" + lines + "}\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
