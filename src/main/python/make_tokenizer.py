#!/usr/bin/env python3
"""Trains the demo's byte-level BPE tokenizer on the demo's own texts, so that its model stays small.

Needs Hugging Face's `tokenizers`. Writes src/main/resources/dev/lethe/demo/tokenizer/tokenizer.json; the same input gives
the same file. With about a thousand tokens a training of 15 epochs takes seconds; with GPT-2's 50,257 nine tenths of it
would go into rows that no text here uses.
"""
import json
import pathlib

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

DEMO = pathlib.Path(__file__).resolve().parent.parent / "resources/dev/lethe/demo"
VOCABULARY = 1024


def texts():
    for name in ("people.jsonl", "held-out.jsonl"):
        with open(DEMO / name, encoding="utf-8") as lines:
            for line in lines:
                record = json.loads(line)
                yield record["prompt"] + " " + record["completion"]


def main():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=["<|endoftext|>"], show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(texts(), trainer)
    (DEMO / "tokenizer").mkdir(exist_ok=True)
    tokenizer.save(str(DEMO / "tokenizer/tokenizer.json"), pretty=False)
    print(f"{tokenizer.get_vocab_size()} tokens")


if __name__ == "__main__":
    main()
