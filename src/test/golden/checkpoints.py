"""Model folders as transformers writes them, one tiny model for each model_type, and what transformers makes of them.

Writes NAME/ into src/test/resources/golden/checkpoints for models of families.py, whose goldens hold the same weights:
config.json and model.safetensors  by save_pretrained, in fp32
config-old.json  the same in transformers 4's words: rope_theta and rope_scaling, or rotary_pct and rotary_emb_base, in
                 place of rope_parameters, and torch_dtype; for llama3, qwen2 and neox
losses.json      tokens and targets (-100: no loss) of records, transformers' own loss of each in fp32 with sdpa, and
                 the greedy continuation of a prompt
Run from the repository root: python3 src/test/golden/checkpoints.py    (made with torch 2.13, transformers 5.18)
"""
import json
import pathlib
import shutil
import tempfile

import torch
from transformers import AutoModelForCausalLM

from families import MODELS, build, widen
from parity import IGNORE, record_loss, records

OUT = pathlib.Path("src/test/resources/golden/checkpoints")
NAMES = ["gpt2-silu-by-layer", "llama", "llama3", "mistral", "qwen2", "qwen3", "neox"]
OLD = ["llama3", "qwen2", "neox"]


def old_form(config):
    old = {key: value for key, value in config.items() if key not in ("layer_types", "transformers_version")}
    rope = old.pop("rope_parameters")
    old["torch_dtype"] = old.pop("dtype")
    if old["model_type"] == "gpt_neox":
        old |= {"rotary_emb_base": rope["rope_theta"], "rotary_pct": rope["partial_rotary_factor"]}
    elif rope["rope_type"] == "linear":
        old |= {"rope_theta": rope["rope_theta"], "rope_scaling": {"type": "linear", "factor": rope["factor"]}}
    else:
        old["rope_theta"] = rope.pop("rope_theta")
        old["rope_scaling"] = rope
    return json.dumps(old, indent=2, sort_keys=True) + "\n"


def load(folder):
    model, report = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    return model.eval()


def losses_of(model, tokens, targets):
    """transformers' own, which shifts the labels itself."""
    rows = zip((torch.cat([t, y[-1:]]) for t, y in zip(tokens, targets)),
               (torch.cat([torch.tensor([IGNORE]), y]) for y in targets))
    with torch.no_grad():
        return [model(input_ids=ids[None], labels=labels[None]).loss.item() for ids, labels in rows]


def checkpoint(name):
    folder = OUT / name
    made = build(*MODELS[name])
    made.save_pretrained(folder)
    (folder / "generation_config.json").unlink()
    model = load(folder)
    for n, p in made.named_parameters():
        assert torch.equal(p, model.get_parameter(n)), n
    tokens, targets = records(model.config.vocab_size)
    losses = losses_of(model, tokens, targets)
    exact = widen(build(*MODELS[name]))
    for t, y, loss in zip(tokens, targets, losses):
        torch.testing.assert_close(loss, record_loss(exact, t, y).item(), rtol=1e-5, atol=0)
    prompt = tokens[0][:5]
    continuation = model.generate(prompt[None], attention_mask=torch.ones_like(prompt[None]), max_new_tokens=6,
                                  do_sample=False, pad_token_id=0, eos_token_id=None)[0, len(prompt):]
    numbers = dict(tokens=[t.tolist() for t in tokens], targets=[y.tolist() for y in targets], losses=losses,
                   prompt=prompt.tolist(), continuation=continuation.tolist())
    (folder / "losses.json").write_text(json.dumps(numbers, indent=1) + "\n")
    if name in OLD:
        (folder / "config-old.json").write_text(old_form(json.loads((folder / "config.json").read_text())))
        with tempfile.TemporaryDirectory() as other:
            shutil.copy(folder / "config-old.json", f"{other}/config.json")
            shutil.copy(folder / "model.safetensors", other)
            assert losses_of(load(other), tokens, targets) == losses, name


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for name in NAMES:
        checkpoint(name)


if __name__ == "__main__":
    main()
