"""One training step: forward, backward, clipping, fused AdamW. Eager, or compiled with torch.compile."""
import time

import torch

import peer


class TrainStep:
    """Variants: eager, compile. args: mode, torch.compile's on a GPU."""

    def __init__(self, setup):
        self.device = setup.device
        self.model = peer.load(setup.model, setup.device)
        self.parameters = list(self.model.parameters())
        self.optimizer = peer.adamw(self.model)
        self.batch = peer.pad(peer.read_examples(setup.examples), setup.device)
        self.loss = peer.token_loss
        if setup.variant == "compile":
            mode = setup.args.get("mode", "max-autotune") if setup.device.startswith("cuda") else "default"
            self.loss = torch.compile(self.loss, mode=mode, dynamic=False)
        self.first = None
        self.to_none = True

    def tune(self):
        """Dropping gradients or zeroing them in place: whichever is faster here."""
        times = {}
        for choice in (True, False, True, False):
            self.to_none = choice
            start = time.perf_counter()
            self.run()
            peer.synchronize(self.device)
            times[choice] = time.perf_counter() - start
        self.to_none = times[True] <= times[False]

    def result(self):
        """Gradient and loss of the batch at the weights of the folder; call it before the first step."""
        loss = self.loss(self.model, *self.batch)
        loss.backward()
        found = {key: grad.clone() for key, grad in peer.gradients(self.model).items()}
        found["loss"] = loss.detach().reshape(1)
        self.optimizer.zero_grad()
        return found

    def run(self):
        self.loss(self.model, *self.batch).backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=self.to_none)


def target_loss(model, x, y):
    """As token_loss, with logits only where there is a target: for records with prompts and padding."""
    hidden = model.transformer(input_ids=x).last_hidden_state
    counted = y != peer.IGNORE
    return torch.nn.functional.cross_entropy(model.lm_head(hidden[counted]), y[counted])
