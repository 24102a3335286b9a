"""Per-record gradients by hooks: each layer's input is kept going forward, and when the gradient of its output arrives,
a batched product makes the per-record gradients of its parameters, [B, ...], in preallocated buffers. Whole models have
their parameters frozen, so that autograd does not also make the batch's gradient; with the embedding alone the batch's
gradient is made in the same pass. Right for GPT-2's and Llama's layers, without biases there, and a tied head only.
"""
from functools import partial

import torch
import torch.nn.functional as F
from transformers.pytorch_utils import Conv1D

import peer


def is_rms_norm(module):
    return type(module).__name__.endswith("RMSNorm")


class RecordHooks:
    def __init__(self, model, records, embedding_only=False):
        self.model = model
        self.whole = not embedding_only
        self.table = model.get_input_embeddings()
        self.rows = {peer.name(key): torch.zeros(records, *p.shape, dtype=p.dtype, device=p.device)
                     for key, p in model.named_parameters() if self.whole or p is self.table.weight}
        self.tied = next(peer.name(key) for key, p in model.named_parameters() if p is self.table.weight)
        for key, module in model.named_modules():
            layer = isinstance(module, (Conv1D, torch.nn.Linear, torch.nn.LayerNorm)) or is_rms_norm(module)
            if module is model.lm_head or layer and self.whole:
                module.register_forward_hook(partial(self.watch, peer.name(key)))
        if self.whole:
            for parameter in model.parameters():
                parameter.requires_grad_(False)

    def watch(self, key, module, inputs, output):
        output.register_hook(partial(self.store, key, module, inputs[0].detach()))

    def store(self, key, module, a, g):
        """a [B, T, in], g [B, T, out]; a batch may have fewer records than there are buffers."""
        if isinstance(module, Conv1D):
            torch.bmm(a.transpose(1, 2), g, out=self.rows[key + ".weight"][: len(g)])
            torch.sum(g, 1, out=self.rows[key + ".bias"][: len(g)])
        elif isinstance(module, torch.nn.LayerNorm):
            normalized = F.layer_norm(a, module.normalized_shape, eps=module.eps)
            torch.sum(g * normalized, 1, out=self.rows[key + ".weight"][: len(g)])
            torch.sum(g, 1, out=self.rows[key + ".bias"][: len(g)])
        elif is_rms_norm(module):
            normalized = a * torch.rsqrt(a.pow(2).mean(-1, keepdim=True) + module.variance_epsilon)
            torch.sum(g * normalized, 1, out=self.rows[key + ".weight"][: len(g)])
        elif module is not self.model.lm_head:
            torch.bmm(g.transpose(1, 2), a, out=self.rows[key + ".weight"][: len(g)])
        else:
            a = a if self.whole else a * self.scale  # g is of the weighted loss, the row of the record's own
            torch.bmm(g.transpose(1, 2), a, out=self.rows[self.tied][: len(g)])

    def gradients(self, x, y, weights=None):
        """Fills rows with the gradients of the records' own mean losses; returns the losses [B].

        With the embedding alone the parameters' grad is that of the losses' weighted sum; weights [B], 1/B unless given.
        """
        embedded = self.table(x)
        if self.whole:
            embedded.requires_grad_()
        else:
            embedded.retain_grad()
        losses = peer.record_losses(self.model(inputs_embeds=embedded).logits, y)
        if self.whole:
            losses.sum().backward()
            g = embedded.grad
        else:
            weights = torch.full_like(losses, 1 / len(x)) if weights is None else weights
            self.scale = 1 / weights[:, None, None]
            (losses * weights).sum().backward()
            g = embedded.grad * self.scale
        records, tokens, channels = g.shape
        table = self.rows[self.tied]  # [B, V, C]: the head's part is in it by now
        first = torch.arange(records, device=x.device)[:, None] * table.shape[1]
        table.view(-1, channels).index_add_(0, (x + first).view(-1), g.reshape(-1, channels))
        if self.whole and "wpe.weight" in self.rows:
            self.rows["wpe.weight"][:records, :tokens] = g
        return losses.detach()
