#!/usr/bin/env python3
"""Writes src/test/resources/golden/intervals.json: 95 % intervals of means over seeds, by scipy's Student's t on the scale of what is
measured, for the test of dev.lethe.page.Interval. Values at a range's end are taken as they are and cut there; the mean of the values
themselves is taken in where another scale's interval leaves it out. The same version writes the same bytes.

    python3 src/test/golden/intervals.py
"""
import json
import pathlib

import numpy
from scipy import special, stats

ROOT = pathlib.Path(__file__).resolve().parents[3]
RANDOM = numpy.random.default_rng(18)
SCALES = {
    "any": (lambda x: x, lambda x: x, -numpy.inf, numpy.inf),
    "positive": (numpy.log, numpy.exp, 0, numpy.inf),
    "perplexity": (numpy.log, numpy.exp, 1, numpy.inf),
    "share": (special.logit, special.expit, 0, 1),
}


def interval(kind, values):
    scale, back, least, most = SCALES[kind]
    with numpy.errstate(divide="ignore"):
        scaled = scale(numpy.array(values))
    plain = not numpy.isfinite(scaled).all()
    at = numpy.array(values) if plain else scaled
    # scipy has no interval of values that are all alike: it is the value
    low, high = stats.t.interval(0.95, len(at) - 1, loc=at.mean(), scale=stats.sem(at)) if at.std() > 0 else (at[0], at[0])
    if not plain:
        low, high = back(low), back(high)
    mean = numpy.mean(values)
    return {"kind": kind, "values": values, "mean": mean, "low": min(mean, max(least, low)), "high": max(mean, min(most, high))}


def cases():
    yield "perplexity", [1.4, 60.0, 3.1]  # by its plain interval from -61 on
    yield "share", [0.9, 0.99, 0.97]  # by its plain interval up to 1.07
    yield "share", [1.0, 1.0, 0.9]
    yield "share", [0.0, 0.0, 0.0]
    yield "positive", [0.0, 0.02, 0.01]
    yield "positive", [1.0] * 9 + [1e4]  # its mean is above the interval of the logarithms
    yield "any", [-1.0, 0.5, 2.0]
    for seeds in (2, 3, 5, 12, 40):
        yield "any", RANDOM.normal(-1, 2, seeds).round(6).tolist()
        yield "positive", RANDOM.lognormal(0, 1, seeds).round(6).tolist()
        yield "perplexity", (1 + RANDOM.lognormal(0, 2, seeds)).round(6).tolist()
        yield "share", RANDOM.beta(4, 1, seeds).round(6).tolist()


golden = [interval(kind, values) for kind, values in cases()]
path = ROOT / "src/test/resources/golden/intervals.json"
path.write_text(json.dumps(golden, indent=1) + "\n")
