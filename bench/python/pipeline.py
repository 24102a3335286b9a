"""The whole pipeline in PyTorch: train with capture, erase some records by calibrated ascent, evaluate.

What arXiv 2406.09391 describes and what `lethe erase --set defaults=paper` does: the sum of the forget records' first-epoch embedding
gradients, ascended along in steps whose length is found by backtracking, until the forget loss reaches that of held-out
records. Leaves out contrast and repair, which Lethe's default adds. Same batches, schedule and stopping rule as Lethe's.
"""
import json
import os
import shutil
import time

import torch
import torch.nn.functional as F

import peer
from hooks import RecordHooks

LEAST_RISE, MOST_RISE, OVERSHOOT, HALVINGS, FIRST_SHARE, GUARD = 1e-3, 0.1, 0.1, 14, 0.02, 24


class Pipeline:
    """Variants: all (run = train, erase, evaluate); erase (training is not timed, run = one erase request)."""

    def __init__(self, setup):
        with open(setup.examples) as file:
            self.data = json.load(file)
        self.learned = list(zip(self.data["tokens"], self.data["targets"]))
        self.held_out = list(zip(self.data["heldOutTokens"], self.data["heldOutTargets"]))
        self.setup = setup
        self.folder = os.path.join(setup.work, "pipeline-" + setup.variant)
        self.model = None
        self.losses = {}
        if setup.variant == "erase":
            self.train()
            os.rename(self.folder, self.folder + "-trained")

    def before(self):
        if self.setup.variant == "erase":
            shutil.rmtree(self.folder, ignore_errors=True)
            shutil.copytree(self.folder + "-trained", self.folder, copy_function=os.link)  # nothing is written in place

    def run(self):
        parts = {}
        stages = (self.train, self.erase, self.evaluate) if self.setup.variant == "all" else (self.erase,)
        for stage in stages:
            start = time.perf_counter_ns()
            stage()
            parts[stage.__name__] = time.perf_counter_ns() - start
        return parts

    def train(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(os.path.join(self.folder, "gradients"))
        self.model = peer.load(self.setup.model, self.setup.device)
        optimizer = peer.adamw(self.model)
        plan, rate = self.data["plan"], self.data["rate"]
        steps = sum(len(epoch) for epoch in plan)
        done = 0
        hooks = RecordHooks(self.model, max(map(len, plan[0])), embedding_only=True)
        for epoch, parts in enumerate(plan):
            for indices in parts:
                x, y = peer.pad([self.learned[i] for i in indices], self.setup.device)
                if epoch == 0:
                    self.captured_gradient(hooks, indices, x, y)
                else:
                    peer.token_loss(self.model, x, y).backward()
                torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=True)
                for group in optimizer.param_groups:
                    group["lr"] = rate * (1 - done / steps)
                optimizer.step()
                optimizer.zero_grad()
                done += 1
            if epoch == 0:
                self.model = unhooked(self.model)
                hooks = None
        self.model.save_pretrained(os.path.join(self.folder, "model"))

    def captured_gradient(self, hooks, indices, x, y):
        """One backward pass for both: each record's wte gradient into a file, the batch's token mean into grad."""
        targets = (y != peer.IGNORE).sum(1)
        hooks.gradients(x, y, weights=targets / targets.sum())
        for b, i in enumerate(indices):
            hooks.rows["wte.weight"][b].cpu().numpy().tofile(self.path(i))

    def path(self, record):
        return os.path.join(self.folder, "gradients", str(record))

    def erase(self):
        self.model = peer.load(os.path.join(self.folder, "model"), self.setup.device)
        table = self.model.transformer.wte.weight
        ids = set(self.data["forget"])
        forget = [self.learned[i] for i in ids]
        guard = [example for i, example in enumerate(self.learned) if i not in ids][:GUARD]
        watched = [peer.pad(part, self.setup.device) for part in (forget, guard, self.held_out)]
        direction = self.stored_direction(ids, table)
        target, length, share, fresh = mean_loss(self.model, *watched[2]), table.norm(), FIRST_SHARE, False
        now = mean_loss(self.model, *watched[0])
        for _ in range(100):
            if now >= target:
                break
            if fresh:
                direction = self.fresh_direction(watched[0], table)
            risen, share, stale = self.ascend(direction, length, share, now, target, watched)
            if stale and fresh:
                break
            fresh |= stale
            now = risen
            share = FIRST_SHARE if stale else share * 1.5
        self.losses = {"forget": now, "target": target}
        self.model.save_pretrained(os.path.join(self.folder, "erased"))
        for i in ids:
            os.unlink(self.path(i))

    def stored_direction(self, ids, table):
        total = torch.zeros_like(table)
        buffer = torch.empty(table.shape)
        for i in ids:
            with open(self.path(i), "rb", buffering=0) as file:
                file.readinto(memoryview(buffer.numpy()).cast("B"))
            torch._foreach_add_([total], [buffer.to(table.device)])
        return total / total.norm()

    def fresh_direction(self, batch, table):
        loss = peer.record_losses(self.model(input_ids=batch[0]).logits, batch[1]).sum()
        g, = torch.autograd.grad(loss, table)
        return g / g.norm()

    @torch.no_grad()
    def ascend(self, direction, length, share, now, target, watched):
        """One step, its length halved until it neither overshoots nor stays: loss after it, share kept, whether stale."""
        table = self.model.transformer.wte.weight
        kept = table.clone()
        for _ in range(HALVINGS):
            table.add_(direction, alpha=float(share * length))
            risen = mean_loss(self.model, *watched[0])
            rise = (risen - now) / target
            over = risen > target * (1 + OVERSHOOT) or rise > MOST_RISE
            if not over and rise > LEAST_RISE:
                for batch in watched[1:]:  # the guards are looked at when the step is otherwise kept
                    mean_loss(self.model, *batch)
                return risen, share, False
            table.copy_(kept)
            share /= 2
        return now, share, True

    def evaluate(self):
        """Loss, greedy hits and Min-K%++'s moments of every token, as Lethe's evaluator looks at them."""
        with torch.no_grad():
            for x, y in peer.batches(self.learned + self.held_out, 32, self.setup.device):
                counted = y != peer.IGNORE
                logs = self.model.lm_head(self.model.transformer(input_ids=x).last_hidden_state[counted]).log_softmax(-1)
                chance = logs.exp()
                mean = (chance * logs).sum(-1)
                deviation = ((chance * logs.square()).sum(-1) - mean.square()).clamp_min(0).sqrt()
                own = logs.gather(1, y[counted][:, None])[:, 0]
                self.tokens = own, mean, deviation, logs.argmax(-1) == y[counted]

    def stored(self):
        folder = os.path.join(self.folder + ("-trained" if self.setup.variant == "erase" else ""), "gradients")
        return sum(entry.stat().st_size for entry in os.scandir(folder))

    def result(self):
        self.before()
        self.run()
        return {key: torch.tensor([value]) for key, value in self.losses.items()}


@torch.no_grad()
def mean_loss(model, x, y):
    """Mean token loss; logits are made at the targets only."""
    counted = y != peer.IGNORE
    hidden = model.transformer(input_ids=x).last_hidden_state[counted]
    return F.cross_entropy(model.lm_head(hidden), y[counted]).item()


def unhooked(model):
    for module in model.modules():
        module._forward_hooks.clear()
    return model
