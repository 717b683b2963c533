#!/usr/bin/env python3
"""Traces that a script varies: what `assay analyze --classic` prints of each must be what classic_report.py prints.

    varied_traces.py PROGRAM FOLDER [--count N] [--seed S]

Each trace draws how it strays from the usual: where the matmul's map stands and what it lacks, names that end in nothing, values of
other types, keys twice, escapes, blanks, lines that are no event. Traces that differ stay in FOLDER, which must exist.
"""
import argparse
import contextlib
import io
import pathlib
import random
import re
import subprocess
import sys

import classic_report

BATCH = 50
TYPES = ["GpuOpCompleted"] * 6 + ["InternalKernelCompleted"] * 3 + ["KernelBackendSelected", "GpuKernelDispatched", "HostMemory", "Unheard"]
SCOPES = ["Generation Loop/block_3", "Prompt Processing/sdpa_block_1_op", "Unscoped", "x", ""]
LEAVES = [
    "cb_wait", "cb_gpu", "await", "rmsnorm::RMSNormOp", "sdpa_block_7_op", "mlp_swiglu_block_2_op", "forward_cpu_block_9", "attn_norm_op",
    "_op", "__", "", "op", "a__op", "sync_all", "Device_SYNC_op", "matmul/mlx (Q)", "sdpa_block__op", "mlp_swiglu_block_op", "é_op",
    "matmul/op=mm/backend=mlx/n=1#7/k::k/m=2", "matmul_cache/op=matmul_cache/backend=mps/m=1/n=64/k=896", "matmul/a=1/matmul_cache/b=2",
]  # fmt: skip
INTERNAL = ["iteration_total", "forward_step_total", "block_3_total", "cb_wait", "my_cb_wait", "sample", "device_sync", "", "_total"]
OPTIONS = [
    [], [], [], ["--top", "3"], ["--top", "0"], ["--kernel-top", "2"], ["--include-kernel-totals"], ["--kernel-filter", "OP"],
    ["--kernel-filter", "mlx"], ["--kernel-filter", "no such"], ["--top", "1", "--kernel-filter", "m"],
]  # fmt: skip


class Trace:
    """Writes one trace; objects are lists of (key, JSON text), so that a key may stand twice and in any order."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.oddness = self.random.choice([0, 0.02, 0.15, 0.4])
        self.blank = self.random.choice(["", "", "", " "])

    def odd(self):
        return self.random.random() < self.oddness

    def text(self, value):
        plain = value.replace("\\", "\\\\").replace('"', '\\"')
        if self.odd() and plain:
            at = self.random.randrange(len(value))
            return '"' + "".join(f"\\u{ord(c):04x}" if i == at else c for i, c in enumerate(value)) + '"'
        return f'"{plain}"'

    def object(self, members):
        if self.odd():
            self.random.shuffle(members)
        if self.odd() and members:
            members.insert(0, (self.random.choice(members)[0], self.value()))
        blank = self.blank
        return "{" + ("," + blank).join(f'{self.text(key)}:{blank}{value}' for key, value in members) + "}"

    def value(self):
        return self.random.choice(["null", "true", "false", "0", "1", "-7", "2.5", "1e3", '""', '"x"', "[]", "{}", '["a",{"b":null}]', '{"c":"it\'s"}'])

    def duration(self):
        if not self.odd():
            return str(self.random.choice([1, 2, 53, 54, 120, 999, 10000, self.random.randrange(3_000_000)]))
        return self.random.choice(
            ["12.9", "-12.9", "-3", "true", "false", "null", "1e3", '"120"', '" 7 "', '"1_0"', '"12.5"', '"x"', '""', "[]", "0.99", "1e300",
             "18446744073709551615", "-9223372036854775808", "4503599627370497", '"nan"', '"-5.9"']
        )  # fmt: skip

    def map_members(self):
        fields = [("op", self.random.choice(["matmul", "matmul_cache", "mm"])), ("backend", self.random.choice(["mlx", "mps", "gemv"]))]
        fields += [(key, self.random.choice(["1", "64", "896"])) for key in ("batch", "m", "n", "k", "tA", "tB", "loader", "n0")]
        kept = [f for f in fields if self.random.random() < 0.75]
        return [(key, self.value() if self.odd() else self.text(value)) for key, value in kept]

    def data_of_op(self):
        scope, leaf = self.random.choice(SCOPES), self.random.choice(LEAVES)
        name = "/".join(part for part in (scope, leaf if self.random.random() < 0.9 else leaf + "_") if part or leaf == "")
        members = [("op_name", self.text(name)), ("backend", self.text("mlx")), ("duration_us", self.duration())]
        place = self.random.randrange(8)
        if place == 0:
            members += self.map_members()  # in the event's data itself, where nothing looks for it
        if place in (1, 2, 3, 4):
            outer = self.map_members() if place != 4 else [("x", '"1"')]
            if place >= 3:
                outer.insert(self.random.randrange(len(outer) + 1), ("data", self.object(self.map_members()) if not self.odd() else self.value()))
            members.append(("data", self.object(outer)))
        if place == 5:
            members.append(("data", self.value()))
        return members

    def data(self, kind):
        if kind == "GpuOpCompleted":
            members = self.data_of_op()
        elif kind == "InternalKernelCompleted":
            members = [("parent_op_name", self.text(self.random.choice(["generation_loop", "sampling", ""])))]
            members += [("internal_kernel_name", self.text(self.random.choice(INTERNAL))), ("duration_us", self.duration())]
        elif kind == "KernelBackendSelected":
            members = [(key, self.text(self.random.choice(["sdpa", "legacy", ""]))) for key in ("op_name", "backend", "reason")]
        else:
            members = [("total_bytes", "18446744073709551615"), ("breakdown", '{"a":[1,2]}')]
            if self.random.random() < 0.3:
                members += [("op_name", self.text("sync")), ("duration_us", self.duration())]
        if self.odd():
            members.pop(self.random.randrange(len(members)))
        if self.odd():
            at = self.random.randrange(len(members) or 1)
            members[at:at + 1] = [(members[at][0], self.value())] if members else []
        return members

    def line(self):
        if self.odd() and self.random.random() < 0.4:
            return self.random.choice(
                ["", "   ", "bad", "[]", "{}", "[1,2", "NaN", '{"event":5}', '{"event":{}}', '{"event":{"type":0}}', '{"event":{"type":""}}',
                 '{"event":{"type":"A"}}', '{"event":{"type":"A","data":null}}', '{"a":"\\ud800"}', '{"a":01}', "{} {}", '{"a":1e400}',
                 '{"event":{"type":"GpuOpCompleted"}}', '"x"', "7", '{"a":123456789012345678901234567890}']
            )  # fmt: skip
        kind = self.random.choice(TYPES)
        event = [("type", self.text(kind)), ("data", self.object(self.data(kind)))]
        head = [("timestamp", str(1762100000000000000 + self.random.randrange(10**12)))]
        if self.random.random() < 0.5:
            head += [("span_id", str(self.random.randrange(99))), ("parent_span_id", "null"), ("span_name", '"s"')]
        return self.object(head + [("event", self.object(event))])

    def bytes(self):
        lines = [self.line() for _ in range(self.random.randrange(1, 120))]
        lines += [self.random.choice(lines) for _ in range(self.random.randrange(60))]  # a line that comes again is read another way
        end = "\r\n" if self.random.random() < 0.1 else "\n"
        return (end.join(lines) + self.random.choice(["", end])).encode()


def comparable(text):
    """What is wrong with a line may be said in any words."""
    return re.sub(r"(?m)^(Error parsing line \d+):.*$", r"\1", text)


def expected_of(traces, options):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        for trace in traces:
            classic_report.print_report(trace, classic_report.parse_options(options + [trace]))
    return out.getvalue()


def check_batch(program, traces, options):
    """The traces whose reports differ."""
    def printed(paths):
        return subprocess.run([program, "analyze", "--classic", *options, *paths], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()

    if comparable(printed(traces)) == comparable(expected_of(traces, options)):
        return []
    return [trace for trace in traces if comparable(printed([trace])) != comparable(expected_of([trace], options))] or traces


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    differ = []
    for first in range(0, arguments.count, BATCH):
        traces = []
        for number in range(first, min(first + BATCH, arguments.count)):
            trace = arguments.folder / f"varied-{number}.jsonl"
            trace.write_bytes(Trace(arguments.seed * 1_000_000 + number).bytes())
            traces.append(str(trace))
        options = OPTIONS[first // BATCH % len(OPTIONS)]
        wrong = check_batch(arguments.program, traces, options)
        differ += [" ".join([*options, trace]) for trace in wrong]
        for trace in set(traces) - set(wrong):
            pathlib.Path(trace).unlink()
    for call in differ:
        print(f"differs: {call}")
    print(f"{arguments.count - len(differ)} of {arguments.count} traces agree")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
