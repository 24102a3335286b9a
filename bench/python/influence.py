"""Influence of N training records on a query: the inner products of their gradients with the query's, recomputed.

By vmap(grad) and dot; by forward mode along the query's gradient (one jvp gives a whole batch's products); by hooks that
turn each layer's product into <A q, G> without a dense gradient of any record. The query's own gradient is timed too.
"""
from functools import partial

import torch
import torch.nn.functional as F
from torch.func import functional_call, grad, jvp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers.pytorch_utils import Conv1D

import peer


class Influence:
    def __init__(self, setup):
        self.model = peer.load(setup.model, setup.device)
        examples = peer.read_examples(setup.examples)  # the last one is the query
        self.query = peer.pad(examples[-1:], setup.device)
        self.batches = peer.batches(examples[:-1], setup.args["batch"], setup.device)
        self.named = dict(self.model.named_parameters())
        self.weights = {key: p.detach() for key, p in self.named.items()}
        self.products = {"vmap": self.vmap, "jvp": self.jvp, "hooks": self.hooks}[setup.variant]
        self.scores = None

    def query_gradient(self):
        for parameter in self.named.values():
            parameter.requires_grad_(True)
        rows = torch.autograd.grad(peer.token_loss(self.model, *self.query), list(self.named.values()))
        return dict(zip(self.named, rows))

    def record_losses(self, weights, x, y):
        return peer.record_losses(functional_call(self.model, weights, (), {"input_ids": x}).logits, y)

    def vmap(self, q, x, y):
        def loss(weights, x, y):
            return self.record_losses(weights, x[None], y[None])[0]

        rows = vmap(grad(loss), (None, 0, 0))(self.weights, x, y)
        return sum(torch.mv(rows[key].flatten(1), q[key].flatten()) for key in q)

    def jvp(self, q, x, y):
        return jvp(lambda weights: self.record_losses(weights, x, y), (self.weights,), (q,))[1]

    def hooks(self, q, x, y):
        return HookProducts(self.model, q).of(x, y)

    def run(self):
        q = self.query_gradient()
        fused = self.products == self.hooks
        with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH] if fused else SDPBackend.MATH):
            self.scores = torch.cat([self.products(q, x, y).detach() for x, y in self.batches])

    def result(self):
        self.run()
        return {"scores": self.scores}


class HookProducts:
    """<g_b, q> of a batch's records: a layer's part is (A q_weight + q_bias) * G, summed over a record's tokens."""

    def __init__(self, model, q):
        self.model = model
        self.q = q

    def of(self, x, y):
        handles = [module.register_forward_hook(partial(self.watch, key)) for key, module in self.model.named_modules()
                   if isinstance(module, (Conv1D, torch.nn.LayerNorm)) or module is self.model.lm_head]
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        table = self.q["transformer.wte.weight"]
        self.sums = torch.zeros(len(x), device=x.device)
        embedded = self.model.transformer.wte(x).requires_grad_()
        losses = peer.record_losses(self.model(inputs_embeds=embedded).logits, y)
        g, = torch.autograd.grad(losses.sum(), embedded)
        self.add(table[x] + self.q["transformer.wpe.weight"][: x.shape[1]], g)
        for handle in handles:
            handle.remove()
        return self.sums

    def watch(self, key, module, inputs, output):
        output.register_hook(partial(self.product, key, module, inputs[0].detach()))

    def product(self, key, module, a, g):
        if isinstance(module, Conv1D):
            weight, bias = self.q[key + ".weight"], self.q[key + ".bias"]
            self.add(torch.addmm(bias, a.reshape(-1, a.shape[-1]), weight).view_as(g), g)
        elif isinstance(module, torch.nn.LayerNorm):
            normalized = F.layer_norm(a, module.normalized_shape, eps=module.eps)
            self.add(torch.addcmul(self.q[key + ".bias"], normalized, self.q[key + ".weight"]), g)
        else:
            self.add(a @ self.q["transformer.wte.weight"].T, g)

    def add(self, moved, g):
        """moved, g [B, T, out]."""
        self.sums += torch.linalg.vecdot(moved.flatten(1), g.flatten(1))
