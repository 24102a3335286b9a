"""Golden gradients and steps of the comparators' objectives, by autograd from their papers' formulas, in fp64.

The formulas are OpenUnlearning's (src/trainer/utils.py and src/trainer/unlearn/*.py: grad_ascent, grad_diff, npo, simnpo,
rmu), written out again; KL and hidden states over the positions that Lethe takes (see docs/strategies.md). The reference
model has the weights of parity.py's tied golden, the present one those after its AdamW steps. Writes objectives.json and
objectives.bin into src/test/resources/golden.
Run from the repository root: python3 src/test/golden/objectives.py    (made with torch 2.13, transformers 5.18)
"""
import copy

import torch
import torch.nn.functional as F

import parity

FORGET, RETAIN = [0, 3], [1, 2]
ALPHA, GAMMA, BETA, DELTA = 0.7, 1.3, 0.4, 0.2
RATE, TUNE_STEPS, BETA2 = 1e-3, 3, 0.99
STEERING, BLOCK = 3.0, 0


def log_probabilities(model, tokens):
    return torch.log_softmax(model(input_ids=tokens[None]).logits[0], 1)


def sum_loss(model, record):
    tokens, targets = record
    return F.cross_entropy(model(input_ids=tokens[None]).logits[0], targets, reduction="sum")


def count(record):
    return int((record[1] != parity.IGNORE).sum())


def token_mean(model, records):
    return sum(sum_loss(model, r) for r in records) / sum(map(count, records))


def grad_ascent(model, reference, forget, retain):
    return -GAMMA * token_mean(model, forget)


def grad_diff(model, reference, forget, retain):
    return -GAMMA * token_mean(model, forget) + ALPHA * token_mean(model, retain)


def npo(model, reference, forget, retain):
    ratio = torch.stack([-(sum_loss(model, r) - sum_loss(reference, r).detach()) for r in forget])
    return GAMMA * (-2 / BETA * F.logsigmoid(-BETA * ratio).mean()) + ALPHA * token_mean(model, retain)


def simnpo(model, reference, forget, retain):
    mean = torch.stack([sum_loss(model, r) / count(r) for r in forget])
    return GAMMA * (-2 / BETA * F.logsigmoid(BETA * (mean - DELTA)).mean()) + ALPHA * token_mean(model, retain)


def kl(model, reference, forget, retain):
    total = 0
    for tokens, targets in retain:
        rows = targets != parity.IGNORE
        total = total + F.kl_div(log_probabilities(model, tokens)[rows], log_probabilities(reference, tokens)[rows].detach(),
                                 reduction="sum", log_target=True)
    return -GAMMA * token_mean(model, forget) + ALPHA * total / sum(map(count, retain))


def hidden(model, tokens):
    states = []
    handle = model.transformer.h[BLOCK].register_forward_hook(
        lambda module, inputs, output: states.append(output[0] if isinstance(output, tuple) else output))
    model(input_ids=tokens[None])
    handle.remove()
    return states[0].reshape(len(tokens), -1)


def rmu(model, reference, forget, retain):
    steer = sum(((hidden(model, t) - direction(model.config.n_embd)) ** 2).mean() for t, _ in forget) / len(forget)
    keep = sum(((hidden(model, t) - hidden(reference, t).detach()) ** 2).mean() for t, _ in retain) / len(retain)
    return GAMMA * steer + ALPHA * keep


def direction(channels):
    return STEERING * F.normalize(torch.arange(1, channels + 1, dtype=torch.float64), dim=0)


def optimizer(model, beta2):
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    return torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}], lr=RATE,
                             betas=(0.9, beta2), eps=1e-8)


def step(model, adamw, loss):
    adamw.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    adamw.step()


def difference(model, before):
    return {parity.short(n): p.detach() - before[n] for n, p in model.named_parameters()}


def main():
    reference = parity.build(parity.MODELS["tied"])
    tokens, targets = parity.records(parity.MODELS["tied"]["vocabulary"])
    forget, retain = ([(tokens[i], targets[i]) for i in group] for group in (FORGET, RETAIN))
    present = copy.deepcopy(reference)
    parity.adamw(present, tokens, targets)
    start = {n: p.detach().clone() for n, p in present.named_parameters()}
    arrays, values = {}, {}
    for objective in (grad_ascent, grad_diff, npo, simnpo, kl, rmu):
        name = objective.__name__.replace("_", "-")
        model = copy.deepcopy(present)
        model.zero_grad()
        loss = objective(model, reference, forget, retain)
        loss.backward()
        values[name] = loss.item()
        arrays |= {f"{name}/{parity.short(n)}": torch.zeros_like(p) if p.grad is None else p.grad.clone()
                   for n, p in model.named_parameters()}
    model = copy.deepcopy(present)
    step(model, optimizer(model, BETA2), npo(model, reference, forget, retain))
    arrays |= {f"npo-step/{n}": d for n, d in difference(model, start).items()}
    model = copy.deepcopy(present)
    adamw = optimizer(model, 0.999)
    for _ in range(TUNE_STEPS):
        step(model, adamw, token_mean(model, forget))
    arrays |= {f"task-vector/{n}": -d for n, d in difference(model, start).items()}  # theta - theta_ft

    numbers = dict(forget=FORGET, retain=RETAIN, alpha=ALPHA, gamma=GAMMA, beta=BETA, delta=DELTA, rate=RATE,
                   tune_steps=TUNE_STEPS, steering=STEERING, block=BLOCK, values=values,
                   direction=direction(parity.MODELS["tied"]["channels"]).tolist())
    parity.write("objectives", arrays, numbers)


if __name__ == "__main__":
    main()
