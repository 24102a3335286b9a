"""What bench/compare measures: shapes, and a row for each pair of contestants. Data only; compare.py runs it.

A row of kind "speed" says how many times faster its first contestant is (second's time / first's); of kind "overhead",
how many times longer its second takes than its first. Targets are those of the project's plan for two cores.
"""
from dataclasses import dataclass, field

SHAPES = {
    "tiny": dict(layers=2, hidden=32, heads=2, context=128, tokens=12, batch=3),
    "small": dict(layers=4, hidden=256, heads=4, context=128, tokens=64, batch=8),
    "124m-64": dict(layers=12, hidden=768, heads=12, context=1024, tokens=64, batch=4),
    "124m-512": dict(layers=12, hidden=768, heads=12, context=1024, tokens=512, batch=4),
    "llama-tiny": dict(family="llama", layers=2, hidden=32, heads=4, kv=2, inner=48, context=128, tokens=12, batch=3),
    "llama": dict(family="llama", layers=4, hidden=256, heads=4, kv=2, inner=688, context=128, tokens=64, batch=8),
    "smollm-135m": dict(family="llama", layers=30, hidden=576, heads=9, kv=3, inner=1536, context=2048, vocabulary=49152,
                        tokens=64, batch=4),
}
for shape in SHAPES.values():
    shape.setdefault("vocabulary", 50257)
    shape.setdefault("family", "gpt2")
LLAMA_GROUPS = ("train", "compile", "records", "curvature")  # what the peers have for a Llama

EXACT = {"sites": "all", "topk": 0}
SPARSE = {"sites": "all", "topk": 256}
EMBEDDING = {"sites": "embedding", "topk": 256}
STEPS = 4  # of a first epoch
SMALL, MIDDLE = 1 << 31, 1 << 34  # parameters times tokens a record: the small shape, GPT-2 at T = 64
ASCENT_RECORDS = 20


@dataclass
class Contestant:
    side: str  # ours | theirs
    op: str
    variant: str
    args: dict = field(default_factory=dict)


@dataclass
class Row:
    group: str  # what --ops chooses by
    name: str
    kind: str  # speed | overhead
    first: Contestant
    second: Contestant
    examples: str
    target: str = ""
    tolerance: float = 1e-4
    cold: bool = False
    check: bool = True
    pairs: int = 0  # 0: as asked for; else so many, and the run that is compared is the only warm-up
    quick: bool = True
    largest: int = 1 << 60  # parameters times tokens of a record above which the row would take hours or tens of gigabytes


def ours(op, variant="", **args):
    return Contestant("ours", op, variant, args)


def theirs(op, variant, **args):
    return Contestant("theirs", op, variant, args)


def rows(shape, quick):
    """The rows that this shape has."""
    size = parameters(shape) * shape["tokens"]
    return [row for row in every_row(shape, quick) if size <= row.largest and (row.quick or not quick)
            and (shape["family"] == "gpt2" or row.group in LLAMA_GROUPS)]


def every_row(shape, quick):
    batch = {"batch": shape["batch"]}
    capture = ours("records", "capture", **EXACT)
    embedding = ours("records", "capture", **EMBEDDING)
    plain, their_plain = ours("epoch", "plain", **batch), theirs("epoch", "plain", **batch)
    scores = ours("influence", "", **SPARSE, **batch)
    return [
        Row("train", "train step | torch eager, fused GELU", "speed", ours("train"), theirs("train", "eager"), "batch", ">= 1.3"),
        Row("compile", "train step | torch.compile", "speed", ours("train"), theirs("train", "compile"), "batch", ">= 1.3"),
        Row("records", "gradients of every record into the ledger | torch's batch gradient, no capture", "speed", capture,
            theirs("records", "batch"), "batch", ">= 1.0", check=False),
        Row("records", "... | hooks, in memory", "speed", capture, theirs("records", "hooks"), "batch", ">= 1.2"),
        Row("records", "... | vmap(grad), in memory", "speed", capture, theirs("records", "vmap"), "batch", ">= 1.5"),
        Row("records", "... | batches of one, in memory", "speed", capture, theirs("records", "loop"), "batch", ">= 1.7"),
        Row("embedding", "embedding top-k:256 into the ledger | torch's batch gradient, no capture", "speed", embedding,
            theirs("records", "batch"), "batch", check=False),
        Row("epoch", "first epoch, whole model kept, Lethe", "overhead", plain, ours("epoch", "capture", **EXACT, **batch),
            "epoch", "<= 1.25"),
        Row("epoch", "first epoch, embedding top-k:256 kept, Lethe", "overhead", plain,
            ours("epoch", "capture", **EMBEDDING, **batch), "epoch", "<= 1.10"),
        Row("epoch", "first epoch, whole model kept dense, torch", "overhead", their_plain, theirs("epoch", "all", **batch),
            "epoch", largest=MIDDLE),
        Row("epoch", "first epoch, wte kept dense, torch", "overhead", their_plain, theirs("epoch", "embedding", **batch),
            "epoch", quick=False, largest=MIDDLE),
        Row("ragged", "TOFU batches, train step | padded eager", "speed", plain, their_plain, "ragged", ">= 1.5",
            largest=MIDDLE),
        Row("ragged", "... | padded eager, logits at targets only", "speed", plain, theirs("epoch", "head", **batch), "ragged",
            largest=MIDDLE),
        Row("curvature", "Hessian-vector product | double backward", "speed", ours("curvature", "hvp"),
            theirs("curvature", "double"), "batch", ">= 1.3"),
        Row("curvature", "... | jvp over grad", "speed", ours("curvature", "hvp"), theirs("curvature", "jvp"), "batch", ">= 1.5"),
        Row("curvature", "Gauss-Newton product | jvp and vjp", "speed", ours("curvature", "ggn"), theirs("curvature", "ggn"),
            "batch", ">= 1.5"),
        Row("curvature", "Hessian-vector product over one gradient, Lethe", "overhead", ours("records", "batch"),
            ours("curvature", "hvp"), "batch", "<= 2.5"),
        Row("curvature", "Gauss-Newton product over one gradient, Lethe", "overhead", ours("records", "batch"),
            ours("curvature", "ggn"), "batch", "<= 2.0"),
        Row("ascent", f"ascent direction of {ASCENT_RECORDS} records, whole model, cold files | dense files", "speed",
            ours("ascent", "", **EXACT, **batch), theirs("ascent", "read", sites="all", **batch), "ascent", ">= 2.0",
            cold=True, quick=False, largest=MIDDLE),
        Row("ascent", f"ascent direction of {ASCENT_RECORDS} records, embedding top-k:256, cold files | dense wte", "speed",
            ours("ascent", "", **EMBEDDING, **batch), theirs("ascent", "read", sites="embedding", **batch), "ascent",
            ">= 2.0", tolerance=0.3, cold=True),
        Row("ascent", "... | dense wte, mapped", "speed", ours("ascent", "", **EMBEDDING, **batch),
            theirs("ascent", "map", sites="embedding", **batch), "ascent", ">= 2.0", tolerance=0.3, cold=True, quick=False),
        Row("influence", "influence of N records on a query, whole model, from the ledger | hooks", "speed", scores,
            theirs("influence", "hooks", **batch), "influence", ">= 5.0", tolerance=0.1, largest=MIDDLE),
        Row("influence", "... | jvp along the query's gradient", "speed", scores, theirs("influence", "jvp", **batch),
            "influence", ">= 5.0", tolerance=0.1, pairs=0 if quick else 3, largest=MIDDLE),
        Row("influence", "... | vmap(grad) and dot", "speed", scores, theirs("influence", "vmap", **batch), "influence",
            ">= 10.0", tolerance=0.1, pairs=3, quick=False, largest=MIDDLE),
        Row("erase", "erase request after training, the paper's ascent | torch pipeline", "speed", ours("pipeline", "erase"),
            theirs("pipeline", "erase"), "pipeline", ">= 3.0", tolerance=0.05, pairs=3 if quick else 0,
            largest=SMALL),
        Row("pipeline", "train with capture, erase, evaluate | torch pipeline", "speed", ours("pipeline", "all"),
            theirs("pipeline", "all"), "pipeline", tolerance=0.1, pairs=1 if quick else 3, largest=SMALL),
    ]


def influence_records(shape, quick):
    """1,000 records of the small shape; of a larger one as many as fit a disk and a patient reader."""
    if shape["tokens"] < 64:
        return 12
    if shape["hidden"] > 256:
        return 50
    return 32 if quick else 1000


def pipeline_size(shape, quick):
    """Authors of ten records learned, epochs of training."""
    if shape["tokens"] < 64:
        return 2, 2
    return (3, 8) if quick else (10, 15)


def train_flops(shape):
    """FLOPs of one train step: 3 (forward, and twice that backward) times the matrix products of the forward pass.

    Linear layers 2 a weight and token, head 2 V C a token, causal attention 2 C T^2 a record and layer. Not counted:
    embedding, norms, activation, softmax, AdamW.
    """
    layers, channels, tokens, batch = shape["layers"], shape["hidden"], shape["tokens"], shape["batch"]
    forward = batch * tokens * (2 * layers * weights(shape) + 2 * shape["vocabulary"] * channels)
    return 3 * (forward + batch * layers * 2 * channels * tokens**2)


def init(shape):
    """The shape as `lethe train --model` takes it."""
    names = {"context": "ctx", "vocabulary": "vocab"}
    sizes = ("layers", "hidden", "heads", "kv", "inner", "context", "vocabulary")
    return f"{shape.get('family', 'gpt2')}:" + ",".join(f"{names.get(k, k)}={shape[k]}" for k in sizes if k in shape)


def weights(shape):
    """Of a block's linear layers."""
    channels = shape["hidden"]
    if shape["family"] == "gpt2":
        return 12 * channels**2
    return 2 * channels**2 * (1 + shape["kv"] / shape["heads"]) + 3 * channels * shape["inner"]


def parameters(shape):
    layers, channels = shape["layers"], shape["hidden"]
    if shape["family"] != "gpt2":
        return int((shape["vocabulary"] + 1) * channels + layers * (weights(shape) + 2 * channels))
    return (shape["vocabulary"] + shape["context"] + 2) * channels + layers * (12 * channels**2 + 13 * channels)
