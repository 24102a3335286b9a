"""Golden gradients toward a reference model, for the models and records of parity.py, from torch's autograd in fp64.

The reference is the model with every parameter times 0.9. KL is torch.nn.functional.kl_div(log p, log q) at a record's
targets, as OpenUnlearning's compute_kl_divergence has it on logits; hidden distances are mse_loss of the block's output
as a forward hook sees it, as RMU takes them. Values are each record's; gradients are those of the batch with the
weights 0.5, 0.75, 1, 1.25. The tied model leaves the distance to a model out: a tie does not change it.
Writes distances-NAME.json and .bin as parity.py does.
Run from the repository root: python3 src/test/golden/distances.py    (made with torch 2.13, transformers 5.18)
"""
import copy

import torch
import torch.nn.functional as F

from parity import IGNORE, MODELS, build, gradients, records, write

REFERENCE_SCALE = 0.9
WEIGHTS = [0.5, 0.75, 1.0, 1.25]


def run(model, tokens, block):
    """Logits [T, V] and the residual stream after a block [T, C]."""
    seen = []
    hook = model.transformer.h[block].register_forward_hook(
        lambda module, inputs, output: seen.append(output[0] if isinstance(output, tuple) else output))
    logits = model(input_ids=tokens[None]).logits[0]
    hook.remove()
    return logits, seen[0].reshape(len(tokens), -1)


def kl(model, reference, tokens, targets):
    kept = targets != IGNORE
    with torch.no_grad():
        wanted = torch.log_softmax(reference(input_ids=tokens[None]).logits[0], 1)
    log_p = torch.log_softmax(model(input_ids=tokens[None]).logits[0], 1)
    return F.kl_div(log_p[kept], wanted[kept], reduction="batchmean", log_target=True)


def to_vector(model, vector, block):
    def value(tokens, targets):
        hidden = run(model, tokens, block)[1]
        return F.mse_loss(hidden, vector.expand_as(hidden))
    return value


def to_model(model, reference, block):
    def value(tokens, targets):
        with torch.no_grad():
            wanted = run(reference, tokens, block)[1]
        return F.mse_loss(run(model, tokens, block)[1], wanted)
    return value


def golden(shape):
    model = build(shape)
    reference = copy.deepcopy(model)
    if shape["tied"]:
        reference.tie_weights()
    with torch.no_grad():
        for p in reference.parameters():
            p *= REFERENCE_SCALE
    tokens, targets = records(shape["vocabulary"])
    vector = torch.linspace(-1, 2, shape["channels"], dtype=torch.float64)
    losses = {"kl": lambda t, y: kl(model, reference, t, y), "vector": to_vector(model, vector, 0)}
    if not shape["tied"]:
        losses["model"] = to_model(model, reference, shape["layers"] - 1)
    arrays, numbers = {}, {"scale": REFERENCE_SCALE, "weights": WEIGHTS, "target": vector.tolist()}
    for name, loss in losses.items():
        model.zero_grad()
        values = [loss(t, y) for t, y in zip(tokens, targets)]
        sum(w * v for w, v in zip(WEIGHTS, values)).backward()
        numbers[name] = [v.item() for v in values]
        for p in model.parameters():
            p.grad = torch.zeros_like(p) if p.grad is None else p.grad
        arrays |= {f"{name}/{n}": g for n, g in gradients(model).items()}
    return arrays, numbers


def main():
    for name, shape in MODELS.items():
        arrays, numbers = golden(shape)
        write(f"distances-{name}", arrays, numbers)


if __name__ == "__main__":
    main()
