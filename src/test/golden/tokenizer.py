#!/usr/bin/env python3
"""Writes src/test/resources/golden/gpt2-tokenizer.json (texts and their GPT-2 ids, by Hugging Face's tokenizers) and
src/test/resources/golden/small-tokenizer/tokenizer.json (a byte-level BPE of 290 ids, for the tests of other tokenizers)
with small-tokenizer.json, its ids for the same texts. Needs tokenizers and GPT-2's vocab.json and merges.txt.

    python3 src/test/golden/tokenizer.py FOLDER_WITH_VOCAB_AND_MERGES
"""
import json
import pathlib
import sys

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "resources" / "golden"
TEXTS = [
    "", " ", "  ", "\n", "\n\n\n", "\t x", "a", " a", "a ", "Hello, world!", "hello  world", "hello   world   ",
    "It's we'll they've I'm you're he'd DON'T", "3.14159 1,000,000 ½ ² ٣ Ⅷ", "snake_case CamelCase kebab-case",
    "https://example.org/?q=a%20b&x=1#top", "def f(x):\n    return x ** 2\n", "line one\r\nline two\r\n",
    "<|endoftext|>", "before <|endoftext|> after", "<|endoftext|><|endoftext|>", "<|endoftext", "|>",
    "naïve café Zürich Ærøskøbing", "cafe\u0301 (combining)", "Ελληνικά Кириллица עברית العربية हिन्दी ไทย",
    "日本語のテキスト 한국어 中文文本", "😀", "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽", "a😀b 😀 c", "𝕬𝖓𝖙𝖎𝖖𝖚𝖆 𐍈 𒀀",
    "nbsp\u00a0em\u2003ideographic\u3000zero\u200bwidth", "\ufeffmark", "\u0000\u0001\u001c\u001f\u007f\u0085",
    "…—–‘’“”«»", "İstanbul ǅ ß ﬁ", "x" * 200, " " * 50 + "end", "=" * 80, "\u2028\u2029", "Dave's diary — page 1\n\n",
]


def small():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=290, special_tokens=["<|endoftext|>"], show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(["hello world hello there the quick brown fox"] * 3, trainer)
    return tokenizer


def gpt2(folder):
    model = models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def write(path, tokenizer):
    tokenizer.encode_special_tokens = True  # text is text
    rows = [{"text": t, "ids": tokenizer.encode(t, add_special_tokens=False).ids} for t in TEXTS]
    path.write_text("[\n" + ",\n".join(json.dumps(r) for r in rows) + "\n]\n")


(GOLDEN / "small-tokenizer").mkdir(parents=True, exist_ok=True)
tokenizer = small()
tokenizer.save(str(GOLDEN / "small-tokenizer" / "tokenizer.json"))
write(GOLDEN / "small-tokenizer.json", tokenizer)
write(GOLDEN / "gpt2-tokenizer.json", gpt2(pathlib.Path(sys.argv[1])))
