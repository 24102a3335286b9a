"""Lethe's training step on a GPU, kernel by kernel: the library in this process, without a JVM.

  step.py --native LIB [--parity] [--profile] [--llama] [--batches 16,64]
--parity: loss and gradient of GPT-2 124M against transformers in fp32. --profile: where a step's time goes, by
torch.profiler, plain and with captured embedding entries. --llama: the same step of Llama-3.2-1B's shape, and eager.
Times are medians of runs after warm-ups; every line is printed as soon as it is known. Where there is no GPU it rehearses
itself on a tiny model: give it the library with the emulated device, build/native/test/liblethe_emulated.so.
"""
import argparse
import ctypes as c
import statistics
import sys
import threading
import time

import torch

I64, I32, F64, P = c.c_int64, c.c_int32, c.c_double, c.c_void_p
GPU = torch.cuda.is_available()
DEVICE = "cuda" if GPU else "cpu"
V, C, L, HEADS, T = (50257, 768, 12, 12, 1024) if GPU else (101, 32, 2, 2, 24)
IGNORE = -100
BF16, EMBEDDING = 3, 0
LLAMA, SILU = 1, 3
GPT2 = dict(vocabulary=V, context=T, channels=C, heads=HEADS, layers=L, inner=4 * C, norm_epsilon=1e-5, tied_head=1)
# Llama-3.2-1B but for the scaling of its rotary turn, which costs nothing a step.
LLAMA_1B = dict(vocabulary=128256 if GPU else 203, context=T, channels=2048 if GPU else 64, heads=32 if GPU else 4,
                kv_heads=8 if GPU else 2, head_size=64 if GPU else 16, layers=16 if GPU else 2, inner=8192 if GPU else 96,
                norm_epsilon=1e-5, tied_head=1, family=LLAMA, activation=SILU, block_options=0, rotary_base=500000.0,
                rotary_size=64 if GPU else 16)


class Error(c.Structure):
    _fields_ = [("struct_size", I64), ("status", I32), ("reserved", I32), ("message", c.c_char * 1024)]


class Config(c.Structure):
    _fields_ = [("struct_size", I64), *((n, I64) for n in "vocabulary context channels heads layers inner".split()),
                ("norm_epsilon", F64), *((n, I32) for n in "tied_head dtype device_type device_index compute_dtype options "
                                         "family activation block_options rotary_scaling".split()),
                *((n, I64) for n in "kv_heads head_size rotary_size".split()),
                *((n, F64) for n in "rotary_base rotary_factor rotary_low_factor rotary_high_factor".split()),
                ("rotary_old_context", I64), ("adapted", P), ("adapted_count", I64), ("base", P)]


class Batch(c.Structure):
    _fields_ = [("struct_size", I64), ("records", I64), ("tokens_total", I64), ("offsets", P), ("tokens", P), ("targets", P),
                ("weights", P)]


class AdamW(c.Structure):
    _fields_ = [("struct_size", I64), *((n, F64) for n in "learning_rate beta1 beta2 epsilon weight_decay max_norm".split()),
                ("step", I64), ("sites", P)]


class Layout(c.Structure):
    _fields_ = [("struct_size", I64), *((n, I64) for n in "tensors sites parameters flat_size".split())]


class Tensor(c.Structure):
    _fields_ = [("struct_size", I64), ("name", c.c_char * 64), *((n, I64) for n in "offset rows columns".split()),
                ("dimensions", I32), ("site", I32)]


class Format(c.Structure):
    _fields_ = [("struct_size", I64), ("sites", P), ("site_count", I64), ("head_top_k", I64), ("dtype", I32), ("rank", I32)]


class Capture(c.Structure):
    _fields_ = [("struct_size", I64), ("format", P), ("destinations", P), ("capacities", P), ("ring", P)]


def sized(structure, **fields):
    return structure(struct_size=c.sizeof(structure), **fields)


class Lethe:
    """One model on the device, its batch and its optimizer's numbers."""

    def __init__(self, library, compute_dtype=0, options=0, shape=GPT2):
        self.library = library
        self.handle = P()
        config = sized(Config, dtype=0, device_type=1, compute_dtype=compute_dtype, options=options, **shape)
        self.call("lethe_model_create", c.byref(config), c.byref(self.handle))
        self.layout = sized(Layout)
        self.call("lethe_model_layout", c.byref(config), c.byref(self.layout))
        self.infos = (Tensor * self.layout.tensors)(*(sized(Tensor) for _ in range(self.layout.tensors)))
        self.call("lethe_model_tensors", c.byref(config), self.infos, I64(self.layout.tensors))
        self.step = 0

    def call(self, name, *arguments):
        error = sized(Error)
        if getattr(self.library, name)(*arguments, c.byref(error)) != 0:
            raise RuntimeError(f"{name}: {error.message.decode()}")

    def tensors(self):
        for info in self.infos:
            yield info.name.decode(), info.offset, info.rows * info.columns

    def vector(self, buffer):
        vector = P()
        self.call("lethe_model_vector", self.handle, I32(buffer), c.byref(vector))
        return vector

    def load(self, peer):
        state = peer.state_dict()
        for name, offset, count in self.tensors():
            key = name if name == "lm_head.weight" else "transformer." + name
            values = state[key].detach().float().cpu().contiguous()
            self.call("lethe_vector_write", self.vector(0), I64(offset), I64(count), I32(0), P(values.data_ptr()),
                      I64(count * 4))

    def read(self, buffer, offset, count):
        values = torch.empty(count, dtype=torch.float32)
        self.call("lethe_vector_read", self.vector(buffer), I64(offset), I64(count), I32(0), P(values.data_ptr()),
                  I64(count * 4))
        return values

    def batch(self, x, y):
        records, length = x.shape
        self.kept = (torch.arange(0, records * length + 1, length, dtype=torch.int64), x.to("cpu", torch.int32).contiguous(),
                     y.to("cpu", torch.int32).contiguous())
        self.losses = torch.empty(records, dtype=torch.float64)
        self.view = sized(Batch, records=records, tokens_total=records * length,
                          **{n: t.data_ptr() for n, t in zip(("offsets", "tokens", "targets"), self.kept)})

    def gradient(self, capture=None):
        self.call("lethe_model_gradient", self.handle, c.byref(self.view), I32(0), capture and c.byref(capture),
                  P(self.losses.data_ptr()), None, None)
        return self.losses.mean().item()

    def adamw(self):
        self.step += 1
        options = sized(AdamW, learning_rate=5e-5, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.01, max_norm=1.0,
                        step=self.step)
        self.call("lethe_model_adamw", self.handle, c.byref(options), None)

    def train(self):
        self.gradient()
        self.adamw()

    def close(self):
        self.library.lethe_model_destroy(self.handle)
        if GPU:
            torch.cuda.empty_cache()


class Ring:
    """Entries of every batch on their way to the host while the next batch runs, as a training has them."""

    def __init__(self, model, top_k=256 if GPU else 16, site=EMBEDDING):
        self.model = model
        self.sites = (c.c_uint8 * model.layout.sites)()
        self.sites[site] = self.sites[model.layout.sites - 1] = 1  # a tied table: its use as head too
        self.format = sized(Format, sites=c.addressof(self.sites), site_count=model.layout.sites, head_top_k=top_k, dtype=BF16)
        records, size = model.view.records, I64()
        model.call("lethe_entry_bytes", model.handle, c.byref(self.format), I64(T), I64(T), c.byref(size))
        self.bytes = size.value
        self.handle = P()
        model.call("lethe_ring_create", model.handle, I64(2), I64(self.bytes * records), c.byref(self.handle))
        self.room = torch.empty(records, self.bytes, dtype=torch.uint8)
        self.entries, self.sizes = (P * records)(), (I64 * records)()
        self.capture = sized(Capture, format=c.addressof(self.format), ring=self.handle)
        self.filled = threading.Semaphore(0)
        self.stopped = False
        self.thread = threading.Thread(target=self.take)
        self.thread.start()

    def take(self):
        while True:
            self.filled.acquire()
            if self.stopped:
                return
            self.model.call("lethe_ring_take", self.handle, I64(len(self.sizes)), self.entries, self.sizes)
            for room, entry, size in zip(self.room, self.entries, self.sizes):
                c.memmove(room.data_ptr(), entry, size)
            self.model.call("lethe_ring_release", self.handle)

    def train(self):
        self.model.gradient(self.capture)
        self.filled.release()
        self.model.adamw()

    def close(self):
        self.stopped = True
        self.filled.release()
        self.thread.join()
        self.model.library.lethe_ring_destroy(self.handle)


def make_peer():
    from transformers import GPT2Config, GPT2LMHeadModel
    config = GPT2Config(activation_function="gelu_pytorch_tanh", resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
                        use_cache=False, vocab_size=V, n_embd=C, n_layer=L, n_head=HEADS, n_positions=T)
    torch.manual_seed(7)
    with torch.device(DEVICE):
        return GPT2LMHeadModel._from_config(config, attn_implementation="sdpa").eval()


def random_batch(records, length=T, seed=1, vocabulary=V):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(0, vocabulary, (records, length + 1), generator=generator)
    return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()


class Peer:
    """A training step of a transformers' model: bf16 autocast around fp32, fused AdamW, clipping."""

    def __init__(self, model):
        self.model = model
        matrices = [p for p in model.parameters() if p.dim() >= 2]
        others = [p for p in model.parameters() if p.dim() < 2]
        self.optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
                                           lr=5e-5, fused=True)

    def loss(self, x, y):
        with torch.autocast(DEVICE, torch.bfloat16):
            logits = self.model(input_ids=x).logits
            return torch.nn.functional.cross_entropy(logits.view(-1, logits.shape[-1]), y.view(-1))

    def batch(self, x, y):
        self.x, self.y = x.to(DEVICE), y.to(DEVICE)

    def train(self):
        self.loss(self.x, self.y).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def synchronize():
    if GPU:
        torch.cuda.synchronize()


def say(line):
    print(f"[{time.monotonic() - STARTED:6.1f}] {line}", flush=True)


def seconds_of(step):
    synchronize()
    start = time.perf_counter()
    step()
    synchronize()
    return time.perf_counter() - start


def parity(library, peer):
    """Relative errors of the whole gradient against transformers in fp32 without TF32, runs through the graph included."""
    x, y = random_batch(3, min(200, T))
    loss = torch.nn.functional.cross_entropy(peer(input_ids=x.to(DEVICE)).logits.view(-1, V), y.to(DEVICE).view(-1))
    loss.backward()
    expected = {name: p.grad.detach().flatten().double().cpu() for name, p in peer.named_parameters()}
    peer.zero_grad(set_to_none=True)
    for name, compute in (("fp32", 0), ("bf16", BF16)):
        model = Lethe(library, compute)
        model.load(peer)
        model.batch(x, y)
        for run in (1, 2, 5):
            for _ in range(1 if run < 5 else 3):
                found = model.gradient()
            difference = norm = 0.0
            worst = (0.0, "")
            for tensor, offset, count in model.tensors():
                want = expected[tensor if tensor == "lm_head.weight" else "transformer." + tensor]
                error = (model.read(1, offset, count).double() - want).square().sum().item()
                difference, norm = difference + error, norm + want.square().sum().item()
                worst = max(worst, ((error / max(want.square().sum().item(), 1e-30)) ** 0.5, tensor))
            say(f"parity {name} run {run}: loss {found:.6f} against {loss.item():.6f}, gradient {(difference / norm) ** 0.5:.2e},"
                f" worst {worst[1]} {worst[0]:.2e}")
        model.close()


def profiled(name, step, rows=20, runs=4):
    for _ in range(5):
        step()
    synchronize()
    times = [seconds_of(step) for _ in range(5)]
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(runs):
            step()
        synchronize()
    found = [(e.key, e.self_device_time_total / runs / 1e3, e.count / runs) for e in profile.key_averages()]
    found = sorted((f for f in found if f[1] > 0), key=lambda f: -f[1])
    total = sum(f[1] for f in found)
    say(f"profile {name}: {statistics.median(times) * 1e3:.2f} ms a step, {total:.2f} ms in kernels")
    for key, milliseconds, count in found[:rows]:
        print(f"    {milliseconds:7.3f} ms {count:6.1f} x  {key[:80]}")
    sys.stdout.flush()


def profiles(library, peer, batches):
    for records in batches:
        model = Lethe(library, BF16)
        model.load(peer)
        model.batch(*random_batch(records))
        profiled(f"Lethe, batch {records}", model.train)
        if records == batches[0]:
            ring = Ring(model)
            profiled(f"Lethe, batch {records}, embedding top-k:256 through the ring", ring.train, 12)
            ring.close()
        model.close()


def used():
    """GB of the device's memory that anybody holds."""
    free, total = torch.cuda.mem_get_info() if GPU else (0, 0)
    return (total - free) / 1e9


def timed_steps(name, step, tokens, before):
    for _ in range(5):
        step()
    found = [seconds_of(step) for _ in range(7)]
    middle = statistics.median(found)
    say(f"{name}: {middle * 1e3:.1f} ms ({min(found) * 1e3:.1f} to {max(found) * 1e3:.1f}), {tokens / middle:,.0f} tokens/s, "
        f"{used() - before:.1f} GB")


def llama(library, records=8):
    """Steps of a Llama-3.2-1B's shape: Lethe's plain and through the ring, then transformers' eager."""
    from transformers import LlamaConfig, LlamaForCausalLM
    shape, before = LLAMA_1B, used()
    batch, tokens = random_batch(records, vocabulary=shape["vocabulary"]), records * T
    ours = Lethe(library, BF16, shape=shape)
    ours.call("lethe_model_initialize", ours.handle, c.c_uint64(1))
    ours.batch(*batch)
    timed_steps(f"llama 1B, batch {records} x {T}, Lethe", ours.train, tokens, before)
    ring = Ring(ours)
    timed_steps("... with embedding top-k:256 through the ring", ring.train, tokens, before)
    ring.close()
    ours.close()
    before = used()
    config = LlamaConfig(vocab_size=shape["vocabulary"], hidden_size=shape["channels"], intermediate_size=shape["inner"],
                         num_hidden_layers=shape["layers"], num_attention_heads=shape["heads"],
                         num_key_value_heads=shape["kv_heads"], head_dim=shape["head_size"], max_position_embeddings=T,
                         rms_norm_eps=1e-5, rope_theta=shape["rotary_base"], tie_word_embeddings=True, use_cache=False)
    with torch.device(DEVICE):
        theirs = Peer(LlamaForCausalLM._from_config(config, attn_implementation="sdpa").eval())
    theirs.batch(*batch)
    timed_steps("... eager", theirs.train, tokens, before)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--native", required=True)
    for stage in ("parity", "profile", "llama"):
        parser.add_argument("--" + stage, action="store_true")
    parser.add_argument("--batches", default="16,64")
    options = parser.parse_args()
    batches = [int(b) for b in options.batches.split(",")]
    torch.backends.cuda.matmul.allow_tf32 = False
    say(f"torch {torch.__version__}, {torch.cuda.get_device_name() if GPU else 'no GPU: a rehearsal'}")
    peer = make_peer() if options.parity or options.profile else None
    say("ready")
    library = c.CDLL(options.native)
    for name in ("lethe_model_destroy", "lethe_ring_destroy"):
        getattr(library, name).restype = None
    stages = {"parity": lambda: parity(library, peer), "profile": lambda: profiles(library, peer, batches),
              "llama": lambda: llama(library)}
    for name, stage in stages.items():
        if getattr(options, name):
            try:
                stage()
            except Exception as problem:  # one stage's fault is not the next one's
                say(f"{name}: {type(problem).__name__}: {problem}")


STARTED = time.monotonic()
if __name__ == "__main__":
    main()
