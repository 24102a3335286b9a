"""Losses of records by transformers, to compare with `lethe eval FOLDER --data DATA.jsonl --json EVAL.json`.

    python3 src/test/golden/roundtrip.py FOLDER DATA.jsonl [EVAL.json]    (torch 2.13, transformers 5.18)

Prints {"id":..., "loss":...} a record: the mean loss of the completion and the end-of-text token behind it, of a text
without a prompt from its second token on. Records are joined, tokenised and cut to the context as Lethe does it
(docs/data.md). With an EVAL.json the largest difference goes to stderr; more than 1e-5 (of a loss, above 1) exits
with 1. FOLDER is a model folder, one that Lethe wrote above all: AutoModelForCausalLM must find every tensor and no
other. Its tokenizer is tokenizer.json, else GPT-2's vocab.json and merges.txt. Losses are of fp32 logits.
"""
import json
import pathlib
import sys

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, GPT2Tokenizer, PreTrainedTokenizerFast

GPT2_END = 50256  # in the config.json of every GPT-2, chosen or not


def tokenizer_of(folder):
    """By the files alone: AutoTokenizer goes by the model_type too, and reads GPT-2's files as Qwen2's in a qwen2."""
    file = folder / "tokenizer.json"
    return PreTrainedTokenizerFast(tokenizer_file=str(file)) if file.exists() else GPT2Tokenizer.from_pretrained(folder)


def end_of_text(folder, tokenizer):
    """The token named, else the id of config.json, else <|endoftext|>; None for none."""
    def value(file, key):
        found = json.loads((folder / file).read_text()).get(key) if (folder / file).exists() else None
        return found["content"] if isinstance(found, dict) else found

    ids = tokenizer.get_vocab()
    name = value("tokenizer_config.json", "eos_token") or value("special_tokens_map.json", "eos_token")
    if name is not None:
        return ids[name]
    end = value("config.json", "eos_token_id")
    end = end[0] if isinstance(end, list) else end
    return end if end in ids.values() and end != GPT2_END else ids.get("<|endoftext|>")


def white(character):
    """Java's notion: spaces that do not break a line are none."""
    return character.isspace() and character not in "\x85\xa0\u2007\u202f"


def encoded(record, encode, end, context):
    """Ids and the index of the first that is learned."""
    prompt, text = record.get("prompt"), record.get("text")
    if text is None:
        text = record["completion"]
        if not white(prompt[-1]) and not white(text[0]):
            text = " " + text
    before = encode(prompt) if prompt is not None else []
    ids = before + encode(text) + ([end] if end is not None else [])
    return ids[:context + 1], max(len(before), 1)


def losses(folder, data):
    model, report = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not any(report.values()), report
    model.eval()
    tokenizer = tokenizer_of(folder)
    end = end_of_text(folder, tokenizer)
    encode = lambda text: tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    context = model.config.max_position_embeddings
    for number, line in enumerate(data.read_text(encoding="utf-8-sig").split("\n"), 1):
        if line.strip():
            record = json.loads(line)
            name = f"{data.stem}-{number}" if record.get("id") is None else str(record["id"])
            ids, first = encoded(record, encode, end, context)
            if first >= len(ids):
                sys.exit(f"{name}: nothing to learn within the context of {context}; Lethe refuses it too")
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids[:-1]])).logits[0, first - 1:]
            loss = F.cross_entropy(logits.double(), torch.tensor(ids[first:])).item()
            yield name, loss


def main():
    folder, data, *reports = map(pathlib.Path, sys.argv[1:])
    theirs = {}
    for name, loss in losses(folder, data):
        theirs[name] = loss
        print(json.dumps({"id": name, "loss": loss}, ensure_ascii=False))
    for report in reports:
        ours = {r["id"]: r["loss"] for r in json.loads(report.read_text())["records"]}
        assert ours.keys() == theirs.keys(), f"{report}: other records"
        worst = max(abs(ours[name] - loss) / max(loss, 1) for name, loss in theirs.items())
        print(f"{report}: {len(ours)} records, largest difference {worst:.1e}", file=sys.stderr)
        if not worst <= 1e-5:
            sys.exit(1)


if __name__ == "__main__":
    main()
