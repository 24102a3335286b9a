"""Gradients of every record of a batch, dense, in memory: by batches of one, by vmap(grad), by hooks and einsum.

And the plain gradient of the batch, which is what the others are an addition to. Leaves out writing them anywhere.
"""
import torch
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

import peer
from hooks import RecordHooks


class BatchGradient:
    def __init__(self, setup):
        self.model = peer.load(setup.model, setup.device)
        self.batch = peer.pad(peer.read_examples(setup.examples), setup.device)

    def run(self):
        self.model.zero_grad(set_to_none=False)
        peer.record_losses(self.model(input_ids=self.batch[0]).logits, self.batch[1]).mean().backward()

    def result(self):
        self.run()
        return peer.gradients(self.model)


class Loop:
    """Every record a batch of its own; the gradients are copied into room kept from step to step."""

    def __init__(self, setup):
        self.model = peer.load(setup.model, setup.device)
        examples = peer.read_examples(setup.examples)
        self.batch = [peer.pad([example], setup.device) for example in examples]
        self.named = list(self.model.named_parameters())
        self.kept = None

    def run(self):
        found = []
        for x, y in self.batch:
            loss = peer.token_loss(self.model, x, y)
            found.append(torch.autograd.grad(loss, [p for _, p in self.named]))
        self.kept = found

    def result(self):
        self.run()
        return {f"{b}/{peer.name(key)}": own[i] for b, own in enumerate(self.kept) for i, (key, _) in enumerate(self.named)}


class Vmap:
    """vmap(grad) of functional_call; `math` keeps vmap from its slow path around the flash kernel."""

    def __init__(self, setup):
        self.model = peer.load(setup.model, setup.device)
        self.batch = peer.pad(peer.read_examples(setup.examples), setup.device)
        self.weights = {key: p.detach() for key, p in self.model.named_parameters()}
        self.found = None

        def loss(weights, x, y):
            logits = functional_call(self.model, weights, (), {"input_ids": x[None]}).logits
            return peer.record_losses(logits, y[None])[0]

        self.gradients = vmap(grad(loss), (None, 0, 0))

    def run(self):
        self.found = None
        with sdpa_kernel(SDPBackend.MATH):
            self.found = self.gradients(self.weights, *self.batch)

    def result(self):
        self.run()
        records = len(self.batch[0])
        return {f"{b}/{peer.name(key)}": rows[b] for b in range(records) for key, rows in self.found.items()}


class Hooks:
    """One backward pass; hooks make each layer's per-record gradients into buffers kept from step to step."""

    def __init__(self, setup):
        self.model = peer.load(setup.model, setup.device)
        self.batch = peer.pad(peer.read_examples(setup.examples), setup.device)
        self.hooks = RecordHooks(self.model, len(self.batch[0]))

    def run(self):
        self.hooks.gradients(*self.batch)

    def result(self):
        self.run()
        records = len(self.batch[0])
        return {f"{b}/{key}": rows[b] for b in range(records) for key, rows in self.hooks.rows.items()}


def make(setup):
    return {"batch": BatchGradient, "loop": Loop, "vmap": Vmap, "hooks": Hooks}[setup.variant](setup)
