"""Golden curvature products of the models and records of parity.py, from torch's autograd, all in fp64.

Hessian: the gradient of <gradient, v>, by double backward. Gauss-Newton: J^T (d^2 loss / dz^2) J v with J v by the
double-backward trick, the loss's Hessian and J^T by autograd again. The batch's loss is the mean over all tokens with a
target; forms are v^T C_b v of each record's own mean loss. Writes curvature-NAME.json and .bin as parity.py does.
Run from the repository root: python3 src/test/golden/curvature.py    (made with torch 2.13, transformers 5.18)
"""

import torch
import torch.nn.functional as F

from parity import IGNORE, MODELS, build, record_loss, records, short, write


def product(left, right):
    return sum((a * b).sum() for a, b in zip(left, right))


def hessian(model, loss, v):
    """H v, all zeros where autograd finds no dependence."""
    parameters = list(model.parameters())
    gradients = torch.autograd.grad(loss, parameters, create_graph=True)
    return torch.autograd.grad(product(gradients, v), parameters, materialize_grads=True)


def gauss_newton(model, logits, loss_of, v):
    parameters = list(model.parameters())
    dummy = torch.zeros_like(logits, requires_grad=True)
    pulled = torch.autograd.grad(logits, parameters, dummy, create_graph=True)
    tangent = torch.autograd.grad(product(pulled, v), dummy, retain_graph=True)[0]  # J v
    z = logits.detach().requires_grad_()
    slope = torch.autograd.grad(loss_of(z), z, create_graph=True)[0]
    curved = torch.autograd.grad((slope * tangent.detach()).sum(), z)[0]
    return torch.autograd.grad(logits, parameters, curved, materialize_grads=True)


def golden(shape):
    model = build(shape)
    tokens, targets = records(shape["vocabulary"])
    counts = [int((y != IGNORE).sum()) for y in targets]
    names = [short(n) for n, _ in model.named_parameters()]
    arrays, forms = {}, {"hessian": [], "gauss_newton": []}
    for k in range(2):
        generator = torch.Generator().manual_seed(100 + k)
        v = [torch.randn(p.shape, generator=generator, dtype=torch.float32).double() for p in model.parameters()]
        whole = {"hessian": [torch.zeros_like(p) for p in v], "gauss_newton": [torch.zeros_like(p) for p in v]}
        rows = {"hessian": [], "gauss_newton": []}
        for t, y, n in zip(tokens, targets, counts):
            own = {"hessian": hessian(model, record_loss(model, t, y), v),
                   "gauss_newton": gauss_newton(model, model(input_ids=t[None]).logits[0],
                                                lambda z: F.cross_entropy(z, y), v)}
            for kind, products in own.items():
                rows[kind].append(product(products, v).item())
                for total, part in zip(whole[kind], products):
                    total += part * n / sum(counts)
        arrays |= {f"direction{k}/{n}": p for n, p in zip(names, v)}
        for kind, products in whole.items():
            arrays |= {f"{kind}{k}/{n}": p for n, p in zip(names, products)}
            forms[kind].append(rows[kind])
    return arrays, forms


def main():
    for name, shape in MODELS.items():
        arrays, numbers = golden(shape)
        write(f"curvature-{name}", arrays, numbers)


if __name__ == "__main__":
    main()
