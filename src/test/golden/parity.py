"""Golden values of tiny GPT-2 models from transformers' GPT2LMHeadModel and torch.optim.AdamW, all in fp64.

Writes NAME.json (an index and small numbers) and NAME.bin (little-endian fp64) for a tied and an untied model into
src/test/resources/golden. Weights are rounded to fp32 first, so that models of both dtypes start from the same numbers.
Run from the repository root: python3 src/test/golden/parity.py    (made with torch 2.13, transformers 5.18)
"""
import json
import pathlib

import torch
import torch.nn.functional as F
from transformers import GPT2Config, GPT2LMHeadModel, get_linear_schedule_with_warmup

IGNORE = -100
OUT = pathlib.Path("src/test/resources/golden")
# The second differs in all that may differ: untied head, MLP narrower than 4C, another epsilon, one block.
MODELS = {
    "tied": dict(vocabulary=37, context=12, channels=9, heads=3, layers=2, inner=36, epsilon=1e-5, tied=True),
    "untied": dict(vocabulary=23, context=12, channels=8, heads=2, layers=1, inner=20, epsilon=1e-4, tied=False),
}
LENGTHS = [12, 7, 1, 7]  # the whole context, a prompt with ignored labels, one token, a pair of equal length
FIRST_TARGET = [0, 3, 0, 1]
LEARNING_RATE, STEPS, ASCENT = 1e-3, 3, 0.05


def build(shape):
    config = GPT2Config(vocab_size=shape["vocabulary"], n_positions=shape["context"], n_embd=shape["channels"],
                        n_head=shape["heads"], n_layer=shape["layers"], n_inner=shape["inner"],
                        layer_norm_epsilon=shape["epsilon"], tie_word_embeddings=shape["tied"],
                        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    config._attn_implementation = "eager"
    model = GPT2LMHeadModel(config)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, p in model.named_parameters():  # wider than GPT-2's own, so that no gradient is near zero
            p.copy_(torch.randn(p.shape, generator=generator) * 0.35 + (1.0 if "ln_" in name and "weight" in name else 0))
    return model.double().eval()


def records(vocabulary):
    generator = torch.Generator().manual_seed(11)
    tokens, targets = [], []
    for length, first in zip(LENGTHS, FIRST_TARGET):
        ids = torch.randint(vocabulary, (length + 1,), generator=generator)
        tokens.append(ids[:-1])
        targets.append(torch.where(torch.arange(length) >= first, ids[1:], IGNORE))
    return tokens, targets


def short(name):
    return name.removeprefix("transformer.")


def gradients(model):
    return {short(n): p.grad.clone() for n, p in model.named_parameters()}


def batch_loss(model, tokens, targets):
    """Mean over all tokens with a target, of a right-padded batch with an attention mask."""
    pad = torch.nn.utils.rnn.pad_sequence
    mask = pad([torch.ones_like(t) for t in tokens], batch_first=True)
    logits = model(input_ids=pad(tokens, batch_first=True), attention_mask=mask).logits
    return F.cross_entropy(logits.flatten(0, 1), pad(targets, batch_first=True, padding_value=IGNORE).flatten())


def record_loss(model, tokens, targets):
    return F.cross_entropy(model(input_ids=tokens[None]).logits[0], targets)


def check_own_loss(model, tokens, targets):
    """The loss above is transformers' own where its label shift can express the targets."""
    for t, y in zip(tokens, targets):
        if 1 < len(t) < model.config.n_positions:
            ids = torch.cat([t, y[-1:]])
            labels = torch.cat([torch.tensor([IGNORE]), y])
            own = model(input_ids=ids[None], labels=labels[None]).loss.double()  # computed from fp32 logits
            torch.testing.assert_close(own, record_loss(model, t, y), rtol=1e-6, atol=0)


def sites(model):
    names = ["transformer.wte", "transformer.wpe"]
    for layer in range(model.config.n_layer):
        names += [f"transformer.h.{layer}.{part}" for part in
                  ("ln_1", "attn.c_attn", "attn.c_proj", "ln_2", "mlp.c_fc", "mlp.c_proj")]
    return names + ["transformer.ln_f", "lm_head"]


def activation_gradients(model, tokens, targets):
    outputs = {}

    def keep(name):
        def hook(module, inputs, output):
            output.retain_grad()
            outputs[name] = output
        return hook

    handles = [model.get_submodule(name).register_forward_hook(keep(name)) for name in sites(model)]
    rows = []
    for t, y in zip(tokens, targets):
        model.zero_grad()
        record_loss(model, t, y).backward()
        rows.append(torch.stack([(outputs[n] * outputs[n].grad).sum() for n in sites(model)]))
    for handle in handles:
        handle.remove()
    return torch.stack(rows).detach()


def adamw(model, tokens, targets):
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
                                  lr=LEARNING_RATE, betas=(0.9, 0.999), eps=1e-8)
    schedule = get_linear_schedule_with_warmup(optimizer, 0, STEPS)
    rates, norms = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        batch_loss(model, tokens, targets).backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return rates, norms


def generate(model, prompts):
    return [model.generate(p[None], attention_mask=torch.ones_like(p[None]), max_new_tokens=6, do_sample=False,
                           pad_token_id=0, eos_token_id=None)[0, len(p):].tolist() for p in prompts]


def golden(shape):
    arrays = {}
    model = build(shape)
    tokens, targets = records(shape["vocabulary"])
    check_own_loss(model, tokens, targets)
    start = {n: p.detach().clone() for n, p in model.named_parameters()}
    arrays |= {f"weights/{short(n)}": p for n, p in start.items()}
    with torch.no_grad():
        logits = [model(input_ids=t[None]).logits[0] for t in tokens]
    arrays["logits"] = torch.cat(logits)
    log_p = torch.log_softmax(arrays["logits"], 1)
    mean = (log_p.exp() * log_p).sum(1)
    flat = torch.cat(targets)
    arrays["log_probability"] = log_p.gather(1, flat.clamp(min=0)[:, None])[:, 0]
    arrays["log_probability_mean"] = mean
    arrays["log_probability_deviation"] = ((log_p.exp() * log_p**2).sum(1) - mean**2).sqrt()
    losses = []
    for b, (t, y) in enumerate(zip(tokens, targets)):
        model.zero_grad()
        loss = record_loss(model, t, y)
        loss.backward()
        losses.append(loss.item())
        arrays |= {f"record{b}/{n}": g for n, g in gradients(model).items()}
    arrays["activation_gradient"] = activation_gradients(model, tokens, targets)
    model.zero_grad()
    loss = batch_loss(model, tokens, targets)
    loss.backward()
    arrays |= {f"gradient/{n}": g for n, g in gradients(model).items()}

    with torch.no_grad():  # ascent along the first record's gradient raises its loss
        for n, p in model.named_parameters():
            p += ASCENT * arrays[f"record0/{short(n)}"]
        ascended = [record_loss(model, t, y).item() for t, y in zip(tokens, targets)]
        for n, p in model.named_parameters():
            p.copy_(start[n])

    prompts = [tokens[0][:5], tokens[1][:1], tokens[3][:3], tokens[0][:9]]
    generated = [g[:shape["context"] - len(p)] for g, p in zip(generate(model, prompts[:3]), prompts)]
    long = prompts[3]  # transformers cannot run past the context; so as many as fit
    generated.append(model.generate(long[None], attention_mask=torch.ones_like(long[None]), pad_token_id=0,
                                    eos_token_id=None, do_sample=False,
                                    max_new_tokens=shape["context"] - len(long))[0, len(long):].tolist())
    rates, norms = adamw(model, tokens, targets)
    arrays |= {f"adamw/{short(n)}": p.detach() for n, p in model.named_parameters()}
    return arrays, dict(shape=shape, tokens=[t.tolist() for t in tokens], targets=[t.tolist() for t in targets],
                        losses=losses, loss=loss.item(), greedy_hit=(log_p.argmax(1) == flat).tolist(),
                        sites=[short(n) for n in sites(model)], rates=rates, norms=norms, weight_decay=0.1,
                        ascent=ASCENT, ascended=ascended, prompts=[p.tolist() for p in prompts], generated=generated)


def write(name, arrays, numbers):
    """NAME.bin: the arrays one after another; NAME.json: the numbers and where in it each array begins and how long it is."""
    index, at = {}, 0
    with open(OUT / f"{name}.bin", "wb") as file:
        for key, value in arrays.items():
            file.write(value.detach().contiguous().numpy().astype("<f8").tobytes())
            index[key] = [at, value.numel()]
            at += value.numel()
    (OUT / f"{name}.json").write_text(json.dumps({**numbers, "arrays": index}, indent=1) + "\n")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for name, shape in MODELS.items():
        arrays, numbers = golden(shape)
        write(name, arrays, numbers)


if __name__ == "__main__":
    main()
