#!/usr/bin/env python3
"""Writes src/test/resources/golden/openunlearning.json: what OpenUnlearning's own functions say on fixed logits and losses,
for OpenUnlearningGoldenTest. Needs a checkout of github.com/locuslab/open-unlearning (made at d3d7cf9) and torch, numpy,
scipy, scikit-learn and transformers; what its files import beyond these and the formulas do not use (datasets, omegaconf,
rouge_score) may be missing. The same versions write the same bytes.

    python3 src/test/golden/openunlearning.py CHECKOUT
"""
import importlib
import importlib.machinery
import json
import pathlib
import sys
import types
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
SOURCE = pathlib.Path(sys.argv[1]).resolve() / "src"
sys.path.insert(0, str(SOURCE))
for unused, names in {"datasets": (), "rouge_score": ("rouge_scorer",), "omegaconf": ("OmegaConf", "DictConfig")}.items():
    try:
        importlib.import_module(unused)
    except ImportError:
        sys.modules[unused] = types.ModuleType(unused)
        sys.modules[unused].__spec__ = importlib.machinery.ModuleSpec(unused, None)
        sys.modules[unused].__dict__.update({name: None for name in names})
evals = types.ModuleType("evals")  # the package without its __init__, which imports evaluators of other benchmarks
evals.__path__ = [str(SOURCE / "evals")]
sys.modules["evals"] = evals

import numpy  # noqa: E402
import torch  # noqa: E402
from evals.metrics import memorization, privacy  # noqa: E402
from evals.metrics.mia import min_k, min_k_plus_plus, utils as mia_utils, zlib as mia_zlib  # noqa: E402
from evals.metrics.utils import evaluate_probability, tokenwise_logprobs, tokenwise_vocab_logprobs  # noqa: E402

IGNORE = -100
END = 0
VOCABULARY = 6
torch.manual_seed(5)
RANDOM = numpy.random.default_rng(5)


class Fixed:
    """A model that gives the logits it was made with."""

    device = "cpu"

    def __init__(self, logits):
        self.logits = logits

    def __call__(self, **batch):
        return types.SimpleNamespace(logits=self.logits)


class Words:
    """A tokenizer whose word is its id; the end of text is special and is skipped."""

    @staticmethod
    def decode(ids, skip_special_tokens):
        assert skip_special_tokens
        return "".join(f" w{one}" for one in ids if one != END)


def attack(cls, k):
    made = cls.__new__(cls)  # without a data loader, which the score of one record does not need
    made.setup(k=k)
    return made


def record(prompt, said, knows, ends=True):
    """Inputs, labels and float64 logits: `knows` is how much likelier the right tokens are."""
    ids = [int(one) for one in RANDOM.integers(1, VOCABULARY, prompt + said)] + ([END] if ends else [])
    logits = torch.randn(1, len(ids), VOCABULARY, dtype=torch.float64) * 2
    for t in range(len(ids) - 1):
        logits[0, t, ids[t + 1]] += knows[(t + 1 - prompt) % len(knows)]
    labels = [IGNORE] * prompt + ids[prompt:]
    return {"input_ids": torch.tensor([ids]), "labels": torch.tensor([labels])}, logits


def records():
    """Single records under every metric that leaves the last target out, at the field's k and at another."""
    shapes = [(2, 5, [9]), (1, 9, [0, 9, 9]), (3, 7, [9, 9, 0]), (2, 1, [0]), (4, 12, [-9]), (1, 10, [3, 1]), (2, 6, [9, 0])]
    out = []
    for number, (prompt, said, knows) in enumerate(shapes):
        batch, logits = record(prompt, said, knows, ends=number != 6)
        model = Fixed(logits)
        copy = lambda: {key: value.clone() for key, value in batch.items()}  # noqa: E731
        tokens = tokenwise_logprobs(model, copy())[0]
        vocabulary = tokenwise_vocab_logprobs(model, copy())[0]
        collate = lambda items: {**copy(), "index": torch.tensor([0])}  # noqa: E731
        args = {"data": [0], "collators": collate, "batch_size": 1}
        probability = evaluate_probability(model, copy())[0]
        zlib_attack = mia_zlib.ZLIBAttack.__new__(mia_zlib.ZLIBAttack)
        zlib_attack.model, zlib_attack.tokenizer = model, Words
        values = {str(k): [float(attack(min_k.MinKProbAttack, k).compute_score(tokens)),
                           float(attack(min_k_plus_plus.MinKPlusPlusAttack, k).compute_score(
                               {"vocab_log_probs": vocabulary, "token_log_probs": tokens}))] for k in (0.4, 0.2)}
        out.append({"ids": batch["input_ids"][0].tolist(), "labels": batch["labels"][0].tolist(), "logits": logits[0].tolist(),
                    "avg_loss": probability["avg_loss"], "min_k": values,
                    "exact_memorization": memorization.exact_memorization._metric_fn(model, **args)["agg_value"].item(),
                    "extraction_strength": memorization.extraction_strength._metric_fn(model, **args)["agg_value"].item(),
                    "zlib": float(zlib_attack.compute_score(zlib_attack.compute_batch_values(copy())[0])),
                    "text": Words.decode(batch["labels"][0][prompt:].tolist(), True)})
    return out


def truth_ratios():
    """truth_ratio under its three aggregators, over mean losses of one right and several wrong answers."""
    out = []
    for count, wrongs, scale in ((1, 1, 1.0), (30, 5, 3.0), (20, 3, 40.0)):
        right, wrong = RANDOM.random(count) * scale, RANDOM.random((count, wrongs)) * scale
        results = {"correct": {"value_by_index": {i: {"avg_loss": right[i]} for i in range(count)}},
                   "wrong": {"value_by_index": {i: {"avg_loss": list(wrong[i])} for i in range(count)}}}
        forms = {}
        for form in ("closer_to_1_better", "true_better", "prob_mean"):
            result = memorization.truth_ratio._metric_fn(None, pre_compute=results, aggregator=form)
            forms[form] = {"value": float(result["agg_value"]),
                           "records": [float(one["score"]) for one in result["value_by_index"].values()]}
        out.append({"right": list(right), "wrong": wrong.tolist(), **forms})
    return out


def differences():
    """privleak and rel_diff of one score against a retained log's."""
    out = []
    for score, ref in ((0.088, 0.258), (0.7, 0.5), (0.0, 1.0), (0.31, 0.31)):
        args = {"pre_compute": {"forget": {"agg_value": score}},
                "reference_logs": {"retain_model_logs": {"retain": {"agg_value": ref}}}}
        out.append({"score": score, "reference": ref, "privleak": privacy.privleak._metric_fn(None, **args)["agg_value"],
                    "rel_diff": privacy.rel_diff._metric_fn(None, **args)["agg_value"],
                    "privleak_without": privacy.privleak._metric_fn(None, pre_compute=args["pre_compute"],
                                                                    ref_value=0.5)["agg_value"]})
    return out


def main():
    assert len(zlib.compress(b"")) == 8 and mia_utils.mia_auc  # zlib's default level, as ZLIBAttack uses it
    golden = {"records": records(), "truth_ratios": truth_ratios(), "differences": differences()}
    lines = ",\n".join(json.dumps(key) + ": " + json.dumps(value) for key, value in golden.items())
    (ROOT / "src/test/resources/golden/openunlearning.json").write_text("{" + lines + "}\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
