"""Generates with transformers: all prompts of a line as one batch, in process.

Arguments: the folder of the model, how many threads, torch's name for the numbers. For each line
``{"prompts": [[ids]], "tokens": n}`` it prints the seconds until each has exactly n tokens more.
"""

import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM

folder, threads, numbers = sys.argv[1:]
torch.set_num_threads(int(threads))
model = AutoModelForCausalLM.from_pretrained(
    folder, dtype=getattr(torch, numbers), local_files_only=True
)
model.eval()
model.generation_config.eos_token_id = None
for line in sys.stdin:
    wanted = json.loads(line)
    ids = torch.tensor(wanted["prompts"])
    started = time.perf_counter()
    with torch.inference_mode():
        model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=wanted["tokens"],
            min_new_tokens=wanted["tokens"],
            do_sample=False,
            pad_token_id=0,
        )
    print(time.perf_counter() - started, flush=True)
