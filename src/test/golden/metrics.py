#!/usr/bin/env python3
"""Writes src/test/resources/golden/metrics.json: what the field's own implementations say, for the tests of dev.lethe.eval
and of the fuzzy finder. Needs rouge_score, nltk, scikit-learn, numpy and rapidfuzz importable; the same versions write
the same bytes.

    python3 src/test/golden/metrics.py
"""
import json
import pathlib
import random
import zlib

import numpy
from nltk.stem.porter import PorterStemmer
from rapidfuzz import fuzz
from rouge_score import rouge_scorer
from sklearn.metrics import roc_auc_score

ROOT = pathlib.Path(__file__).resolve().parents[3]
RANDOM = random.Random(7)
PEOPLE = [json.loads(line) for line in open(ROOT / "src/main/resources/dev/lethe/demo/people.jsonl", encoding="utf-8")]
SENTENCES = [r["completion"] for r in PEOPLE]
ODD = ["", " ", "...", "a", "The cat's cats' CATS!", "naïve café — 3.14 × 10", "Istanbul İSTANBUL ıI \u212a\u212bngström",
       "snake_case and kebab-case, 1984", "one\ttwo\nthree\r\nfour", "日本語 text 한국어", "aa aa aa aa", "aa aa",
       "Dying skies lying news; proceed, innings!", "happily enjoying the flies that died and spied"]


def perturb(sentence):
    words = sentence.split()
    for _ in range(RANDOM.randint(0, 6)):
        at = RANDOM.randrange(len(words) + 1)
        action = RANDOM.random()
        if action < 0.35 and len(words) > 1:
            del words[min(at, len(words) - 1)]
        elif action < 0.6:
            words.insert(at, RANDOM.choice(RANDOM.choice(SENTENCES).split()))
        elif action < 0.8 and len(words) > 1:
            other = RANDOM.randrange(len(words))
            at = min(at, len(words) - 1)
            words[at], words[other] = words[other], words[at]
        else:
            at = min(at, len(words) - 1)
            words[at] = words[at] + RANDOM.choice(["s", "ed", "ing", "ly", "ness", "'s", "!"])
    return " ".join(words)


def pairs():
    chosen = [(s, perturb(s)) for s in RANDOM.sample(SENTENCES, 60)]
    chosen += [(RANDOM.choice(SENTENCES), RANDOM.choice(SENTENCES)) for _ in range(15)]
    return chosen + [(a, b) for a in ODD[:6] for b in ODD[:6]] + [(a, ODD[(i + 1) % len(ODD)]) for i, a in enumerate(ODD)]


def rouge(texts):
    out = []
    scorers = [rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=stem) for stem in (False, True)]
    for reference, candidate in texts:
        both = [[list(s.score(reference, candidate)[k]) for k in ("rouge1", "rouge2", "rougeL")] for s in scorers]
        out.append({"reference": reference, "candidate": candidate, "plain": both[0], "stemmed": both[1]})
    return out


def stems():
    roots = """relat condit ration valenc hesit digit conform radic differ vil analog vietnam predic oper feudal decis hope
        call formal sensit sensib triplic form electric good reviv allow infer airlin gyroscop adjust defens irrit replac
        depend adopt homolog commun activ angular effect bowdler probat rat ceas controll roll hopp tann fall hiss fizz fail
        fil happ sk enjo fl tr d l t geo archaeo sy yy play by oy abb agree feed bl tro oat tree troubl iv privat orrer
        adm th 42 b2b x a qu""".split()
    ends = """ s es ies ied ed eed ing y e er al ally alli ational tional enci anci izer bli abli alli entli eli ousli
        ization ation ator alism iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness
        ance ence ic able ible ant ement ment ent ion sion tion ou ism ate iti ous ive ize ll at bl iz yy ying sses ss
        """.split(" ")
    words = {root + end.strip() for root in roots for end in ends}
    words |= {w.strip(".,'!").lower() for s in SENTENCES for w in s.split()}
    words |= set("sky skies dying lying tying news innings inning outings outing cannings canning howe proceed exceed succeed"
                 .split())
    words = sorted(w for w in words if w.isascii() and w.isalnum())
    stem = PorterStemmer().stem
    return {w: stem(w) for w in RANDOM.sample(words, 2000)}


def auc():
    out = []
    for positives, negatives, levels in ((1, 1, 2), (5, 7, 3), (40, 60, 8), (50, 30, 1000), (9, 9, 1)):
        p = [RANDOM.randrange(levels) / 4 + RANDOM.choice([0, 0.25]) for _ in range(positives)]
        n = [RANDOM.randrange(levels) / 4 for _ in range(negatives)]
        out.append({"positives": p, "negatives": n, "auc": roc_auc_score([1] * len(p) + [0] * len(n), p + n)})
    return out


def min_k():
    """min_k and min_k_plus_plus of OpenUnlearning, in numpy, over ready-made token statistics."""
    out = []
    for length in (1, 4, 5, 11, 40):
        logp = [-RANDOM.random() * 9 for _ in range(length)]
        mean = [-RANDOM.random() * 9 for _ in range(length)]
        variance = [RANDOM.choice([0.0, 1e-9, RANDOM.random() * 6]) for _ in range(length)]
        k = max(1, int(length * 0.2))
        sigma = numpy.clip(variance, 1e-6, None)
        standard = (numpy.array(logp) - numpy.array(mean)) / numpy.sqrt(sigma)
        out.append({"logp": logp, "mean": mean, "deviation": list(numpy.sqrt(variance)),
                    "min_k": -float(numpy.mean(numpy.sort(logp)[:k])),
                    "min_k_plus_plus": -float(numpy.mean(numpy.sort(standard)[:k]))})
    return out


def token_sets():
    """Token-set ratio of texts that are already normalised."""
    out = []
    for a, b in pairs():
        a, b = ("".join(c if c.isalnum() else " " for c in s.lower()) for s in (a, b))
        a, b = " ".join(a.split()), " ".join(b.split())
        if a.isascii() and b.isascii():
            out.append({"a": a, "b": b, "score": fuzz.token_set_ratio(a, b)})
    return out


def main():
    texts = pairs()
    golden = {"rouge": rouge(texts), "stems": stems(), "auc": auc(), "min_k": min_k(), "token_set_ratio": token_sets(),
              "zlib": [{"text": t, "bytes": len(zlib.compress(t.encode()))} for t in ODD + SENTENCES[:10]
                       + [" ".join(SENTENCES)]]}
    lines = ",\n".join(json.dumps(key) + ": " + json.dumps(value) for key, value in golden.items())
    (ROOT / "src/test/resources/golden/metrics.json").write_text("{" + lines + "}\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
