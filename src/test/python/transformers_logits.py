#!/usr/bin/env python3
"""What transformers makes of folders that Lethe wrote: loads each, runs one sequence, saves it again.

    transformers_logits.py IDS TEXT FOLDER...

IDS: comma-separated token ids. Writes FOLDER-logits (float64 little-endian, [T, V]) and FOLDER-again (by
save_pretrained). Prints a line a folder: the ids its own tokenizer gives TEXT, comma-separated; empty without one.
"""
import pathlib
import sys

import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

ids = torch.tensor([[int(i) for i in sys.argv[1].split(",")]])
for folder in sys.argv[3:]:
    model, info = GPT2LMHeadModel.from_pretrained(folder, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[kind], (kind, info[kind])
    assert model.dtype == torch.float32, model.dtype
    with torch.no_grad():
        logits = model.eval()(ids).logits[0]
    pathlib.Path(folder + "-logits").write_bytes(logits.double().numpy().tobytes())
    model.save_pretrained(folder + "-again")
    tokenizer = pathlib.Path(folder, "merges.txt").exists() and AutoTokenizer.from_pretrained(folder)
    print(",".join(str(i) for i in tokenizer(sys.argv[2])["input_ids"]) if tokenizer else "")
