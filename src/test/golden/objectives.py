"""Golden gradients and steps of the comparators' objectives, by autograd from their papers' formulas, in fp64.

The formulas are OpenUnlearning's (src/trainer/utils.py and src/trainer/unlearn/*.py: grad_ascent, grad_diff, npo, simnpo,
rmu, wga, satimp, undial, ceu, pdu, dpo), written out again; KL, UNDIAL's and PDU's losses and hidden states over the positions
that Lethe takes (see docs/strategies.md), UNDIAL's cross-entropy less its constant entropy. The reference
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
BETA2, PENALTY, EPSILON, LEFT = 0.6, 3.0, 0.1, 1
ALTERNATES = [1, 2]  # records whose texts stand for the other answers
RATE, TUNE_STEPS, DECAY2 = 1e-3, 3, 0.99
STEERING, BLOCK = 3.0, 0


ALTERNATE_RECORDS = []  # filled by main


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


def token_losses(model, records):
    return torch.cat([F.cross_entropy(model(input_ids=t[None]).logits[0], y, reduction="none")[y != parity.IGNORE]
                      for t, y in records])


def wga(model, reference, forget, retain):
    losses = token_losses(model, forget)
    return -GAMMA * (torch.exp(-losses.detach()) ** BETA * losses).mean() + ALPHA * token_mean(model, retain)


def satimp(model, reference, forget, retain):
    losses = token_losses(model, forget)
    p = torch.exp(-losses.detach())
    return -GAMMA * (p ** BETA * (1 - p) ** BETA2 * losses).mean() + ALPHA * token_mean(model, retain)


def target_logits(model, records, left=0):
    """Logits and targets of every target position but each record's first `left`."""
    logits, labels = [], []
    for tokens, targets in records:
        rows = (targets != parity.IGNORE).nonzero()[left:, 0]
        logits.append(model(input_ids=tokens[None]).logits[0, rows])
        labels.append(targets[rows])
    return torch.cat(logits), torch.cat(labels)


def undial(model, reference, forget, retain):
    logits, labels = target_logits(model, forget)
    teacher, _ = target_logits(reference, forget)
    soft = F.softmax(teacher.detach() - PENALTY * F.one_hot(labels, teacher.shape[1]), dim=1)
    entropy = torch.special.entr(soft).sum(1).mean()
    return GAMMA * (F.cross_entropy(logits, soft) - entropy) + ALPHA * token_mean(model, retain)


def ce_u(model, reference, forget, retain):
    logits, labels = target_logits(model, forget, LEFT)
    without = logits.detach().scatter(1, labels[:, None], float("-inf"))
    return GAMMA * F.cross_entropy(logits, F.softmax(without, dim=1))


def pdu(model, reference, forget, retain):
    logits, _ = target_logits(model, forget)
    flat = ((logits.max(1)[0] - logits.mean(1)) ** 2).mean()
    return GAMMA * flat + ALPHA * (token_mean(model, retain) - EPSILON)


def dpo(model, reference, forget, retain):
    win = torch.stack([-(sum_loss(model, r) - sum_loss(reference, r).detach()) for r in ALTERNATE_RECORDS])
    lose = torch.stack([-(sum_loss(model, r) - sum_loss(reference, r).detach()) for r in forget])
    return GAMMA * (-2 / BETA * F.logsigmoid(BETA * (win - lose)).mean()) + ALPHA * token_mean(model, retain)


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
    ALTERNATE_RECORDS.extend((tokens[i], targets[i]) for i in ALTERNATES)
    present = copy.deepcopy(reference)
    parity.adamw(present, tokens, targets)
    start = {n: p.detach().clone() for n, p in present.named_parameters()}
    arrays, values = {}, {}
    for objective in (grad_ascent, grad_diff, npo, simnpo, kl, rmu, wga, satimp, undial, ce_u, pdu, dpo):
        name = objective.__name__.replace("_", "-")
        model = copy.deepcopy(present)
        model.zero_grad()
        loss = objective(model, reference, forget, retain)
        loss.backward()
        values[name] = loss.item()
        arrays |= {f"{name}/{parity.short(n)}": torch.zeros_like(p) if p.grad is None else p.grad.clone()
                   for n, p in model.named_parameters()}
    model = copy.deepcopy(present)
    step(model, optimizer(model, DECAY2), npo(model, reference, forget, retain))
    arrays |= {f"npo-step/{n}": d for n, d in difference(model, start).items()}
    model = copy.deepcopy(present)
    adamw = optimizer(model, 0.999)
    for _ in range(TUNE_STEPS):
        step(model, adamw, token_mean(model, forget))
    arrays |= {f"task-vector/{n}": -d for n, d in difference(model, start).items()}  # theta - theta_ft

    numbers = dict(forget=FORGET, retain=RETAIN, alpha=ALPHA, gamma=GAMMA, beta=BETA, delta=DELTA,
                   beta2=BETA2, penalty=PENALTY, epsilon=EPSILON, alternates=ALTERNATES, rate=RATE,
                   tune_steps=TUNE_STEPS, steering=STEERING, block=BLOCK, values=values,
                   direction=direction(parity.MODELS["tied"]["channels"]).tolist())
    parity.write("objectives", arrays, numbers)


if __name__ == "__main__":
    main()
