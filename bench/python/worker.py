"""The Python side of bench/compare: one JSON request a line on stdin, one JSON reply a line on stdout.

  {"do": "hello", "threads": N, "device": D}            versions
  {"do": "sgemm", "size": N}                            {"mm", "onednn"}: rates of an fp32 matrix product, FLOP/s
  {"do": "init", "model": DIR, "layers": N, "hidden": N, "heads": N, "context": N}   a fresh GPT-2 of random weights
  {"do": "open", "case": ID, "op": ..., "variant": ..., "model": DIR, "examples": FILE, "work": DIR, "args": {}}
  {"do": "check", "case": ID, "ours": FILE, "tensors": [{name, offset, shape}]}   {"error": ||a-b|| / ||b||, "missing"}
  {"do": "before" | "run", "case": ID}                  untimed preparation; {"nanos": ..., "parts": {...}}
  {"do": "memory", "case": ID, "reset": true}           {"rss", "peak"} in bytes, since the last reset
  {"do": "close", "case": ID}
"""
import argparse
import ctypes
import gc
import importlib
import json
import os
import sys
import time
import traceback
from dataclasses import dataclass

import torch

import peer

MODULES = {"train": ("train_step", "TrainStep"), "records": ("record_gradients", "make"),
           "epoch": ("first_epoch", "FirstEpoch"), "curvature": ("curvature", "Curvature"),
           "influence": ("influence", "Influence"), "ascent": ("ascent", "Ascent"), "pipeline": ("pipeline", "Pipeline")}


@dataclass
class Setup:
    variant: str
    model: str
    examples: str
    work: str
    device: str
    args: dict


class Worker:
    def __init__(self, device, threads):
        self.device = device
        self.cases = {}
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32 = False

    def hello(self, request):
        import transformers
        return {"torch": torch.__version__, "transformers": transformers.__version__, "python": sys.version.split()[0],
                "threads": torch.get_num_threads(), "device": self.device,
                "gpu": torch.cuda.get_device_name() if self.device.startswith("cuda") else None}

    def sgemm(self, request):
        """Best rate of an fp32 product by torch.mm and, on a CPU, by the oneDNN that libtorch holds too, FLOP/s each."""
        n = request["size"]
        a, b, c = (torch.randn(n, n, device=self.device) for _ in range(3))
        found = {"mm": self.best_rate(lambda: torch.mm(a, b, out=c), 2 * n**3)}
        if self.device == "cpu" and torch.backends.mkldnn.is_available():
            packed = b.to_mkldnn()
            linear = torch.ops.mkldnn._linear_pointwise
            found["onednn"] = self.best_rate(lambda: linear(a, packed, None, "none", [], ""), 2 * n**3)
        return found

    def rate(self, request):
        """Best rate of a matrix product in some dtype on random data, FLOP/s."""
        n = request["size"]
        a, b = (torch.randn(n, n, device=self.device, dtype=getattr(torch, request["dtype"])) for _ in range(2))
        return {"rate": self.best_rate(lambda: torch.mm(a, b), 2 * n**3)}

    def best_rate(self, product, flops, times=12):
        best = 0.0
        for _ in range(times):
            start = time.perf_counter()
            product()
            peer.synchronize(self.device)
            best = max(best, flops / (time.perf_counter() - start))
        return best

    def init(self, request):
        """The folder is there when it is whole."""
        from transformers import GPT2Config, GPT2LMHeadModel
        torch.manual_seed(1)
        config = GPT2Config(n_layer=request["layers"], n_embd=request["hidden"], n_head=request["heads"],
                            n_positions=request["context"])
        GPT2LMHeadModel(config).save_pretrained(request["model"] + ".part")
        os.rename(request["model"] + ".part", request["model"])
        return {}

    def open(self, request):
        module, maker = MODULES[request["op"]]
        setup = Setup(request["variant"], request["model"], request["examples"], request["work"], self.device,
                      request.get("args", {}))
        case = getattr(importlib.import_module(module), maker)(setup)
        self.cases[request["case"]] = case
        return {"files": case.files() if hasattr(case, "files") else []}

    def check(self, request):
        """How far ours is from theirs, over all tensors that both name; names of ours that theirs lacks are listed."""
        theirs = self.cases[request["case"]].result()
        difference = norm = 0.0
        missing = [t["name"] for t in request["tensors"] if t["name"] not in theirs]
        for tensor in request["tensors"]:
            if tensor["name"] not in theirs:
                continue
            b = theirs[tensor["name"]].detach().double().cpu().flatten()
            a = torch.from_file(request["ours"], size=os.path.getsize(request["ours"]) // 4)
            a = a[tensor["offset"] : tensor["offset"] + tensor["count"]].double()
            if len(a) != len(b):
                raise ValueError(f"{tensor['name']}: {len(a)} numbers, {len(b)} here")
            difference += (a - b).square().sum().item()
            norm += b.square().sum().item()
        return {"relative": (difference / norm) ** 0.5 if norm else float(difference > 0), "missing": missing}

    def tune(self, request):
        case = self.cases[request["case"]]
        if hasattr(case, "tune"):
            case.tune()
        return {}

    def before(self, request):
        case = self.cases[request["case"]]
        if hasattr(case, "before"):
            case.before()
        return {}

    def run(self, request):
        case = self.cases[request["case"]]
        peer.synchronize(self.device)
        start = time.perf_counter_ns()
        parts = case.run()
        peer.synchronize(self.device)
        return {"nanos": time.perf_counter_ns() - start, "parts": parts or {}}

    def stored(self, request):
        case = self.cases[request["case"]]
        return {"bytes": case.stored() if hasattr(case, "stored") else 0}

    def memory(self, request):
        if self.device.startswith("cuda"):
            found = {"rss": torch.cuda.memory_allocated(), "peak": torch.cuda.max_memory_allocated()}
            if request.get("reset"):
                torch.cuda.reset_peak_memory_stats()
            return found
        if request.get("reset"):
            gc.collect()
            ctypes.CDLL(None).malloc_trim(0)
        found = process_memory()
        if request.get("reset"):
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")
        return found

    def close(self, request):
        del self.cases[request["case"]]
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()  # the other side needs the room
        return {}


def process_memory():
    with open("/proc/self/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    return {"rss": int(fields["VmRSS"].split()[0]) * 1024, "peak": int(fields["VmHWM"].split()[0]) * 1024}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--compute", choices=("f32", "bf16"), default="f32")
    options = parser.parse_args()
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries print goes to stderr
    worker = Worker(options.device, options.threads)
    if options.compute == "bf16":  # weights and optimizer in fp32, as mixed precision is used
        torch.autocast(options.device.split(":")[0], torch.bfloat16).__enter__()
    for line in sys.stdin:
        request = json.loads(line)
        if request["do"] == "quit":
            break
        try:
            reply = getattr(worker, request["do"])(request)
        except Exception as problem:  # the other side decides what a failed case means
            traceback.print_exc()
            reply = {"problem": f"{type(problem).__name__}: {str(problem).splitlines()[0] if str(problem) else ''}"}
        print(json.dumps(reply), file=replies)


if __name__ == "__main__":
    main()
