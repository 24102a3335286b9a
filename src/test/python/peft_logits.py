#!/usr/bin/env python3
"""What peft and transformers make of folders that Lethe wrote: an adapter over the base it names, and the two merged.

    peft_logits.py IDS ADAPTER MERGED

IDS: comma-separated token ids. Writes ADAPTER-logits and MERGED-logits (float64 little-endian, [T, V]) and ADAPTER-again (by
save_pretrained).
"""
import json
import pathlib
import sys

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

ids = torch.tensor([[int(i) for i in sys.argv[1].split(",")]])
adapter, merged = sys.argv[2:]
base = json.loads(pathlib.Path(adapter, "adapter_config.json").read_text())["base_model_name_or_path"]
model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
whole, info = AutoModelForCausalLM.from_pretrained(merged, output_loading_info=True)
for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
    assert not info[kind], (kind, info[kind])
with torch.no_grad():
    for made, folder in ((model, adapter), (whole.eval(), merged)):
        pathlib.Path(folder + "-logits").write_bytes(made(input_ids=ids).logits[0].double().numpy().tobytes())
model.save_pretrained(adapter + "-again")
