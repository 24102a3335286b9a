"""The ascent direction of some records from their stored gradients: the sum of dense gradients read from one file each.

Files are read into one buffer kept from record to record and added with _foreach_add_; or mapped and added from there.
Writing them is not timed. The files are taken out of the page cache before each run by who asks for it.
"""
import os

import torch

import peer
from hooks import RecordHooks


class Ascent:
    """Variants: read, map. args: sites (all or embedding), batch (records a capturing pass)."""

    def __init__(self, setup):
        model = peer.load(setup.model, setup.device)
        embedding = setup.args["sites"] == "embedding"
        self.device = setup.device
        self.mapped = setup.variant == "map"
        self.shapes = {peer.name(key): p.shape for key, p in model.named_parameters() if not embedding or "wte" in key}
        self.folder = os.path.join(setup.work, "dense-" + setup.args["sites"])
        self.paths = self.capture(model, setup, embedding)
        self.numbers = sum(shape.numel() for shape in self.shapes.values())
        self.buffer = torch.empty(self.numbers)
        self.sums = [torch.zeros(shape, device=self.device) for shape in self.shapes.values()]

    def capture(self, model, setup, embedding):
        examples = peer.read_examples(setup.examples)
        paths = [os.path.join(self.folder, str(i)) for i in range(len(examples))]
        if os.path.isdir(self.folder):
            return paths
        os.makedirs(self.folder)
        hooks = RecordHooks(model, setup.args["batch"], embedding)
        for at in range(0, len(examples), setup.args["batch"]):
            part = examples[at : at + setup.args["batch"]]
            hooks.gradients(*peer.pad(part, setup.device))
            for b in range(len(part)):
                with open(paths[at + b], "wb", buffering=0) as file:
                    for rows in hooks.rows.values():
                        file.write(rows[b].cpu().numpy())
                    os.fsync(file.fileno())
        return paths

    def views(self, flat):
        parts = flat.split([shape.numel() for shape in self.shapes.values()])
        return [part.view(shape).to(self.device) for part, shape in zip(parts, self.shapes.values())]

    def run(self):
        torch._foreach_zero_(self.sums)
        for path in self.paths:
            if self.mapped:
                torch._foreach_add_(self.sums, self.views(torch.from_file(path, size=self.numbers)))
            else:
                with open(path, "rb", buffering=0) as file:
                    file.readinto(memoryview(self.buffer.numpy()).cast("B"))
                torch._foreach_add_(self.sums, self.views(self.buffer))

    def files(self):
        return self.paths

    def stored(self):
        return sum(os.path.getsize(path) for path in self.paths)

    def result(self):
        self.run()
        return dict(zip(self.shapes, self.sums))
