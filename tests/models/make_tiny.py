#!/usr/bin/env python3
"""Makes tiny models of every weight type, bit for bit the same each time. Needs no more than Python.

    make_tiny.py --out FOLDER        all models: FOLDER/qwen3-q4_k.gguf …
    tiny_logits.py FOLDER/*.gguf     their logits (needs numpy): FOLDER/qwen3-q4_k.f32 …

The logits beside this file were made so; a test compares them with what the engine computes. Blocks of quantized
types are drawn whole: every code, every scale, negative ones and subnormal ones included.
"""
import argparse
import hashlib
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts"))
import gguf_file  # noqa: E402

VOCABULARY, WIDTH, HIDDEN, LAYERS = 264, 256, 256, 2


class Draw:
    """A stream of bytes by name: SHAKE-256, the same everywhere."""

    def __init__(self, name):
        self.name, self.part, self.data, self.at = name, 0, b"", 0

    def bytes(self, count):
        while len(self.data) - self.at < count:
            self.data = self.data[self.at:] + hashlib.shake_256(f"{self.name} {self.part}".encode()).digest(1 << 16)
            self.part, self.at = self.part + 1, 0
        self.at += count
        return self.data[self.at - count:self.at]

    def within(self, low, high):
        return low + (high - low) * int.from_bytes(self.bytes(2), "little") / 65536

    def whole(self, low, high):
        return low + int.from_bytes(self.bytes(2), "little") % (high - low + 1)

    def bell(self, deviation):
        """Four uniform draws together."""
        a, b, c, d = struct.unpack("<4H", self.bytes(8))
        return (a + b + c + d - 131070) / 37837.2 * deviation


def half(value):
    return struct.pack("<e", value)


def float_row(draw, kind, values):
    numbers = [draw.bell(1 / 16) for _ in range(values)]
    if kind == "F16":
        return struct.pack(f"<{values}e", *numbers)
    data = struct.pack(f"<{values}f", *numbers)
    return data if kind == "F32" else b"".join(data[i + 2:i + 4] for i in range(0, len(data), 4))


# Of the 32-value types: how many bytes follow the scale (and the minimum), and half the number of codes.
SMALL = {"Q4_0": (16, 8, False), "Q4_1": (16, 8, True), "Q5_0": (20, 16, False), "Q5_1": (20, 16, True),
         "Q8_0": (32, 128, False)}


def small_block(draw, kind):
    size, middle, has_minimum = SMALL[kind]
    scale = draw.within(0.05, 0.15) / middle * (1 if has_minimum or draw.whole(0, 3) else -1)
    minimum = half(-scale * middle * draw.within(0.9, 1.1)) if has_minimum else b""
    return half(scale) + minimum + draw.bytes(size)


def six_bit_pairs(scales, minima):
    """Eight scales and eight minima of six bits in 12 bytes."""
    first = [scales[i] | (scales[i + 4] >> 4) << 6 for i in range(4)]
    second = [minima[i] | (minima[i + 4] >> 4) << 6 for i in range(4)]
    third = [scales[i + 4] & 15 | (minima[i + 4] & 15) << 4 for i in range(4)]
    return bytes(first + second + third)


def large_block(draw, kind):
    if kind == "Q6_K":
        scales = bytes(draw.whole(20, 127) * (1 if draw.whole(0, 1) else -1) & 255 for _ in range(16))
        return draw.bytes(192) + scales + half(draw.within(3e-5, 9e-5))
    middle, size = (8, 128) if kind == "Q4_K" else (16, 160)
    scales = [draw.whole(8, 63) for _ in range(8)]
    minima = [min(63, max(0, s + draw.whole(-6, 6))) for s in scales]
    scale = draw.within(0.05, 0.15) / middle / 32
    return half(scale) + half(scale * middle) + six_bit_pairs(scales, minima) + draw.bytes(size)


def rows(name, kind, row, count):
    draw = Draw(name)
    _, block_values, _ = gguf_file.TYPES[kind]
    if block_values == 1:
        return b"".join(float_row(draw, kind, row) for _ in range(count))
    block = small_block if kind in SMALL else large_block
    return b"".join(block(draw, kind) for _ in range(count * row // block_values))


def f32_values(name, count, mean, deviation):
    draw = Draw(name)
    return struct.pack(f"<{count}f", *(mean + draw.bell(deviation) for _ in range(count)))


ARCHITECTURES = {
    "qwen2": {"name": "qwen2", "heads": 4, "kv_heads": 2, "size": 64, "base": 1e6, "eps": 1e-6, "bias": True},
    "qwen3": {"name": "qwen3", "heads": 4, "kv_heads": 2, "size": 128, "base": 1e6, "eps": 1e-6, "norms": True},
    "llama3": {"name": "llama", "heads": 4, "kv_heads": 1, "size": 64, "base": 5e5, "eps": 1e-5, "factors": True},
}

# As quantizers mix them: the value and down projections of some layers, and the output, are finer.
MIXTURES = {"mixed": ("Q4_K", "Q6_K"), "mixed5": ("Q5_0", "Q8_0")}

# Architecture, type, whether the embedding is the output, too.
MODELS = [
    ("qwen3", "BF16", False), ("qwen3", "F16", True), ("qwen3", "Q4_0", True), ("qwen3", "Q4_1", False),
    ("qwen3", "Q5_0", False), ("qwen3", "Q4_K", False), ("qwen3", "Q5_K", True), ("qwen3", "Q6_K", False),
    ("qwen3", "mixed", True),
    ("llama3", "BF16", True), ("llama3", "Q8_0", False), ("llama3", "Q5_1", False), ("llama3", "Q5_0", True),
    ("llama3", "Q4_K", True), ("llama3", "Q5_K", False), ("llama3", "Q6_K", True), ("llama3", "mixed", False),
    ("qwen2", "F32", False), ("qwen2", "mixed", True), ("qwen2", "mixed5", False),
]


def model_name(model):
    return f"{model[0]}-{model[1].lower()}"


def byte_letters():
    """A letter for each byte, as byte-level vocabularies have it."""
    printable = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return {**{b: chr(b) for b in printable}, **{b: chr(0x100 + i) for i, b in enumerate(others)}}


def add_tokenizer(file):
    letters = byte_letters()
    tokens = [letters[b] for b in range(256)] + ["th", "he", "in"] + ["<|endoftext|>"]
    tokens += [f"[unused{i}]" for i in range(len(tokens), VOCABULARY)]
    file.text("tokenizer.ggml.model", "gpt2")
    file.text("tokenizer.ggml.pre", "qwen2")
    file.many("tokenizer.ggml.tokens", gguf_file.TEXT, tokens)
    file.many("tokenizer.ggml.token_type", gguf_file.I32, [1] * 259 + [3] + [5] * (VOCABULARY - 260))
    file.many("tokenizer.ggml.merges", gguf_file.TEXT, ["t h", "h e", "i n"])
    file.u32("tokenizer.ggml.eos_token_id", 259)


def write(model, path):
    architecture, kind, is_tied = model
    a = ARCHITECTURES[architecture]
    coarse, fine = MIXTURES.get(kind, (kind, kind))
    file = gguf_file.Writer()
    key = lambda name: f"{a['name']}.{name}"  # noqa: E731
    file.text("general.architecture", a["name"])
    file.text("general.name", f"tiny {model_name(model)}, drawn weights")
    for name, value in (("block_count", LAYERS), ("context_length", 512), ("embedding_length", WIDTH),
                        ("feed_forward_length", HIDDEN), ("attention.head_count", a["heads"]),
                        ("attention.head_count_kv", a["kv_heads"]), ("attention.key_length", a["size"]),
                        ("attention.value_length", a["size"]), ("rope.dimension_count", a["size"])):
        file.u32(key(name), value)
    file.f32(key("attention.layer_norm_rms_epsilon"), a["eps"])
    file.f32(key("rope.freq_base"), a["base"])
    add_tokenizer(file)

    seed = model_name(model)
    def weight(name, row, count, kind=coarse):
        file.tensor(name, (row, count), kind, rows(f"{seed} {name}", kind, row, count))
    def vector(name, count, mean, deviation):
        file.tensor(name, (count,), "F32", f32_values(f"{seed} {name}", count, mean, deviation))

    weight("token_embd.weight", WIDTH, VOCABULARY, fine if is_tied else coarse)
    if a.get("factors"):
        draw = Draw(seed + " factors")
        factors = [draw.within(1, 8) for _ in range(a["size"] // 2)]
        file.tensor("rope_freqs.weight", (a["size"] // 2,), "F32", struct.pack(f"<{len(factors)}f", *factors))
    for layer in range(LAYERS):
        part = f"blk.{layer}."
        finer = fine if layer == 0 else coarse
        queries, keys = a["heads"] * a["size"], a["kv_heads"] * a["size"]
        vector(part + "attn_norm.weight", WIDTH, 1, 0.1)
        weight(part + "attn_q.weight", WIDTH, queries)
        weight(part + "attn_k.weight", WIDTH, keys)
        weight(part + "attn_v.weight", WIDTH, keys, finer)
        if a.get("bias"):
            for name, count in (("q", queries), ("k", keys), ("v", keys)):
                vector(part + f"attn_{name}.bias", count, 0, 0.3)
        if a.get("norms"):
            vector(part + "attn_q_norm.weight", a["size"], 1, 0.1)
            vector(part + "attn_k_norm.weight", a["size"], 1, 0.1)
        weight(part + "attn_output.weight", queries, WIDTH)
        vector(part + "ffn_norm.weight", WIDTH, 1, 0.1)
        weight(part + "ffn_gate.weight", WIDTH, HIDDEN)
        weight(part + "ffn_up.weight", WIDTH, HIDDEN, finer if kind == "mixed5" else coarse)
        weight(part + "ffn_down.weight", HIDDEN, WIDTH, finer)
    vector("output_norm.weight", WIDTH, 1, 0.1)
    if not is_tied:
        weight("output.weight", WIDTH, VOCABULARY, fine)
    file.write(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True)
    out = parser.parse_args().out
    os.makedirs(out, exist_ok=True)
    for model in MODELS:
        write(model, os.path.join(out, model_name(model) + ".gguf"))


if __name__ == "__main__":
    main()
