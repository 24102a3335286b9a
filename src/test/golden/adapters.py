"""LoRA adapters as peft writes them over tiny models of every family, and what peft makes of them in fp64.

Writes NAME/ into src/test/resources/golden/adapters:
base/            config.json and model.safetensors by save_pretrained, fp32 or bf16
adapter/         adapter_config.json and adapter_model.safetensors by peft's save_pretrained; B is not zero
golden.txt, .bin as families.py has them, by the adapters' parameters alone: adapter:MODULE has rank and scale;
                 weights/ are the base's, adapter/ the adapters', merged/ the adapted modules' after merge_and_unload
Run from the repository root: python3 src/test/golden/adapters.py    (made with torch 2.13, transformers 5.18, peft 0.21)
"""
import json
import pathlib
import shutil

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from families import GPT2, GQA, MODELS, build, measured, shape_of, short, widen, write
from parity import records

OUT = pathlib.Path("src/test/resources/golden/adapters")
LLAMA = (LlamaForCausalLM, LlamaConfig(**GQA, tie_word_embeddings=True))
ADAPTERS = {
    "gpt2": ((GPT2LMHeadModel, GPT2Config(**GPT2, n_inner=20)), torch.float32,
             dict(r=4, lora_alpha=8, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True)),
    "llama-qv": (LLAMA, torch.bfloat16,
                 dict(r=8, lora_alpha=16, target_modules=["q_proj", "v_proj"], use_rslora=True, lora_dropout=0.1)),
    "llama-all": (LLAMA, torch.float32,
                  dict(r=4, lora_alpha=6, target_modules="all-linear", exclude_modules=["layers.0.mlp.up_proj"],
                       rank_pattern={"gate_proj": 6, r"layers\.1\.self_attn\..*": 2},
                       alpha_pattern={"down_proj": 3, r"model\.layers\.1\.self_attn\.q_proj": 5})),
    "qwen2": (MODELS["qwen2"], torch.bfloat16,
              dict(r=5, lora_alpha=10, target_modules=r".*\.self_attn\.(q|k|v)_proj")),
    "neox": (MODELS["neox"], torch.float32,
             dict(r=4, lora_alpha=4, target_modules=["query_key_value", "dense"], layers_to_transform=[1])),
}
MARK = "base_model.model."


def adapt(base, options):
    """The base with an adapter of random numbers, as large as the base's own."""
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **options))
    generator = torch.Generator().manual_seed(17)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.requires_grad:
                p.copy_(torch.randn(p.shape, generator=generator) * 0.35)
    return model.eval()


def load(folder, base, dtype=torch.float32, attention="sdpa"):
    made = AutoModelForCausalLM.from_pretrained(base, dtype=dtype, attn_implementation=attention)
    return PeftModel.from_pretrained(made, folder, is_trainable=True).eval()


def plain(name, config):
    """Module and .lora_A.weight or .lora_B.weight, without prefixes."""
    return short(name.removeprefix(MARK).replace(".default", ""), config)


def golden(name):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    (kind, config), dtype, options = ADAPTERS[name]
    base = build(kind, config).to(dtype)
    base.save_pretrained(folder / "base")
    (folder / "base" / "generation_config.json").unlink()
    adapt(base.float(), options).save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink()
    file = folder / "adapter" / "adapter_config.json"
    said = json.loads(file.read_text()) | {"base_model_name_or_path": "../base"}
    said["target_modules"] = sorted(said["target_modules"]) if isinstance(said["target_modules"], list) else said["target_modules"]
    file.write_text(json.dumps(said, indent=2, sort_keys=True))

    tokens, targets = records(config.vocab_size)
    with torch.no_grad():
        narrow = load(folder / "adapter", folder / "base", attention="eager")
        untouched = torch.cat([narrow(input_ids=t[None]).logits[0] for t in tokens])
    wide = widen(AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32))
    arrays = {f"weights/{short(n, config)}": p.detach().clone() for n, p in wide.named_parameters()}
    model = PeftModel.from_pretrained(wide, folder / "adapter", is_trainable=True).double().eval()
    names, params = zip(*[(plain(n, config), p) for n, p in model.named_parameters() if p.requires_grad])
    assert all("lora_" in n for n in names) and len(names) == 2 * len(set(n.rsplit(".lora_")[0] for n in names))
    arrays |= {f"adapter/{n}": p.detach().clone() for n, p in zip(names, params)}
    merged = PeftModel.from_pretrained(widen(AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32)),
                                       folder / "adapter").double().merge_and_unload()
    after = {short(n, config): p for n, p in merged.named_parameters()}
    arrays |= {f"merged/{n.removesuffix('lora_A.weight')}weight": after[n.removesuffix("lora_A.weight") + "weight"].detach().clone()
               for n in names if n.endswith("lora_A.weight")}
    more, lines = measured(model, names, params, tokens, targets, untouched)
    scales = {plain(n, config): m.scaling["default"] for n, m in model.named_modules() if isinstance(getattr(m, "scaling", None), dict)}
    ranks = {n.removesuffix(".lora_A.weight"): p.shape[0] for n, p in zip(names, params) if n.endswith("lora_A.weight")}
    lines = [f"{key} {value!r}" for key, value in shape_of(config).items()] + lines + [
        f"adapter:{module} {rank} {scales[module]!r}" for module, rank in ranks.items()]
    write(folder / "golden", arrays | more, lines)


def main():
    for name in ADAPTERS:
        with sdpa_kernel(SDPBackend.MATH):
            golden(name)


if __name__ == "__main__":
    main()
