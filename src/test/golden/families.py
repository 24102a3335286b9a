"""Golden values of tiny models of every family and of GPT-2's variants, from transformers, all in fp64.

Writes NAME.txt (shape, records and an index, a line each) and NAME.bin (little-endian fp64) into
src/test/resources/golden/families. transformers computes RMS norms and rotary angles in fp32 whatever the model's type;
here both are replaced by the same formulas in fp64, and the logits compared with what an untouched fp32 model gives
with eager attention, where reorder_and_upcast_attn has its own code: the flag changes nothing.
Run from the repository root: python3 src/test/golden/families.py    (made with torch 2.13, transformers 5.18)
"""
import math
import pathlib

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import (GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig,
                          LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM,
                          Qwen3Config, Qwen3ForCausalLM)
from transformers.activations import ACT2FN

from parity import IGNORE, records

OUT = pathlib.Path("src/test/resources/golden/families")
COMMON = dict(vocab_size=37, max_position_embeddings=16, hidden_size=16, num_hidden_layers=2, num_attention_heads=4)
GQA = dict(COMMON, intermediate_size=20, num_key_value_heads=2, rms_norm_eps=1e-5)
GPT2 = dict(vocab_size=37, n_positions=16, n_embd=12, n_layer=2, n_head=3, bos_token_id=None, eos_token_id=None)
LLAMA3 = dict(rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64)
MODELS = {
    "gpt2-relu": (GPT2LMHeadModel, GPT2Config(**GPT2, activation_function="relu", n_inner=20)),
    "gpt2-gelu-unscaled": (GPT2LMHeadModel, GPT2Config(**GPT2, activation_function="gelu", scale_attn_weights=False)),
    "gpt2-silu-by-layer": (GPT2LMHeadModel, GPT2Config(**GPT2, activation_function="silu", tie_word_embeddings=False,
                                                       scale_attn_by_inverse_layer_idx=True)),
    "gpt2-tanh": (GPT2LMHeadModel, GPT2Config(**GPT2, activation_function="tanh", n_inner=17,
                                              reorder_and_upcast_attn=True)),
    "llama": (LlamaForCausalLM, LlamaConfig(**GQA, tie_word_embeddings=True)),
    "llama-gelu": (LlamaForCausalLM, LlamaConfig(**{**GQA, "num_hidden_layers": 1, "num_key_value_heads": 1},
                                                 hidden_act="gelu_pytorch_tanh", tie_word_embeddings=True)),
    "llama3": (LlamaForCausalLM, LlamaConfig(**{**GQA, "max_position_embeddings": 128}, head_dim=8, attention_bias=True,
                                             mlp_bias=True, tie_word_embeddings=False, rope_parameters=LLAMA3)),
    "mistral": (MistralForCausalLM, MistralConfig(**GQA, sliding_window=None, tie_word_embeddings=False)),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**GQA, tie_word_embeddings=True, use_sliding_window=False,
                                            rope_parameters=dict(rope_type="linear", rope_theta=1000.0, factor=2.0))),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**GQA, head_dim=6, tie_word_embeddings=True, use_sliding_window=False)),
    "neox": (GPTNeoXForCausalLM, GPTNeoXConfig(**COMMON, intermediate_size=24, tie_word_embeddings=False,
                                               use_parallel_residual=True, hidden_act="gelu",
                                               rope_parameters=dict(rope_type="default", rope_theta=10000.0,
                                                                    partial_rotary_factor=0.5))),
    "neox-sequential": (GPTNeoXForCausalLM, GPTNeoXConfig(**COMMON, intermediate_size=20, tie_word_embeddings=False,
                                                          use_parallel_residual=False, hidden_act="relu",
                                                          rope_parameters=dict(rope_type="default", rope_theta=100.0,
                                                                               partial_rotary_factor=1.0))),
}
WEIGHTS = [0.3, 0.4, 0.5, 0.6]
RECORDS = 2  # as many records' own gradients are kept
# In exact arithmetic GPT-2's key biases have no gradient: with the usual epsilon Adam would make steps of the rounding.
ADAMW = dict(lr=1e-2, betas=(0.9, 0.999), eps=1e-4)
STEPS, DECAY, MAX_NORM = 3, 0.1, 1.0
ACTIVATIONS = {"gelu_new": 0, "gelu_fast": 0, "gelu_pytorch_tanh": 0, "gelu": 1, "relu": 2, "silu": 3, "swish": 3,
               "tanh": 4}
SCALINGS = {"default": 0, "linear": 1, "llama3": 2}


def shape_of(config):
    gpt2, neox, qwen2 = (config.model_type == kind for kind in ("gpt2", "gpt_neox", "qwen2"))
    rope = dict(rope_type="default", rope_theta=1.0, partial_rotary_factor=0.0) if gpt2 else config.rope_parameters
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    attention = gpt2 or neox or qwen2 or getattr(config, "attention_bias", False)
    return {
        "family": 0 if gpt2 else 2 if neox else 1, "vocabulary": config.vocab_size,
        "context": config.max_position_embeddings, "channels": config.hidden_size, "heads": config.num_attention_heads,
        "layers": config.num_hidden_layers,
        "inner": (config.n_inner or 4 * config.n_embd) if gpt2 else config.intermediate_size,
        "tied": int(config.tie_word_embeddings),
        "epsilon": config.layer_norm_epsilon if gpt2 else config.layer_norm_eps if neox else config.rms_norm_eps,
        "kv_heads": getattr(config, "num_key_value_heads", config.num_attention_heads), "head": head,
        "rotary_size": int(head * rope.get("partial_rotary_factor", 1.0)), "rotary_base": rope["rope_theta"],
        "rotary_scaling": SCALINGS[rope["rope_type"]], "rotary_factor": rope.get("factor", 1.0),
        "rotary_low": rope.get("low_freq_factor", 1.0), "rotary_high": rope.get("high_freq_factor", 4.0),
        "rotary_old_context": rope.get("original_max_position_embeddings", 0),
        "activation": ACTIVATIONS[config.activation_function if gpt2 else config.hidden_act],
        "qkv_bias": int(attention), "output_bias": int(attention and not qwen2),
        "mlp_bias": int(gpt2 or neox or getattr(config, "mlp_bias", False)),
        "head_norm": int(config.model_type == "qwen3"), "parallel": int(neox and config.use_parallel_residual),
        "unscaled_scores": int(gpt2 and not config.scale_attn_weights),
        "scores_by_block": int(gpt2 and config.scale_attn_by_inverse_layer_idx),
    }


def build(kind, config, attention="sdpa"):
    config._attn_implementation = attention
    model = kind(config)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, p in model.named_parameters():  # wider than usual, so that no gradient is near zero
            centre = 1.0 if ("norm" in name or "ln_" in name) and "weight" in name else 0.0
            p.copy_(torch.randn(p.shape, generator=generator) * 0.35 + centre)
    return model.eval()


def frequencies(config):
    """Radians a position of each pair, in fp64."""
    rope, shape = config.rope_parameters, shape_of(config)
    size = shape["rotary_size"]
    plain = rope["rope_theta"] ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    if rope["rope_type"] == "linear":
        return plain / rope["factor"]
    if rope["rope_type"] == "llama3":
        wave = 2 * math.pi / plain
        low = rope["original_max_position_embeddings"] / rope["low_freq_factor"]
        high = rope["original_max_position_embeddings"] / rope["high_freq_factor"]
        smooth = (rope["original_max_position_embeddings"] / wave - rope["low_freq_factor"]) / (
            rope["high_freq_factor"] - rope["low_freq_factor"])
        mixed = (1 - smooth) * plain / rope["factor"] + smooth * plain
        return torch.where(wave > low, plain / rope["factor"], torch.where(wave < high, plain, mixed))
    return plain


def widen(model):
    """The model in fp64, its RMS norms and angles too."""
    model = model.double()
    for module in model.modules():
        if type(module).__name__.endswith("RMSNorm"):
            module.forward = lambda x, m=module: m.weight * (
                x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + m.variance_epsilon))
        if type(module).__name__.endswith("RotaryEmbedding"):
            exact = frequencies(model.config)
            torch.testing.assert_close(module.inv_freq.double(), exact, rtol=1e-5, atol=0)

            def forward(x, position_ids, exact=exact):
                angles = position_ids[:, :, None].double() * exact
                both = torch.cat((angles, angles), -1)
                return both.cos(), both.sin()
            module.forward = forward
    return model


def short(name, config):
    """The name in a checkpoint file, without the model's prefix."""
    if config.model_type == "gpt_neox":
        return name.removeprefix("gpt_neox.").replace("lm_head", "embed_out")
    return name.removeprefix("transformer.").removeprefix("model.")


def adamw(model, params, tokens, targets):
    """Steps over the whole batch, decay on matrices only; the gradients' norms before clipping."""
    groups = [{"params": [p for p in params if p.dim() == size], "weight_decay": decay}
              for size, decay in ((2, DECAY), (1, 0.0))]
    optimizer = torch.optim.AdamW(groups, **ADAMW)
    norms = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        sum(w * F.cross_entropy(model(input_ids=t[None]).logits[0], y)
            for t, y, w in zip(tokens, targets, WEIGHTS)).backward()
        norms.append(torch.nn.utils.clip_grad_norm_(params, MAX_NORM).item())
        optimizer.step()
    assert max(norms) > MAX_NORM, norms
    return norms


def golden(kind, config):
    narrow = build(kind, config, "eager")
    tokens, targets = records(config.vocab_size)
    with torch.no_grad():
        untouched = torch.cat([narrow(input_ids=t[None]).logits[0] for t in tokens])
    model = widen(build(kind, config))
    names, params = zip(*[(short(n, config), p) for n, p in model.named_parameters()])
    arrays = {f"weights/{n}": p.detach().clone() for n, p in zip(names, params)}
    more, lines = measured(model, names, params, tokens, targets, untouched)
    return arrays | more, [f"{key} {value!r}" for key, value in shape_of(config).items()] + lines


def measured(model, names, params, tokens, targets, untouched):
    """What a model in fp64 and its derivatives by these parameters come to, beside an fp32 one's logits."""
    arrays = {}
    logits = [model(input_ids=t[None]).logits[0] for t in tokens]
    torch.testing.assert_close(torch.cat(logits).float(), untouched, rtol=1e-4, atol=1e-4)
    arrays["logits"] = torch.cat(logits)
    losses = [F.cross_entropy(z, y) for z, y in zip(logits, targets)]
    arrays["losses"] = torch.stack(losses)
    loss = sum(w * one for w, one in zip(WEIGHTS, losses))
    gradient = torch.autograd.grad(loss, params, create_graph=True)
    arrays |= {f"gradient/{n}": g for n, g in zip(names, gradient)}
    for b in range(RECORDS):
        own = torch.autograd.grad(losses[b], params, retain_graph=True)
        arrays |= {f"record{b}/{n}": g for n, g in zip(names, own)}
    generator = torch.Generator().manual_seed(13)
    direction = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in params]
    arrays |= {f"direction/{n}": v for n, v in zip(names, direction)}
    along = sum((g * v).sum() for g, v in zip(gradient, direction))
    arrays |= {f"hessian/{n}": h for n, h in zip(names, torch.autograd.grad(along, params, retain_graph=True))}
    # Gauss-Newton: the logits' tangent by differentiating J^T u in u, through the loss's own Hessian, and back.
    product = [torch.zeros_like(p) for p in params]
    for z, y, w in zip(logits, targets, WEIGHTS):
        u = torch.zeros_like(z, requires_grad=True)
        back = torch.autograd.grad(z, params, u, create_graph=True)
        tangent = torch.autograd.grad(sum((b * v).sum() for b, v in zip(back, direction)), u)[0]
        p = torch.softmax(z, 1).detach()
        counted = (y != IGNORE).double()[:, None]
        curved = w * counted / counted.sum() * p * (tangent - (p * tangent).sum(1, keepdim=True))
        for total, part in zip(product, torch.autograd.grad(z, params, curved, retain_graph=True)):
            total += part
    arrays |= {f"gauss_newton/{n}": h for n, h in zip(names, product)}
    prompt = tokens[0][:5]
    continuation = model.generate(prompt[None], attention_mask=torch.ones_like(prompt[None]), max_new_tokens=6,
                                  do_sample=False, pad_token_id=0, eos_token_id=None)[0, len(prompt):]
    norms = adamw(model, params, tokens, targets)
    arrays |= {f"adamw/{n}": p for n, p in zip(names, params)}
    lines = []
    line = lambda key, values: lines.append(" ".join([key, *map(str, values)]))
    for t, y, w in zip(tokens, targets, WEIGHTS):
        line("tokens", t.tolist()), line("targets", y.tolist()), line("weight", [w])
    line("prompt", prompt.tolist()), line("continuation", continuation.tolist())
    line("adamw", [ADAMW["lr"], *ADAMW["betas"], ADAMW["eps"], DECAY, MAX_NORM]), line("norms", norms)
    return arrays, lines


def check_activations():
    """Names that share a number are one function, to the tolerance of the comparison."""
    x, seen = torch.linspace(-8, 8, 1001, dtype=torch.float64), {}
    for name, number in ACTIVATIONS.items():
        y = ACT2FN[name](x)
        torch.testing.assert_close(y, seen.setdefault(number, y), rtol=0, atol=1e-10)


def write(stem, arrays, lines):
    """STEM.txt and STEM.bin."""
    at = 0
    with open(stem.with_suffix(".bin"), "wb") as file:
        for key, value in arrays.items():
            file.write(value.detach().contiguous().numpy().astype("<f8").tobytes())
            lines.append(f"array {key} {at} {value.numel()}")
            at += value.numel()
    stem.with_suffix(".txt").write_text("\n".join(lines) + "\n")


def main():
    check_activations()
    OUT.mkdir(parents=True, exist_ok=True)
    for name, (kind, config) in MODELS.items():
        with sdpa_kernel(SDPBackend.MATH):
            arrays, lines = golden(kind, config)
        write(OUT / name, arrays, lines)


if __name__ == "__main__":
    main()
