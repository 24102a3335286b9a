"""Golden values of K-FAC and EK-FAC on the tiny models of parity.py, from torch's autograd and eigh, all in fp64.

Every record runs alone; A is a Conv1D's input, G the gradient at its output. Writes kfac-NAME.json and kfac-NAME.bin:
v, and (F + shift)^-1 v by the Kronecker eigenvalues and by the corrected ones, tensor by tensor.
Run from the repository root: python3 src/test/golden/kfac.py    (made with torch 2.13, transformers 5.18)
"""
import sys

import torch

sys.path.insert(0, "src/test/golden")
from parity import MODELS, build, record_loss, records, short, sites, write  # noqa: E402

DAMPING, RELATIVE = 0.003, 0.1


def factors(model, tokens, targets):
    """Of each record: inputs and output gradients of every module, and the gradients of all parameters."""
    inputs, outputs, result = {}, {}, []

    def keep(name):
        def hook(module, args, output):
            inputs[name] = args[0].detach().flatten(0, -2) if args[0].is_floating_point() else None
            output.retain_grad()
            outputs[name] = output
        return hook

    handles = [model.get_submodule(name).register_forward_hook(keep(name)) for name in sites(model)]
    for t, y in zip(tokens, targets):
        model.zero_grad()
        record_loss(model, t, y).backward()
        a = {short(n): inputs[n] for n in sites(model)}
        g = {short(n): outputs[n].grad.flatten(0, -2) for n in sites(model)}
        result.append((a, g, {short(n): p.grad.clone() for n, p in model.named_parameters()}, t, y))
    for handle in handles:
        handle.remove()
    return result


def eigh(matrix):
    values, vectors = torch.linalg.eigh(matrix)
    return values.clamp(min=0), vectors


def solve(v, left, right, values):
    rotated = (v if left is None else left.T @ v) @ right / (values + DAMPING + RELATIVE * values.mean())
    return (rotated if left is None else left @ rotated) @ right.T


def squares(gradients, left, right):
    rotated = [(left.T @ g if left is not None else g) @ right for g in gradients]
    return sum(r**2 for r in rotated) / len(rotated)


def linear(all_factors, name, v):
    count, rows = len(all_factors), sum(len(t) for *_, t, _ in all_factors)
    a = [torch.cat([f[0][name], torch.ones(len(f[0][name]), 1, dtype=torch.float64)], 1) for f in all_factors]
    g = [f[1][name] for f in all_factors]
    da, qa = eigh(sum(x.T @ x for x in a) / rows)
    dg, qg = eigh(sum(x.T @ x for x in g) / count)
    whole = torch.cat([v[f"{name}.weight"], v[f"{name}.bias"][None]])
    dense = [torch.cat([f[2][f"{name}.weight"], f[2][f"{name}.bias"][None]]) for f in all_factors]
    return [(r[:-1], r[-1]) for r in (solve(whole, qa, qg, torch.outer(da, dg)),
                                      solve(whole, qa, qg, squares(dense, qa, qg)))]


def table(all_factors, weight, v, scatter, head):
    """scatter(record) and head(record) give the one-hot or error rows [n, R] and their C sides [n, C], or are None."""
    count = len(all_factors)
    blocks = 0  # one [C, C] matrix a row
    for part, whole_side in ((scatter, lambda u, x: (u.sum(0) / len(u), x.T @ x / count)),
                             (head, lambda u, x: ((u**2).sum(0) / count, x.T @ x / len(u)))):
        if part is not None:
            u, x = (torch.cat(side) for side in zip(*(part(f) for f in all_factors)))
            shares, covariance = whole_side(u, x)
            blocks = blocks + shares[:, None, None] * covariance
    _, q = eigh(blocks.sum(0))
    kronecker = torch.einsum("ij,vik,kj->vj", q, blocks, q)
    corrected = squares([f[2][weight] for f in all_factors], None, q)
    return solve(v[weight], None, q, kronecker), solve(v[weight], None, q, corrected)


def diagonal(all_factors, names, v):
    values = torch.stack([sum(f[2][n]**2 for f in all_factors) / len(all_factors) for n in names])
    return torch.stack([v[n] for n in names]) / (values + DAMPING + RELATIVE * values.mean())


def golden(shape):
    model = build(shape)
    tokens, targets = records(shape["vocabulary"])
    all_factors = factors(model, tokens, targets)
    generator = torch.Generator().manual_seed(5)
    v = {short(n): torch.randn(p.shape, generator=generator, dtype=torch.float64) for n, p in model.named_parameters()}
    arrays = {f"v/{n}": x for n, x in v.items()}

    def put(name, kronecker, corrected):
        arrays[f"kfac/{name}"], arrays[f"ekfac/{name}"] = kronecker, corrected

    def one_hot(ids, width):
        return torch.nn.functional.one_hot(ids, width).double()

    def head(f):
        rows = f[4] >= 0
        return f[1]["lm_head"][rows], f[0]["lm_head"][rows]

    def token_rows(f):
        return one_hot(f[3], shape["vocabulary"]), f[1]["wte"]

    def position_rows(f):
        return one_hot(torch.arange(len(f[3])), shape["context"]), f[1]["wte"]

    for name in map(short, sites(model)):
        if name == "wte":
            put("wte.weight", *table(all_factors, "wte.weight", v, token_rows, head if shape["tied"] else None))
        elif name == "wpe":
            put("wpe.weight", *table(all_factors, "wpe.weight", v, position_rows, None))
        elif name == "lm_head":
            if not shape["tied"]:
                put("lm_head.weight", *table(all_factors, "lm_head.weight", v, None, head))
        elif "ln_" in name:
            both = diagonal(all_factors, [f"{name}.weight", f"{name}.bias"], v)
            put(f"{name}.weight", both[0], both[0]), put(f"{name}.bias", both[1], both[1])
        else:
            (kw, kb), (ew, eb) = linear(all_factors, name, v)
            put(f"{name}.weight", kw, ew), put(f"{name}.bias", kb, eb)
    return arrays


def main():
    for name, shape in MODELS.items():
        write(f"kfac-{name}", golden(shape), dict(damping=DAMPING, relative=RELATIVE))


if __name__ == "__main__":
    main()
