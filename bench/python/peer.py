"""What every Python peer shares: the model, a batch, the loss, the optimizer.

transformers' model on the same weights as Lethe, fp32, set up as its user would for speed: GPT-2's tanh-GELU fused
(gelu_new is the same formula in eight kernels), sdpa attention without a mask (padding stands on the right, where a
causal model does not look), no dropout, no key-value cache. Leaves out what is timed: one file an operation.
"""
import json

import torch
import torch.nn.functional as F
from transformers import AutoConfig, AutoModelForCausalLM

IGNORE = -100


def load(folder, device):
    config = AutoConfig.from_pretrained(folder)
    if config.model_type == "gpt2":
        config.activation_function = "gelu_pytorch_tanh"
        config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = 0.0
    config.use_cache = False
    model = AutoModelForCausalLM.from_pretrained(folder, config=config, attn_implementation="sdpa", dtype=torch.float32)
    for parameter in model.parameters():  # out of the mapped file, so that both sides own their weights
        parameter.data = parameter.data.clone()
    model.tie_weights()
    return model.to(device).eval()


def read_examples(path):
    """[(tokens, targets)], each a list; targets are already shifted."""
    with open(path) as file:
        data = json.load(file)
    return list(zip(data["tokens"], data["targets"]))


def pad(examples, device):
    """tokens [B, T], targets [B, T], padded on the right to the longest record."""
    longest = max(len(tokens) for tokens, _ in examples)
    x = torch.zeros(len(examples), longest, dtype=torch.long)
    y = torch.full((len(examples), longest), IGNORE)
    for b, (tokens, targets) in enumerate(examples):
        x[b, : len(tokens)] = torch.tensor(tokens)
        y[b, : len(targets)] = torch.tensor(targets)
    return x.to(device), y.to(device)


def batches(examples, size, device):
    return [pad(examples[i : i + size], device) for i in range(0, len(examples), size)]


def token_loss(model, x, y):
    """Mean over all targets of the batch."""
    logits = model(input_ids=x).logits
    return F.cross_entropy(logits.view(-1, logits.shape[-1]), y.view(-1), ignore_index=IGNORE)


def record_losses(logits, y):
    """[B] mean loss of each record over its own targets."""
    losses = F.cross_entropy(logits.transpose(1, 2), y, ignore_index=IGNORE, reduction="none")
    return losses.sum(1) / (y != IGNORE).sum(1)


def adamw(model, learning_rate=5e-5):
    """Fused AdamW, decay on matrices only, as Lethe's."""
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    others = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, fused=True)


def name(parameter):
    """A parameter's name in the checkpoint, without transformers' prefix."""
    return parameter.removeprefix("transformer.").removeprefix("model.")


def gradients(model):
    return {name(key): p.grad for key, p in model.named_parameters()}


def parameters(model):
    return {name(key): p.data for key, p in model.named_parameters()}


def synchronize(device):
    if device.startswith("cuda"):
        torch.cuda.synchronize()
