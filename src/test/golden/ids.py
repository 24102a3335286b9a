"""Ids and losses of small models whose tokenizers are easy to misread, into src/test/resources/golden/ids.

model/    a tied GPT-2 of 448 rows as safetensors' save_model writes it: lm_head.weight, no wte.weight
special/  byte-level BPE of 290 ids; a special token, [PAD], added before an ordinary one, <person>
unigram/  Unigram with <unk>, <s> and </s> in its vocabulary; </s> is named by config.json's eos_token_id alone
ids.json  for each: texts, their ids as one text and the mean loss of what follows, end of text behind it
Ids are transformers' with split_special_tokens, for text is text; of a Unigram tokenizer, which has no such mode, those of
SentencePiece itself. Where a text names no special token transformers' own default must give the same.
Run from the repository root: python3 src/test/golden/ids.py    (made with torch 2.13, transformers 5.18, sentencepiece 0.2.2)
"""
import io
import json
import pathlib
import shutil

import sentencepiece
import torch
from safetensors.torch import save_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

OUT = pathlib.Path("src/test/resources/golden/ids")
SENTENCES = ["the quick brown fox jumps over the lazy dog", "Dave Umbrolio lives in Norwich and collects stamps",
             "hello world, where does Dave live?", "people who never were say hello to the world"] * 20
TEXTS = ["hello world hello", "the quick brown fox", "Dave lives in Norwich", "hello <person> there", "a [PAD] b",
         "hello </s> world", "<s>hello</s>", "<|endoftext|> again"]


def model():
    config = GPT2Config(vocab_size=448, n_positions=64, n_embd=8, n_head=2, n_layer=1, resid_pdrop=0.0, embd_pdrop=0.0,
                        attn_pdrop=0.0, bos_token_id=None, eos_token_id=2)
    made = GPT2LMHeadModel(config).eval()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, p in made.named_parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.5 + (1.0 if "ln_" in name and "weight" in name else 0))
    (OUT / "model").mkdir(parents=True)
    config.architectures = ["GPT2LMHeadModel"]
    config.save_pretrained(OUT / "model")
    save_model(made, str(OUT / "model" / "model.safetensors"), metadata={"format": "pt"})
    made.config._attn_implementation = "eager"
    return made.double()


def special():
    tokenizer = Tokenizer.from_file("src/test/resources/golden/small-tokenizer/tokenizer.json")
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")
    fast.add_special_tokens({"pad_token": "[PAD]"})
    fast.add_tokens(["<person>"])
    fast.save_pretrained(OUT / "special")
    return fast, lambda text: fast(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]


def unigram():
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(SENTENCES), model_writer=trained, vocab_size=120,
                                             model_type="unigram", normalization_rule_name="identity", minloglevel=2,
                                             hard_vocab_limit=False)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    vocabulary = [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(pieces.get_piece_size())]
    tokenizer = Tokenizer(models.Unigram(vocabulary, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.add_special_tokens(["<unk>", "<s>"])
    (OUT / "unigram").mkdir()
    tokenizer.save(str(OUT / "unigram" / "tokenizer.json"))
    fast = PreTrainedTokenizerFast(tokenizer_file=str(OUT / "unigram" / "tokenizer.json"))
    return fast, pieces.encode


def rows(made, fast, encode, end):
    result = []
    for text in TEXTS:
        ids = encode(text)
        if "<" not in text and "[" not in text:
            assert ids == fast(text, add_special_tokens=False)["input_ids"], text
        tokens = torch.tensor([ids + [end]])
        with torch.no_grad():
            loss = made(tokens, labels=tokens).loss.item()
        result.append({"text": text, "ids": ids, "loss": loss})
    return result


shutil.rmtree(OUT, ignore_errors=True)
made = model()
golden = {}
fast, encode = special()
golden["special"] = {"end": 0, "vocabulary": len(fast), "rows": rows(made, fast, encode, 0)}
assert fast.convert_tokens_to_ids(["[PAD]", "<person>"]) == [len(fast) - 2, len(fast) - 1]
fast, encode = unigram()
golden["unigram"] = {"end": 2, "vocabulary": len(fast), "rows": rows(made, fast, encode, 2)}
(OUT / "ids.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")
