"""What both sides read: model folders, examples of random tokens, TOFU's records encoded, the pipeline's data.

Made once into a folder; models and token ids come from Lethe's worker, so that both sides start from the same.
"""
import json
import os
import random

import plan


class Inputs:
    """ours: Lethe's worker; work: a folder; data: JSONL of records with subjects."""

    def __init__(self, ours, work, data, quick):
        self.ours, self.work, self.data, self.quick = ours, work, data, quick

    def model(self, shape):
        folder = os.path.join(self.work, "model-" + "-".join(str(shape[k]) for k in ("family", "layers", "hidden", "context")))
        if not os.path.isdir(folder):
            self.ours.ask("init", model=folder, seed=1, shape=plan.init(shape))
        return folder

    def examples(self, kind, name, shape, model):
        """A file both sides read: random tokens of the shape, or TOFU's records."""
        path = os.path.join(self.work, f"{name}-{kind}.json")
        if os.path.exists(path):
            return path
        if kind == "ragged":
            data = self.write_records("ragged", self.records()[: plan.STEPS * shape["batch"]])
            self.ours.ask("encode", model=model, data=data, out=path)
            return path
        count = {"batch": shape["batch"], "epoch": plan.STEPS * shape["batch"], "ascent": plan.ASCENT_RECORDS,
                 "influence": plan.influence_records(shape, self.quick) + 1}[kind]
        chance = random.Random(count)
        rows = [[chance.randrange(shape["vocabulary"]) for _ in range(shape["tokens"] + 1)] for _ in range(count)]
        with open(path, "w") as file:
            json.dump({"tokens": [row[:-1] for row in rows], "targets": [row[1:] for row in rows]}, file)
        return path

    def records(self):
        """Shuffled once, so that a batch has the lengths that a training's has."""
        with open(self.data) as file:
            records = [json.loads(line) for line in file if line.strip()]
        random.Random(0).shuffle(records)
        return records

    def write_records(self, name, records):
        path = os.path.join(self.work, name + ".jsonl")
        with open(path, "w") as file:
            for record in records:
                file.write(json.dumps(record) + "\n")
        return path

    def pipeline(self, name, shape, model):
        """Ten records each of some subjects to learn, of others to hold out; the last subject learned is erased."""
        subjects, epochs = plan.pipeline_size(shape, self.quick)
        by_subject = {}
        for record in self.records():
            by_subject.setdefault(record["subject"], []).append(record)
        chosen = sorted(by_subject)
        learned, held_out = chosen[:subjects], chosen[subjects : subjects + (1 if self.quick else 2)]
        part = lambda names: [record for name in names for record in by_subject[name][:10]]
        args = {"data": self.write_records(name + "-learned", part(learned)),
                "heldOut": self.write_records(name + "-held-out", part(held_out or learned[:1])), "subject": learned[-1],
                "epochs": epochs, "batch": 8, "rate": 1e-3, "topk": 256}
        path = os.path.join(self.work, f"{name}-pipeline.json")
        self.ours.ask("encode", model=model, out=path, **args)
        return path, args
