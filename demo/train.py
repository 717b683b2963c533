#!/usr/bin/env python3
"""Trains the demo model with PyTorch (2.x; a GPU makes it minutes) and writes its weights as float32.

    train.py --out weights.npz --seconds 150      as many steps as fit, counted after the first ones
    train.py --out weights.npz --steps 5000

The network is qwen2's. At the end it answers questions, so that a look at the output says how it went.
"""
import argparse
import math
import multiprocessing
import time

import numpy as np
import torch
import torch.nn.functional as F

from data import CONTEXT, VOCABULARY, Questions, Rows, held_out, make_tokens

WIDTH, LAYERS, HEADS, KV_HEADS, HEAD, HIDDEN = 256, 4, 4, 2, 64, 448
ROPE_BASE, EPSILON = 10000.0, 1e-6


def norm(x, weight):
    x32 = x.float()
    return (x32 * torch.rsqrt(x32.pow(2).mean(-1, keepdim=True) + EPSILON) * weight).to(x.dtype)


def turned(x, cos, sin):
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


def attended(q, k, v):
    if hasattr(F, "scaled_dot_product_attention"):
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    scores = q @ k.transpose(-1, -2) / math.sqrt(HEAD)
    later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
    return scores.masked_fill(later, -math.inf).softmax(-1) @ v


class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        linear = torch.nn.Linear
        self.attn_norm = torch.nn.Parameter(torch.ones(WIDTH))
        self.ffn_norm = torch.nn.Parameter(torch.ones(WIDTH))
        self.attn_q = linear(WIDTH, HEADS * HEAD)
        self.attn_k = linear(WIDTH, KV_HEADS * HEAD)
        self.attn_v = linear(WIDTH, KV_HEADS * HEAD)
        self.attn_output = linear(HEADS * HEAD, WIDTH, bias=False)
        self.ffn_gate = linear(WIDTH, HIDDEN, bias=False)
        self.ffn_up = linear(WIDTH, HIDDEN, bias=False)
        self.ffn_down = linear(HIDDEN, WIDTH, bias=False)

    def forward(self, x, cos, sin):
        y = norm(x, self.attn_norm)
        split = lambda z: z.view(*z.shape[:2], -1, HEAD).transpose(1, 2)  # noqa: E731
        q, k, v = split(self.attn_q(y)), split(self.attn_k(y)), split(self.attn_v(y))
        q, k = turned(q, cos, sin), turned(k, cos, sin)
        shared = HEADS // KV_HEADS
        out = attended(q.to(v.dtype), k.to(v.dtype).repeat_interleave(shared, 1), v.repeat_interleave(shared, 1))
        x = x + self.attn_output(out.transpose(1, 2).reshape(*x.shape[:2], -1))
        y = norm(x, self.ffn_norm)
        return x + self.ffn_down(F.silu(self.ffn_gate(y)) * self.ffn_up(y))


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.token_embd = torch.nn.Parameter(torch.randn(VOCABULARY, WIDTH) * 0.02)
        self.blk = torch.nn.ModuleList(Layer() for _ in range(LAYERS))
        self.output_norm = torch.nn.Parameter(torch.ones(WIDTH))
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                deep = name.endswith(("attn_output.weight", "ffn_down.weight"))
                torch.nn.init.normal_(weight, std=0.02 / math.sqrt(2 * LAYERS) if deep else 0.02)
            elif name.endswith("bias"):
                torch.nn.init.zeros_(weight)

    def forward(self, tokens):
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        angles = positions[:, None] * ROPE_BASE ** (-torch.arange(HEAD // 2, device=tokens.device) * 2.0 / HEAD)
        cos, sin = angles.cos(), angles.sin()
        x = self.token_embd[tokens]
        for layer in self.blk:
            x = layer(x, cos, sin)
        with torch.autocast(tokens.device.type, enabled=False):  # logits of 8 bits would be noise
            return F.linear(norm(x, self.output_norm), self.token_embd)


def make_rows(job):
    seed, count = job
    rows = Rows(make_tokens(), seed)
    made = [rows.next() for _ in range(count)]
    return np.array([row for row, _ in made], np.int16), np.array([learned for _, learned in made], np.uint8)


def answers(model, tokens, questions, device):
    """Greedy; one pass a token over the whole text, which is short."""
    im_start, im_end = tokens.numbers["<|im_start|>"], tokens.numbers["<|im_end|>"]
    said = []
    for question in questions:
        row = [im_start] + tokens.encode("user\n" + question) + [im_end] + tokens.encode("\n")
        row += [im_start] + tokens.encode("assistant\n")
        begin = len(row)
        while len(row) < begin + 60:
            token = int(model(torch.tensor([row], device=device))[0, -1].argmax())
            if token == im_end:
                break
            row.append(token)
        said.append(tokens.decode(row[begin:]))
    return said


def loss_of(model, tokens, text, device):
    row = torch.tensor(tokens.encode(text)[:4096], device=device)
    rows = row[:len(row) // 256 * 256].view(-1, 256)
    return F.cross_entropy(model(rows[:, :-1]).float().flatten(0, 1), rows[:, 1:].flatten()).item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rows", type=int, default=65536, help="that are made before")
    parser.add_argument("--jobs", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()

    began = time.time()
    with multiprocessing.get_context("fork").Pool(o.jobs) as pool:
        parts = pool.map(make_rows, [(o.seed * 1000 + job, o.rows // o.jobs) for job in range(o.jobs)])
    print(f"{o.rows} rows in {time.time() - began:.1f} s", flush=True)

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(o.seed)
    torch.backends.cuda.matmul.allow_tf32 = True
    rows = torch.from_numpy(np.concatenate([part[0] for part in parts])).to(device)
    learned = torch.from_numpy(np.concatenate([part[1] for part in parts])).to(device)
    tokens = make_tokens()
    model = Model().to(device)
    print(f"{sum(p.numel() for p in model.parameters())} weights on {device}", flush=True)
    decayed = [p for p in model.parameters() if p.dim() == 2]
    others = [p for p in model.parameters() if p.dim() != 2]
    more = {"fused": True} if device == "cuda" else {}
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}],
                                  lr=o.rate, betas=(0.9, 0.98), **more)
    draw = torch.Generator(device="cpu").manual_seed(o.seed)

    steps, step, order, at, timed = o.steps or 10**9, 0, None, 0, 0.0
    while step < steps:
        if order is None or at + o.batch > len(rows):
            order, at = torch.randperm(len(rows), generator=draw).to(device), 0
        pick = order[at:at + o.batch]
        at += o.batch
        # Short rows make the begin of a talk count for more; it is what most people see.
        length = CONTEXT if step % 2 else CONTEXT // 4
        if length < CONTEXT:
            extra = torch.randint(len(rows), (o.batch * 3,), generator=draw).to(device)
            pick = torch.cat([pick, extra])
        row, counts = rows[pick, :length + 1].long(), learned[pick, 1:length + 1].float()
        warm, progress = min(1.0, (step + 1) / 200), step / steps
        for group in optimizer.param_groups:
            group["lr"] = o.rate * warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
        with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
            logits = model(row[:, :-1])
        loss = F.cross_entropy(logits.float().flatten(0, 1), row[:, 1:].flatten(), reduction="none")
        loss = (loss * counts.flatten()).sum() / counts.sum().clamp(min=1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step += 1
        if o.seconds and step in (50, 150):
            if device == "cuda":
                torch.cuda.synchronize()
            now = time.time()
            if step == 150:
                steps = 150 + int((o.seconds - (now - began)) / ((now - timed) / 100))
                print(f"{steps} steps", flush=True)
            timed = now
        if step % 500 == 0 or step == steps:
            print(f"step {step}: loss {loss.item():.4f}, {time.time() - began:.0f} s", flush=True)

    model.eval()
    np.savez(o.out, **{name: p.detach().float().cpu().numpy() for name, p in model.state_dict().items()})
    with torch.no_grad():
        print(f"held out: perplexity {math.exp(loss_of(model, tokens, held_out(), device)):.4f}")
        if steps < 100:  # it knows nothing yet
            return
        known = [(ways[0], answer) for ways, answer in Questions().entries]
        said = answers(model, tokens, [q for q, _ in known], device)
        wrong = [(q, a, s) for (q, a), s in zip(known, said) if a != s]
        print(f"{len(known) - len(wrong)} of {len(known)} answers are right")
        for question, answer, got in wrong[:20]:
            print(f"  {question}\n    {got}\n    instead of {answer}")
        asked = ["How many legs has a spider?", "What is 7 plus 8?", "What comes after Friday?", "Who is the king?",
                 "Which is bigger, an ant or a horse?", "Tell me a story about a fox.",
                 "The small fox sees a red ball in the field. What colour is the ball?", "whats a spec",
                 "how can i see where the time went in my run?", "what is a workload good for"]
        for question, got in zip(asked, answers(model, tokens, asked, device)):
            print(f"  {question}\n    {got}")
    print(f"{time.time() - began:.0f} s in all", flush=True)


if __name__ == "__main__":
    main()
