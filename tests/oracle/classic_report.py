#!/usr/bin/env python3
"""The classic report of a trace, from its written rules alone: slow, plain, and independent of src/trace.

    classic_report.py [--top N] [--kernel-top N] [--include-kernel-totals] [--kernel-filter TEXT] TRACE...

Where the rules leave a choice, this is what it does: errors stand between the header and the total; --top holds for every
section but 1 and 7; section 7 stands wherever 6 does; the filter is looked for in the name that a section shows, in 12 in the
shape and its backends; an event without a duration is in no kernel section.
"""
import argparse
import json
import math
import pathlib
import sys

UNKNOWN = "<unknown>"


class BadLine(Exception):
    """The line is not JSON as the rules mean it."""


def refuse_constant(text):
    raise BadLine(text + " is not JSON")


def whole(text):
    value = int(text)
    if not -(2**63) <= value < 2**64:
        raise BadLine("a number beyond 64 bits")
    return value


def real(text):
    value = float(text)
    if math.isinf(value):
        raise BadLine("a number beyond 64 bits")
    return value


def check_text(value):
    if isinstance(value, str) and any(0xD800 <= ord(c) <= 0xDFFF for c in value):
        raise BadLine("a lone surrogate")
    if isinstance(value, list):
        for item in value:
            check_text(item)


def last_of_each(pairs):
    for key, value in pairs:
        check_text(key)
        check_text(value)
    return dict(pairs)


def parse_line(line):
    try:
        value = json.loads(
            line.decode("utf-8"),
            parse_constant=refuse_constant,
            parse_int=whole,
            parse_float=real,
            object_pairs_hook=last_of_each,
        )
        check_text(value)
        return value
    except (ValueError, RecursionError) as error:
        raise BadLine(str(error)) from error


def read_events(path):
    """(type, data) of every event, in file order; what is wrong with a line is printed where it occurs."""
    with open(path, "rb") as file:
        for number, line in enumerate(file):
            if not line.strip():
                continue
            try:
                record = parse_line(line)
            except BadLine as error:
                print(f"Error parsing line {number}: {error}")
                continue
            event = record.get("event") if isinstance(record, dict) else None
            data = event.get("data", {}) if isinstance(event, dict) else None
            kind = event.get("type") if isinstance(event, dict) else None
            if isinstance(event, dict) and kind is None:
                continue
            if kind is not None and not kind:
                continue
            if not isinstance(data, dict) or not isinstance(kind, str) or not is_of_good_shape(kind, data):
                print(f"line {number}: not an event", file=sys.stderr)
                continue
            yield kind, data


def is_of_good_shape(kind, data):
    """Whether the fields that a report needs have the type that it needs."""
    us = data.get("duration_us")
    if kind in ("GpuOpCompleted", "InternalKernelCompleted") and us is not None:
        whole_us = duration_of(data, strings=True)
        if whole_us is None or not -(2**63) <= whole_us < 2**64:
            return False
    needed = {"KernelBackendSelected": ("op_name", "backend", "reason")}
    if us is not None:
        needed["GpuOpCompleted"] = ("op_name",)
        needed["InternalKernelCompleted"] = ("parent_op_name", "internal_kernel_name")
    if any(not isinstance(data.get(name, ""), str) for name in needed.get(kind, ())):
        return False
    searched = [data.get("internal_kernel_name"), data.get("op_name")] if duration_of(data, strings=False) is not None else []
    return not any(name and not isinstance(name, str) for name in searched)


def duration_of(data, strings):
    """Whole microseconds, or None. bool is an int here, as in Python."""
    value = data.get("duration_us")
    if isinstance(value, (int, float)):
        return int(value) if -(2**63) <= int(value) < 2**64 else None
    if strings and isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            try:
                return int(float(value))
            except (ValueError, OverflowError):
                return None
    return None


def percentile_ms(ordered, p):
    rank = p / 100 * (len(ordered) - 1)
    low = math.floor(rank)
    high = min(low + 1, len(ordered) - 1)
    weight = rank - low
    return (ordered[low] * (1 - weight) + ordered[high] * weight) / 1000


def statistics(samples):
    if not samples:
        return "no samples"
    ordered = sorted(samples)
    total = sum(ordered)
    return (
        f"count={len(ordered)} | total={total / 1000.0:.2f}ms | avg={total / 1000.0 / len(ordered):.3f}ms | "
        f"min={ordered[0] / 1000.0:.3f}ms | max={ordered[-1] / 1000.0:.3f}ms | "
        f"p95_ms={percentile_ms(ordered, 95):.3f}ms, p99_ms={percentile_ms(ordered, 99):.3f}ms"
    )


def by_total(groups):
    """Largest total first; Python's sort is stable, and a dict keeps the order of first appearance."""
    return sorted(groups.items(), key=lambda item: -sum(item[1]))


def by_count(counts):
    return sorted(counts.items(), key=lambda item: -item[1])


def name_of(data, key):
    return data.get(key, UNKNOWN)


def is_gpu_timing(name):
    return "/cb_gpu" in name


def is_wait(name):
    return not is_gpu_timing(name) and ("cb_wait" in name or name.endswith("wait"))


def base_name(op_name):
    name = op_name.split("/")[-1]
    if name.startswith("sdpa_block_") and name.endswith("_op"):
        name = "sdpa"
    elif name.startswith("mlp_swiglu_block_") and name.endswith("_op"):
        name = "mlp_swiglu"
    elif name.startswith("forward_cpu_block_"):
        name = "forward_cpu"
    elif name.endswith("_op"):
        name = name[: name.rindex("_")]
    return name.rstrip("_")


def matmul_of(data):
    """The map that describes a matmul, its values as texts, or None."""
    outer = data.get("data")
    if isinstance(outer, dict):
        inner = outer.get("data")
        if isinstance(inner, dict) and "op" in inner:
            return {key: str(value) for key, value in inner.items()}
        if "op" in outer and "backend" in outer:
            return {key: str(value) for key, value in outer.items()}
    name = data.get("op_name")
    if not isinstance(name, str):
        return None
    for mark in ("matmul_cache/", "matmul/"):
        if mark not in name:
            continue
        found = {}
        for segment in name[name.index(mark) + len(mark) :].split("/"):
            if "::" in segment:
                break
            segment = segment.split("#")[0]
            if "=" in segment:
                key, value = segment.split("=", 1)
                found[key] = value
        return found or None
    return None


SHAPE = ["op", "batch", "m", "n", "k", "tA", "tB"]


def shape_line(matmul):
    parts = [f"{key}={matmul.get(key, '?')}" for key in SHAPE]
    parts += [f"{key}={matmul[key]}" for key in sorted(matmul) if key not in SHAPE and key != "backend"]
    return " | ".join(parts)


class Report:
    def __init__(self, options):
        self.options = options
        self.type_counts, self.type_samples = {}, {}
        self.backends, self.reasons, self.op_backends = {}, {}, {}
        self.internal = []  # (parent, name, us)
        self.gpu_ops = []  # (op name, us, matmul or None)
        self.sync = []

    def take(self, kind, data):
        self.type_counts[kind] = self.type_counts.get(kind, 0) + 1
        us = duration_of(data, strings=False)
        if us is not None:
            self.type_samples.setdefault(kind, []).append(us)
            if "sync" in (data.get("internal_kernel_name") or data.get("op_name") or "").lower():
                self.sync.append(us)
        us = duration_of(data, strings=True)
        if kind == "KernelBackendSelected":
            backend, reason, op = (name_of(data, key) for key in ("backend", "reason", "op_name"))
            for counts, key in ((self.backends, backend), (self.reasons, reason), (self.op_backends, (op, backend))):
                counts[key] = counts.get(key, 0) + 1
        if us is None:
            return
        if kind == "InternalKernelCompleted":
            self.internal.append((name_of(data, "parent_op_name"), name_of(data, "internal_kernel_name"), us))
        if kind == "GpuOpCompleted":
            self.gpu_ops.append((name_of(data, "op_name"), us, matmul_of(data)))

    def matches(self, name):
        return self.options.kernel_filter is None or self.options.kernel_filter.lower() in name.lower()

    def section(self, title, lines):
        print(f"\n{title}:")
        for line in lines:
            print("  " + line)

    def groups_section(self, title, groups, limit=None, filtered=False, shown=lambda key: key, has_data=None):
        if not (groups if has_data is None else has_data):
            return
        if filtered:
            groups = {key: samples for key, samples in groups.items() if self.matches(key)}
        limit = self.options.top if limit is None else limit
        lines = [f"{shown(key)}: {statistics(samples)}" for key, samples in by_total(groups)[:limit]]
        if filtered and not groups:
            lines = ["(no kernels matched)"]
        self.section(title, lines)

    def print_all(self):
        print(f"Total events: {sum(self.type_counts.values())}")
        self.section(
            "Event type summary",
            [f"{k} (count={n}): {statistics(self.type_samples.get(k, []))}" for k, n in by_count(self.type_counts)],
        )
        self.print_backends()
        self.print_internal()
        self.print_kernels()
        self.print_matmuls()
        waits, buffers = {}, {}
        for name, us, _ in self.gpu_ops:
            if is_gpu_timing(name):
                buffers.setdefault(name, []).append(us)
            elif is_wait(name):
                waits.setdefault(name, []).append(us)
        self.groups_section("GPU wait breakdown", waits)
        self.groups_section("Command buffer GPU timing", buffers)
        self.section("Sync operations", [f"sync kernels: {statistics(self.sync)}"])

    def print_backends(self):
        top = self.options.top
        if not self.backends:
            return
        self.section("Backend selection summary", [f"backend={b}: count={n}" for b, n in by_count(self.backends)[:top]])
        self.section("Backend selection reasons", [f"reason={r}: count={n}" for r, n in by_count(self.reasons)[:top]])
        self.section(
            "Backend selection by op/backend",
            [f"op={op} backend={b}: count={n}" for (op, b), n in by_count(self.op_backends)[:top]],
        )

    def print_internal(self):
        by_parent, by_both, kernels = {}, {}, {}
        for parent, name, us in self.internal:
            by_parent.setdefault(parent, []).append(us)
            by_both.setdefault((parent, name), []).append(us)
            if self.options.include_kernel_totals or not name.endswith(("_total", "cb_wait")):
                kernels.setdefault(name, []).append(us)
        self.groups_section("Internal kernel by parent", dict(sorted(by_parent.items())))
        self.groups_section("Internal kernel by parent/op", by_both, shown=lambda key: f"{key[0]} :: {key[1]}")
        self.groups_section("Kernel aggregate (all parents)", kernels, self.options.kernel_top, filtered=True, has_data=by_both)

    def kernels(self):
        return [op for op in self.gpu_ops if not is_gpu_timing(op[0]) and not is_wait(op[0])]

    def print_kernels(self):
        by_name, by_base = {}, {}
        for name, us, _ in self.kernels():
            by_name.setdefault(name, []).append(us)
            by_base.setdefault(base_name(name), []).append(us)
        self.groups_section("GPU kernel durations (excluding waits)", by_name, filtered=True)
        self.groups_section("GPU kernel aggregate (by kernel type)", by_base, filtered=True)

    def print_matmuls(self):
        matmuls = [op for op in self.kernels() if op[2] is not None]
        if not matmuls:
            return
        backends, ops, shapes = {}, {}, {}
        for _, us, matmul in matmuls:
            backend = matmul.get("backend", UNKNOWN)
            backends.setdefault(backend, []).append(us)
            ops.setdefault((matmul.get("op", UNKNOWN), backend), []).append(us)
            shapes.setdefault(shape_line(matmul), {}).setdefault(backend, []).append(us)
        top = self.options.top
        backends = {b: samples for b, samples in backends.items() if self.matches(b)}
        ops = {(op, b): samples for (op, b), samples in ops.items() if self.matches(f"{op} @ {b}")}
        shapes = {s: of for s, of in shapes.items() if self.matches(s) or any(self.matches(b) for b in of)}
        self.section("Matmul backend summary", [f"backend={b}: {statistics(s)}" for b, s in by_total(backends)[:top]])
        self.section("Matmul op/backend summary", [f"{op} @ {b}: {statistics(s)}" for (op, b), s in by_total(ops)[:top]])
        lines = []
        whole_shapes = sorted(shapes.items(), key=lambda item: -sum(sum(samples) for samples in item[1].values()))
        for line, of_backend in whole_shapes[:top]:
            lines.append(f"{line}:")
            lines += [f"  backend={b}: {statistics(s)}" for b, s in by_total(of_backend)]
        self.section("Matmul shape backend summary", lines)


def print_report(trace, options):
    report = Report(options)
    print(f"\n=== Analyzing {pathlib.PurePosixPath(trace)} ===")
    for kind, data in read_events(trace):
        report.take(kind, data)
    report.print_all()


def parse_options(arguments=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("traces", nargs="+", metavar="TRACE")
    parser.add_argument("--top", type=int, default=20)
    parser.add_argument("--kernel-top", type=int, default=50)
    parser.add_argument("--include-kernel-totals", action="store_true")
    parser.add_argument("--kernel-filter")
    return parser.parse_args(arguments)


def main():
    options = parse_options()
    for trace in options.traces:
        print_report(trace, options)


if __name__ == "__main__":
    main()
