"""Golden learning-rate factors from transformers' schedulers -> src/test/resources/golden/schedules.json.

python3 src/test/golden/schedules.py   (needs torch and transformers)
"""
import json
from pathlib import Path

import torch
from transformers import (get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup,
                          get_linear_schedule_with_warmup)


def factors(make, steps):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    scheduler = make(optimizer)
    out = []
    for _ in range(steps):
        out.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return out


cases = []
for warmup, total in [(0, 1), (0, 7), (3, 10), (1, 4), (5, 5)]:
    cases += [
        {"schedule": "LINEAR", "warmup": warmup, "total": total,
         "factors": factors(lambda o: get_linear_schedule_with_warmup(o, warmup, total), total)},
        {"schedule": "COSINE", "warmup": warmup, "total": total,
         "factors": factors(lambda o: get_cosine_schedule_with_warmup(o, warmup, total), total)},
        {"schedule": "CONSTANT", "warmup": warmup, "total": total,
         "factors": factors(lambda o: get_constant_schedule_with_warmup(o, warmup), total)},
    ]
path = Path(__file__).parents[1] / "resources/golden/schedules.json"
path.write_text(json.dumps({"cases": cases}, indent=1) + "\n")
