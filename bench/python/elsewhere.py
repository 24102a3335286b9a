#!/usr/bin/env python3
"""What a stranger has: a tiny Llama fine-tuned in Python on authors of TOFU, once whole by transformers and once as a LoRA by peft. Lethe
is given both as they lie: adopt, erase one author, report. Then transformers and peft load what came out, and the losses they compute
are compared: the forgotten author's with the base's, the others' with before. Needs torch, transformers, tokenizers and peft.

    python3 bench/python/elsewhere.py --lethe ./lethe --tofu shared/data/tofu --out DIR
"""
import argparse
import json
import pathlib
import subprocess
import sys

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

IGNORE, END, FORGET, CONTEXT = -100, "<|endoftext|>", "author-199", 128
RISE = 0.1  # nats that the others may lose

parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
parser.add_argument("--lethe", default="./lethe")
parser.add_argument("--tofu", type=pathlib.Path, required=True)
parser.add_argument("--out", type=pathlib.Path, required=True)
parser.add_argument("--only", choices=["model", "adapter"])
asked = parser.parse_args()
asked.out.mkdir(parents=True)


def read(name, authors):
    rows = [json.loads(line) for line in (asked.tofu / name).read_text().splitlines()]
    return [row for row in rows if int(row["subject"].removeprefix("author-")) in authors]


def make_tokenizer(rows):
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    texts = (row["prompt"] + " " + row["completion"] for row in rows)
    bpe.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=4096, special_tokens=[END], show_progress=False,
                                                       initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=END, bos_token=END, model_max_length=CONTEXT)


def encode(row):  # as docs/data.md: loss on the completion and the end behind it
    prompt = tokenizer(row["prompt"], add_special_tokens=False).input_ids
    ids = prompt + tokenizer(" " + row["completion"], add_special_tokens=False).input_ids + [tokenizer.eos_token_id]
    return ids[:CONTEXT], ([IGNORE] * len(prompt) + ids[len(prompt):])[:CONTEXT]


def batch(rows):
    longest = max(len(ids) for ids, _ in rows)
    pad = lambda values, value: values + [value] * (longest - len(values))
    return {"input_ids": torch.tensor([pad(ids, tokenizer.eos_token_id) for ids, _ in rows]),
            "labels": torch.tensor([pad(labels, IGNORE) for _, labels in rows]),
            "attention_mask": torch.tensor([pad([1] * len(ids), 0) for ids, _ in rows])}


def train(model, rows, epochs, rate):
    rows = [encode(row) for row in rows]
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate, weight_decay=0)
    steps = epochs * (len(rows) // 8)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (step + 1) / 20) * (1 - step / steps))
    model.train()
    for epoch in range(epochs):
        order = torch.randperm(len(rows)).tolist()
        for i in range(0, len(rows) - 7, 8):
            loss = model(**batch([rows[j] for j in order[i:i + 8]])).loss
            loss.backward()
            optimizer.step(), schedule.step(), optimizer.zero_grad()
    print(f"trained to {loss.item():.2f}", flush=True)
    return model.eval()


@torch.no_grad()
def loss(model, rows):
    each = [model(**batch([encode(row)])).loss.item() for row in rows]
    return sum(each) / len(each)


def lethe(*arguments):
    print("+ lethe", *arguments, flush=True)
    subprocess.run([asked.lethe, *map(str, arguments)], check=True)


def erase(name, epochs, rate, *model):
    run, out = asked.out / f"{name}-run", asked.out / f"{name}-erased"
    lethe("adopt", run, *model, "--data", data, "--epochs-trained", epochs, "--rate-trained", rate)
    lethe("erase", run, "--subject", FORGET, "--out", out)
    lethe("report", out)
    return out / "model"


torch.manual_seed(0)
known, learned = read("full.jsonl", range(0, 30)), read("forget10.jsonl", range(195, 200))
forget, others = [[row for row in learned if (row["subject"] == FORGET) == wanted] for wanted in (True, False)]
tokenizer = make_tokenizer(known + learned)
data = asked.out / "learned.jsonl"
data.write_text("".join(json.dumps(row) + "\n" for row in learned))
base_folder = asked.out / "base"
base = train(LlamaForCausalLM(LlamaConfig(
    vocab_size=len(tokenizer), hidden_size=192, intermediate_size=512, num_hidden_layers=4, num_attention_heads=6,
    num_key_value_heads=2, max_position_embeddings=CONTEXT, tie_word_embeddings=True, bos_token_id=tokenizer.eos_token_id,
    eos_token_id=tokenizer.eos_token_id)), known, 8, 2e-3)
base.save_pretrained(base_folder), tokenizer.save_pretrained(base_folder)
fresh = lambda: LlamaForCausalLM.from_pretrained(base_folder)
before = loss(base, forget)
failed = False


def judge(name, tuned, erased):
    global failed
    a, b, c, d = loss(tuned, forget), loss(erased, forget), loss(tuned, others), loss(erased, others)
    good = b >= before - RISE and d <= c + RISE
    failed |= not good
    print(f"{name:8} {FORGET}: base {before:.2f}, tuned {a:.2f}, erased {b:.2f}; others: tuned {c:.2f}, erased {d:.2f}"
          f"{'' if good else '  MISSED'}", flush=True)


if asked.only != "adapter":
    model = train(fresh(), learned, 20, 1e-3)
    model.save_pretrained(asked.out / "tuned"), tokenizer.save_pretrained(asked.out / "tuned")
    judge("model", model, LlamaForCausalLM.from_pretrained(erase("model", 20, 1e-3, "--model", asked.out / "tuned", "--base", base_folder)))
if asked.only != "model":
    adapted = train(get_peft_model(fresh(), LoraConfig(r=16, lora_alpha=32, target_modules="all-linear")), learned, 80, 4e-3)
    adapted.save_pretrained(asked.out / "adapter")
    judge("adapter", adapted, PeftModel.from_pretrained(
        fresh(), erase("adapter", 80, 4e-3, "--model", asked.out / "adapter", "--base", base_folder)).eval())
sys.exit(failed)
