#!/usr/bin/env python3
"""Logits of model files in float64 with numpy: a forward pass that shares nothing with the engine.

    tiny_logits.py MODEL.gguf... [--tokens '3 17 901'] [--out FOLDER]

Writes MODEL.f32: float32, little-endian, a row of the vocabulary's size for each token. Block layouts are the facts of
the GGUF format. Heads turn by halves, as the networks are published: Q and K of llama files, whose rows lie in pairs,
are put back into that order first.
"""
import argparse
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts"))
import gguf_file  # noqa: E402

TOKENS = "3 17 101 44 200 8 9 255 77 5 6 150 31 0 261 90 91 92 93 18"


def halves(data):
    return data.copy().view("<f2").astype(np.float64)


def five_bits(words, low):
    """Adds a fifth bit from words of 32: bit i belongs to value i."""
    bits = np.unpackbits(words.copy(), axis=1, bitorder="little")
    return low + 16 * bits


def low_and_high(nibbles):
    return np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.float64)


def six_bits(packed):
    """Scales and minima of eight groups."""
    p = packed.astype(np.int64)
    scales = np.concatenate([p[:, 0:4] & 63, (p[:, 8:12] & 15) | (p[:, 0:4] >> 6) << 4], axis=1)
    minima = np.concatenate([p[:, 4:8] & 63, (p[:, 8:12] >> 4) | (p[:, 4:8] >> 6) << 4], axis=1)
    return scales, minima


def grouped_nibbles(nibbles):
    """128 bytes to 256 codes: each 32 bytes hold 32 codes low, then 32 high."""
    parts = nibbles.reshape(len(nibbles), 4, 1, 32)
    return np.concatenate([parts & 15, parts >> 4], axis=2).reshape(len(nibbles), 8, 32)


def with_minima(blocks, codes):
    scales, minima = six_bits(blocks[:, 4:16])
    scale, least = halves(blocks[:, 0:2]), halves(blocks[:, 2:4])
    return (scale * scales)[:, :, None] * codes - (least * minima)[:, :, None]


def decode(kind, data, rows, row):
    blocks = np.frombuffer(data, np.uint8).reshape(-1, gguf_file.TYPES[kind][2])
    if kind == "F32":
        values = np.frombuffer(data, "<f4").astype(np.float64)
    elif kind == "F16":
        values = np.frombuffer(data, "<f2").astype(np.float64)
    elif kind == "BF16":
        values = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    elif kind == "Q8_0":
        values = halves(blocks[:, :2]) * blocks[:, 2:].view(np.int8)
    elif kind == "Q4_0":
        values = halves(blocks[:, :2]) * (low_and_high(blocks[:, 2:]) - 8)
    elif kind == "Q4_1":
        values = halves(blocks[:, :2]) * low_and_high(blocks[:, 4:]) + halves(blocks[:, 2:4])
    elif kind == "Q5_0":
        values = halves(blocks[:, :2]) * (five_bits(blocks[:, 2:6], low_and_high(blocks[:, 6:])) - 16)
    elif kind == "Q5_1":
        values = halves(blocks[:, :2]) * five_bits(blocks[:, 4:8], low_and_high(blocks[:, 8:])) + halves(blocks[:, 2:4])
    elif kind == "Q4_K":
        values = with_minima(blocks, grouped_nibbles(blocks[:, 16:]).astype(np.float64))
    elif kind == "Q5_K":
        high = np.unpackbits(blocks[:, 16:48].reshape(-1, 32, 1), axis=2, bitorder="little").swapaxes(1, 2)
        values = with_minima(blocks, grouped_nibbles(blocks[:, 48:]) + 16.0 * high)
    elif kind == "Q6_K":
        low = blocks[:, :128].reshape(-1, 2, 1, 2, 32)
        low = np.concatenate([low & 15, low >> 4], axis=2)  # half, nibble, which 32 bytes, lane
        high = blocks[:, 128:192].reshape(-1, 2, 1, 32)
        high = np.concatenate([high >> shift & 3 for shift in (0, 2, 4, 6)], axis=2).reshape(low.shape)
        codes = (low + 16.0 * high - 32).reshape(-1, 16, 16)
        values = (halves(blocks[:, 208:]) * blocks[:, 192:208].view(np.int8))[:, :, None] * codes
    return np.asarray(values).reshape(rows, row)


class Model:
    def __init__(self, path):
        self.file = gguf_file.Reader(path)
        keys = self.file.keys
        self.kind = keys["general.architecture"]
        get = lambda name, other=None: keys.get(f"{self.kind}.{name}", other)  # noqa: E731
        self.layers, self.heads = get("block_count"), get("attention.head_count")
        self.kv_heads = get("attention.head_count_kv", self.heads)
        self.size = get("attention.key_length", get("embedding_length") // self.heads)
        self.turned = get("rope.dimension_count", self.size)
        # Keys are floats; people mean the decimal numbers.
        self.base = float(np.format_float_positional(np.float32(get("rope.freq_base", 10000.0))))
        self.eps = float(str(np.float32(get("attention.layer_norm_rms_epsilon"))))

    def has(self, name):
        return name in self.file.tensors

    def tensor(self, name):
        dims, kind, data = self.file.tensors[name]
        values = decode(kind, data, dims[1] if len(dims) > 1 else 1, dims[0])
        return values if len(dims) > 1 else values[0]

    def heads_of(self, x, layer, which, heads):
        """x times a projection: [tokens, heads, size]."""
        name = f"blk.{layer}.attn_{which}"
        weight = self.tensor(name + ".weight")
        bias = self.tensor(name + ".bias") if self.has(name + ".bias") else np.zeros(len(weight))
        if self.kind == "llama" and which != "v":
            order = np.arange(len(weight)).reshape(heads, self.size // 2, 2).swapaxes(1, 2).reshape(-1)
            weight, bias = weight[order], bias[order]
        return (x @ weight.T + bias).reshape(len(x), heads, self.size)

    def turn(self, x):
        half = self.turned // 2
        speeds = self.base ** (-2.0 * np.arange(half) / self.turned)
        if self.has("rope_freqs.weight"):
            speeds = speeds / self.tensor("rope_freqs.weight")
        angles = (np.arange(len(x))[:, None] * speeds)[:, None, :]
        a, b, rest = x[..., :half], x[..., half:2 * half], x[..., 2 * half:]
        return np.concatenate([a * np.cos(angles) - b * np.sin(angles), b * np.cos(angles) + a * np.sin(angles), rest],
                              axis=-1)

    def norm(self, x, name):
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.eps) * self.tensor(name)

    def attend(self, x, layer):
        q = self.heads_of(x, layer, "q", self.heads)
        k = self.heads_of(x, layer, "k", self.kv_heads)
        v = self.heads_of(x, layer, "v", self.kv_heads)
        if self.has(f"blk.{layer}.attn_q_norm.weight"):
            q = self.norm(q, f"blk.{layer}.attn_q_norm.weight")
            k = self.norm(k, f"blk.{layer}.attn_k_norm.weight")
        q, k = self.turn(q), self.turn(k)
        out = np.empty_like(q)
        later = np.triu(np.ones((len(x), len(x)), bool), 1)
        for head in range(self.heads):
            shared = head // (self.heads // self.kv_heads)
            scores = q[:, head] @ k[:, shared].T / np.sqrt(self.size)
            scores[later] = -np.inf
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            out[:, head] = weights / weights.sum(axis=1, keepdims=True) @ v[:, shared]
        name = f"blk.{layer}.attn_output"
        y = out.reshape(len(x), -1) @ self.tensor(name + ".weight").T
        return y + self.tensor(name + ".bias") if self.has(name + ".bias") else y

    def logits(self, tokens):
        x = self.tensor("token_embd.weight")[tokens]
        for layer in range(self.layers):
            part = f"blk.{layer}."
            x = x + self.attend(self.norm(x, part + "attn_norm.weight"), layer)
            y = self.norm(x, part + "ffn_norm.weight")
            gate, up = y @ self.tensor(part + "ffn_gate.weight").T, y @ self.tensor(part + "ffn_up.weight").T
            x = x + (gate / (1 + np.exp(-gate)) * up) @ self.tensor(part + "ffn_down.weight").T
        name = "output.weight" if self.has("output.weight") else "token_embd.weight"
        return self.norm(x, "output_norm.weight") @ self.tensor(name).T


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--tokens", default=TOKENS)
    parser.add_argument("--out", default="")
    options = parser.parse_args()
    tokens = [int(word) for word in options.tokens.split()]
    for path in options.models:
        base = os.path.splitext(path)[0] + ".f32"
        if options.out:
            base = os.path.join(options.out, os.path.basename(base))
        Model(path).logits(tokens).astype("<f4").tofile(base)


if __name__ == "__main__":
    main()
