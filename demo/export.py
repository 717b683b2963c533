#!/usr/bin/env python3
"""Turns trained weights into model files: assay-demo-f16.gguf and assay-demo-q8_0.gguf.

    export.py weights.npz --out FOLDER
"""
import argparse
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scripts"))
import gguf_file  # noqa: E402
from data import CONTEXT, VOCABULARY, make_tokens  # noqa: E402
from tokens import CONTROLS  # noqa: E402

WIDTH, LAYERS, HEADS, KV_HEADS, HEAD, HIDDEN = 256, 4, 4, 2, 64, 448
TEMPLATE = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
            "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def q8_0(values):
    """Blocks of 32: a scale of 16 bits, and what is nearest in whole numbers of that very scale."""
    blocks = values.astype(np.float64).reshape(-1, 32)
    scales = (np.abs(blocks).max(axis=1, keepdims=True) / 127).astype("<f2")
    wide = scales.astype(np.float64)
    codes = np.clip(np.rint(np.divide(blocks, wide, out=np.zeros_like(blocks), where=wide != 0)), -127, 127)
    return np.concatenate([scales.view(np.uint8), codes.astype(np.int8).view(np.uint8)], axis=1).tobytes()


ENCODERS = {"F32": lambda v: v.astype("<f4").tobytes(), "F16": lambda v: v.astype("<f2").tobytes(), "Q8_0": q8_0}


def add_keys(file, kind):
    file.text("general.architecture", "qwen2")
    file.text("general.name", "assay demo")
    file.text("general.description", "knows assay and little sentences; made by demo/ of the assay project")
    file.u32("general.file_type", {"F16": 1, "Q8_0": 7}[kind])
    for name, value in (("block_count", LAYERS), ("context_length", CONTEXT), ("embedding_length", WIDTH),
                        ("feed_forward_length", HIDDEN), ("attention.head_count", HEADS),
                        ("attention.head_count_kv", KV_HEADS), ("attention.key_length", HEAD),
                        ("attention.value_length", HEAD), ("rope.dimension_count", HEAD)):
        file.u32("qwen2." + name, value)
    file.f32("qwen2.attention.layer_norm_rms_epsilon", 1e-6)
    file.f32("qwen2.rope.freq_base", 10000.0)


def add_tokenizer(file):
    tokens = make_tokens()
    assert len(tokens.texts) == VOCABULARY
    file.text("tokenizer.ggml.model", "gpt2")
    file.text("tokenizer.ggml.pre", "qwen2")
    file.many("tokenizer.ggml.tokens", gguf_file.TEXT, tokens.texts)
    controls = len(CONTROLS)
    file.many("tokenizer.ggml.token_type", gguf_file.I32, [1] * (VOCABULARY - controls) + [3] * controls)
    file.many("tokenizer.ggml.merges", gguf_file.TEXT, [f"{x} {y}" for x, y in tokens.merges])
    file.u32("tokenizer.ggml.bos_token_id", tokens.numbers["<|endoftext|>"])
    file.u32("tokenizer.ggml.eos_token_id", tokens.numbers["<|im_end|>"])
    file.flag("tokenizer.ggml.add_bos_token", False)
    file.text("tokenizer.chat_template", TEMPLATE)


def gguf_name(name):
    """blk.0.attn_norm, blk.0.attn_q.bias: what has no ending of its own is a weight."""
    return name if name.endswith((".weight", ".bias")) else name + ".weight"


def write(weights, kind, path):
    file = gguf_file.Writer()
    add_keys(file, kind)
    add_tokenizer(file)
    for name, values in weights.items():
        of = kind if values.ndim == 2 else "F32"
        file.tensor(gguf_name(name), values.shape[::-1], of, ENCODERS[of](values))
    file.write(path)
    print(f"{path}: {os.path.getsize(path)} bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("--out", default=os.path.dirname(os.path.abspath(__file__)))
    options = parser.parse_args()
    weights = dict(np.load(options.weights))
    for kind in ("F16", "Q8_0"):
        write(weights, kind, os.path.join(options.out, f"assay-demo-{kind.lower()}.gguf"))


if __name__ == "__main__":
    main()
