"""An epoch of padded batches, plain or with every record's gradient kept: dense, one file a record.

With capture the batch's gradient is the mean of the records' own, so that no second backward pass is needed; for the
embedding alone one backward pass gives both. Files go to the page cache; nothing waits for the disk.
"""
import os

import torch

import peer
from hooks import RecordHooks
from train_step import target_loss


class FirstEpoch:
    """Variants: plain; head (logits at targets only); all (every parameter's gradient is kept); embedding (wte's)."""

    def __init__(self, setup):
        self.model = peer.load(setup.model, setup.device)
        self.batches = peer.batches(peer.read_examples(setup.examples), setup.args["batch"], setup.device)
        self.parameters = list(self.model.parameters())
        self.optimizer = peer.adamw(self.model)
        self.folder = os.path.join(setup.work, "first-epoch-" + setup.variant)
        self.hooks = None
        self.loss = target_loss if setup.variant == "head" else peer.token_loss
        if setup.variant in ("all", "embedding"):
            os.makedirs(self.folder, exist_ok=True)
            self.hooks = RecordHooks(self.model, setup.args["batch"], setup.variant == "embedding")

    def run(self):
        for step, batch in enumerate(self.batches):
            if self.hooks is None:
                self.loss(self.model, *batch).backward()
            else:
                self.hooks.gradients(*batch)
                self.store(step)
                self.batch_gradient()
            torch.nn.utils.clip_grad_norm_(self.parameters, 1.0, foreach=True)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=False)

    def batch_gradient(self):
        """With the embedding alone the backward pass has made it."""
        for key, parameter in self.model.named_parameters() if self.hooks.whole else ():
            if parameter.grad is None:
                parameter.grad = torch.empty_like(parameter)
            torch.mean(self.hooks.rows[peer.name(key)], 0, out=parameter.grad)

    def store(self, step):
        for b in range(len(next(iter(self.hooks.rows.values())))):
            with open(os.path.join(self.folder, f"{step}-{b}"), "wb", buffering=0) as file:
                for rows in self.hooks.rows.values():
                    file.write(rows[b].cpu().numpy())

    def before(self):
        """Room on the disk again."""
        for entry in os.scandir(self.folder) if self.hooks else ():
            os.unlink(entry)

    def stored(self):
        return sum(entry.stat().st_size for entry in os.scandir(self.folder)) if self.hooks else 0

    def result(self):
        """Gradient of the first batch: after some steps of AdamW rounding has become whole steps."""
        self.loss(self.model, *self.batches[0]).backward()
        found = {key: grad.clone() for key, grad in peer.gradients(self.model).items()}
        self.optimizer.zero_grad()
        return found
