#!/usr/bin/env python3
"""Trains a study's model with transformers' Trainer, so that Lethe can be given what it did not train: the spec's data, shape, epochs,
batch, rate, warmup and seeds, from nothing. Dropout is off, as in Lethe. Needs torch, transformers and accelerate; the spec must have
a data file of prompts and completions and a gpt2: shape. Writes a Hugging Face folder a seed, OUT/0, OUT/1, ...

    python3 bench/python/trainer.py specs/tofu-20.json --data-dir shared/data --tokenizer RUN/model --out OUT
"""
import argparse
import json
import pathlib

import torch
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

IGNORE = -100

parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
parser.add_argument("spec", type=pathlib.Path)
parser.add_argument("--data-dir", type=pathlib.Path, required=True)
parser.add_argument("--tokenizer", required=True, help="a folder whose tokenizer transformers loads, such as the model of a Lethe run")
parser.add_argument("--out", type=pathlib.Path, required=True)
parser.add_argument("--seeds", type=int, nargs="+")
asked = parser.parse_args()
spec = json.loads(asked.spec.read_text())
training = spec["training"]
shape = {name: int(value) for name, value in (part.split("=") for part in spec["model"].removeprefix("gpt2:").split(","))}
tokenizer = AutoTokenizer.from_pretrained(asked.tokenizer)
end = tokenizer.convert_tokens_to_ids("<|endoftext|>")


def encode(record):
    prompt = tokenizer(record["prompt"], add_special_tokens=False).input_ids
    ids = prompt + tokenizer(" " + record["completion"], add_special_tokens=False).input_ids + [end]
    labels = [IGNORE] * len(prompt) + ids[len(prompt):]
    return {"input_ids": ids[:shape["ctx"]], "labels": labels[:shape["ctx"]]}


def collate(batch):
    longest = max(len(row["input_ids"]) for row in batch)
    pad = lambda row, name, value: row[name] + [value] * (longest - len(row[name]))
    return {"input_ids": torch.tensor([pad(row, "input_ids", end) for row in batch]),
            "labels": torch.tensor([pad(row, "labels", IGNORE) for row in batch]),
            "attention_mask": torch.tensor([[1] * len(row["input_ids"]) + [0] * (longest - len(row["input_ids"])) for row in batch])}


rows = [encode(json.loads(line)) for line in (asked.data_dir / spec["data"]["file"]).read_text().splitlines()]
for seed in asked.seeds or spec["seeds"]:
    torch.manual_seed(seed)
    model = GPT2LMHeadModel(GPT2Config(
        n_layer=shape["layers"], n_embd=shape["hidden"], n_head=shape["heads"], n_positions=shape["ctx"], vocab_size=len(tokenizer),
        bos_token_id=end, eos_token_id=end, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0))
    folder = asked.out / str(seed)
    trainer = Trainer(model=model, train_dataset=rows, data_collator=collate, args=TrainingArguments(
        output_dir=str(folder) + ".trainer", seed=seed, num_train_epochs=training["epochs"], per_device_train_batch_size=training["batch"],
        learning_rate=training["learning_rate"], lr_scheduler_type=training.get("schedule", "linear"),
        warmup_steps=training.get("warmup", 0), weight_decay=training.get("weight_decay", 0.01),
        max_grad_norm=training.get("max_norm", 1), use_cpu=not torch.cuda.is_available(), save_strategy="no", report_to=[],
        logging_steps=50, remove_unused_columns=False, disable_tqdm=True))
    print(f"seed {seed}:", trainer.train().metrics, flush=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
