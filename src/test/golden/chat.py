#!/usr/bin/env python3
"""Writes src/test/resources/golden/chat/: a byte-level BPE of 420 ids with special tokens (tokenizer.json), and cases.json:
what transformers makes of conversations by the chat templates beside it. These are as their models' publishers have them:
Llama 3, Llama 3.2 and Qwen3 without most of their words about tools, Qwen2.5, Mistral, ChatML, and ChatML with generation
blocks, as TRL wants them. A case has the rendered text, the ids, where transformers has one the mask of the assistant's
tokens, or the words with which the template refuses. Those of "openunlearning" have ids and labels by the rule of that
benchmark's data set: the ids of the whole conversation, the end token behind them unless it is their last, no label on the
ids of the prompt. Needs transformers and jinja2.

    python3 src/test/golden/chat.py
"""
import json
import pathlib

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from transformers.utils.chat_template_utils import render_jinja_template

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "resources" / "golden" / "chat"
SPECIAL = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|im_start|>",
           "<|im_end|>", "<s>", "</s>", "<|endoftext|>"]
TOKENS = {  # bos, eos
    "llama3": ("<|begin_of_text|>", "<|eot_id|>"), "llama32": ("<|begin_of_text|>", "<|eot_id|>"),
    "qwen25": (None, "<|im_end|>"), "mistral": ("<s>", "</s>"), "chatml": (None, "<|im_end|>"),
    "qwen3": (None, "<|im_end|>"), "generation": (None, "<|im_end|>"),
}
WORDS = ["user assistant system Where does Zoe Umbrolio live? Zoe Umbrolio lives in a lighthouse. You are a helpful assistant."
         " Cutting Knowledge Date: December 2023 Today Date: Who wrote it? I do not know who wrote it. [INST] [/INST]"] * 3

QUESTION = {"role": "user", "content": "Where does Zoe Umbrolio live?"}
ANSWER = {"role": "assistant", "content": "Zoe Umbrolio lives in a lighthouse."}
SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
CONVERSATIONS = {
    "single": [QUESTION, ANSWER],
    "system": [SYSTEM, QUESTION, ANSWER],
    "turns": [QUESTION, ANSWER, {"role": "user", "content": "Who wrote it?"},
              {"role": "assistant", "content": "I do not know who wrote it."}],
    "open": [QUESTION, ANSWER, {"role": "user", "content": "Who wrote it?"}],
    "spaces": [{"role": "user", "content": " \n Where?\u00a0\n"}, {"role": "assistant", "content": "\tHere, \u2003 there \n\n"}],
    "odd": [{"role": "user", "content": "{{ x }} {% if %} 'a' \"b\" \\n <b> & false"},
            {"role": "assistant", "content": "日本語 😀 naïve {# no comment #}"}],
    "false": [{"role": "user", "content": "false"}, {"role": "assistant", "content": "0"}],
    "alternating": [QUESTION, QUESTION, ANSWER],
    "strange": [{"role": "narrator", "content": "Once upon a time"}, ANSWER],
}


def tokenizer():
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(WORDS, trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIAL, show_progress=False,
                                                        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return made


def case(name, template, known, kind, messages, generate, variables):
    found = {"template": name, "conversation": kind, "messages": messages, "add_generation_prompt": generate,
             "variables": variables}
    options = dict(chat_template=template, add_generation_prompt=generate, **variables)
    try:
        found["text"] = known.apply_chat_template(messages, tokenize=False, **options)
    except Exception as refused:  # jinja2's, with the template's words
        found["refusal"] = str(refused)
        return found
    made = known.apply_chat_template(messages, tokenize=True, return_dict=True,
                                     return_assistant_tokens_mask=name == "generation", **options)
    found["ids"] = list(made["input_ids"])
    if name == "generation":
        found["mask"] = list(made["assistant_masks"])
    return found


def openunlearning(name, template, known, system, variables):
    """The rule of the benchmark's chat form for one question: ids of the whole, labels behind the prompt's length."""
    chat = ([SYSTEM] if system else []) + [QUESTION, ANSWER]
    options = dict(chat_template=template, tokenize=True, return_dict=False, **variables)
    whole = known.apply_chat_template(chat, add_generation_prompt=False, **options)
    prompt = known.apply_chat_template(chat[:-1], add_generation_prompt=True, **options)
    if whole[-1] != known.eos_token_id:
        whole = whole + [known.eos_token_id]
    return {"template": name, "conversation": "openunlearning", "messages": chat, "variables": variables, "ids": whole,
            "labels": [-100] * len(prompt) + whole[len(prompt):]}


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = tokenizer()
    made.save(str(FOLDER / "tokenizer.json"))
    cases = []
    for name, (bos, eos) in TOKENS.items():
        template = (FOLDER / (name + ".jinja")).read_text()
        known = PreTrainedTokenizerFast(tokenizer_object=made, bos_token=bos, eos_token=eos)
        known.add_special_tokens({"additional_special_tokens": SPECIAL})
        variables = {"date_string": "10 Apr 2025"} if name == "llama32" else {}
        for kind, messages in CONVERSATIONS.items():
            for generate in (False, True):
                cases.append(case(name, template, known, kind, messages, generate, variables))
        cases += [openunlearning(name, template, known, system, variables) for system in (False, True)
                  if name != "mistral" or not system]
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in cases)
    (FOLDER / "cases.json").write_text("[\n" + lines + "\n]\n")


if __name__ == "__main__":
    main()
