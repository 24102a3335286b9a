"""Curvature times a vector: the Hessian by double backward and by jvp over grad, the Gauss-Newton matrix by jvp and vjp.

Attention runs on the plain math kernel: the fused ones have no second derivative.
"""
import torch
from torch.func import functional_call, grad, jvp, vjp
from torch.nn.attention import SDPBackend, sdpa_kernel

import peer


TABLES = ("wte", "wpe", "embed_tokens")


class Curvature:
    def __init__(self, setup):
        self.model = peer.load(setup.model, setup.device)
        self.x, self.y = peer.pad(peer.read_examples(setup.examples), setup.device)
        self.weights = {key: p.detach() for key, p in self.model.named_parameters()}
        self.vector = direction(self.model)
        self.product = {"double": self.double, "jvp": self.jvp, "ggn": self.ggn}[setup.variant]
        self.found = None

    def loss(self, weights):
        return peer.record_losses(self.logits(weights), self.y).mean()

    def logits(self, weights):
        return functional_call(self.model, weights, (), {"input_ids": self.x}).logits

    def double(self):
        parameters = list(self.model.parameters())
        loss = peer.record_losses(self.model(input_ids=self.x).logits, self.y).mean()
        first = torch.autograd.grad(loss, parameters, create_graph=True)
        rows = torch.autograd.grad(first, parameters, grad_outputs=list(self.vector.values()))
        return dict(zip(self.vector, rows))

    def jvp(self):
        return jvp(grad(self.loss), (self.weights,), (self.vector,))[1]

    def ggn(self):
        logits, moved = jvp(self.logits, (self.weights,), (self.vector,))
        _, back = vjp(self.logits, self.weights)
        chance = logits.softmax(-1)
        counted = self.y != peer.IGNORE
        weight = counted / counted.sum(1, keepdim=True) / len(self.y)  # of a token in the mean of the records' means
        pushed = chance * (moved - (chance * moved).sum(-1, keepdim=True)) * weight[..., None]
        return back(pushed)[0]

    def run(self):
        self.found = None
        with sdpa_kernel(SDPBackend.MATH):
            self.found = self.product()

    def result(self):
        self.run()
        return {peer.name(key): value for key, value in self.found.items()}


def direction(model):
    """The weights themselves, the tables' sign turned: a vector both sides can make without sending it."""
    return {key: -p.detach() if any(table in key for table in TABLES) else p.detach().clone()
            for key, p in model.named_parameters()}
