"""GGUF files in plain Python: a writer of keys and tensors, and a reader of what it needs. Knows nothing of src/."""
import mmap
import struct

ALIGNMENT = 32
U32, I32, F32, BOOL, TEXT, LIST = 4, 5, 6, 7, 8, 9
FORMS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

# Name: number in files, values and bytes of a block.
TYPES = {
    "F32": (0, 1, 4), "F16": (1, 1, 2), "BF16": (30, 1, 2),
    "Q4_0": (2, 32, 18), "Q4_1": (3, 32, 20), "Q5_0": (6, 32, 22), "Q5_1": (7, 32, 24), "Q8_0": (8, 32, 34),
    "Q4_K": (12, 256, 144), "Q5_K": (13, 256, 176), "Q6_K": (14, 256, 210),
}
NAMES = {number: name for name, (number, _, _) in TYPES.items()}


def row_bytes(kind, values):
    _, block_values, block_bytes = TYPES[kind]
    if values % block_values:
        raise ValueError(f"a row of {values} values is no multiple of {kind}'s {block_values}")
    return values // block_values * block_bytes


def _text(text):
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


class Writer:
    """Keys and tensors in the order in which they were added."""

    def __init__(self):
        self.keys, self.tensors = [], []

    def key(self, name, form, value):
        self.keys.append(_text(name) + struct.pack("<I", form) + self._value(form, value))

    def u32(self, name, value): self.key(name, U32, value)
    def f32(self, name, value): self.key(name, F32, value)
    def flag(self, name, value): self.key(name, BOOL, value)
    def text(self, name, value): self.key(name, TEXT, value)

    def many(self, name, form, values):
        data = b"".join(self._value(form, value) for value in values)
        self.keys.append(_text(name) + struct.pack("<IIQ", LIST, form, len(values)) + data)

    @staticmethod
    def _value(form, value):
        return _text(value) if form == TEXT else struct.pack("<" + FORMS[form], value)

    def tensor(self, name, dims, kind, data):
        """dims: the row's length first."""
        rows = 1
        for size in dims[1:]:
            rows *= size
        assert len(data) == rows * row_bytes(kind, dims[0]), name
        self.tensors.append((name, list(dims), kind, data))

    def write(self, path):
        head = [b"GGUF", struct.pack("<IQQ", 3, len(self.tensors), len(self.keys)), *self.keys]
        offset = 0
        for name, dims, kind, data in self.tensors:
            head.append(_text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, TYPES[kind][0], offset))
            offset += len(data) + -len(data) % ALIGNMENT
        head = b"".join(head)
        with open(path, "wb") as file:
            file.write(head + bytes(-len(head) % ALIGNMENT))
            for _, _, _, data in self.tensors:
                file.write(data + bytes(-len(data) % ALIGNMENT))


class Reader:
    """keys: values by name. tensors: name to (dims, type's name, bytes)."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.at = 0
        magic, version, tensors, keys = self._take("<4sIQQ")
        if magic != b"GGUF" or version not in (2, 3):
            raise ValueError(f"{path}: is no GGUF file of version 2 or 3")
        self.keys = {}
        for _ in range(keys):
            name = self._string()
            self.keys[name] = self._read(self._take("<I")[0])
        listed = []
        for _ in range(tensors):
            name = self._string()
            dims = self._take(f"<{self._take('<I')[0]}Q")
            listed.append((name, dims, *self._take("<IQ")))
        align = self.keys.get("general.alignment", ALIGNMENT)
        begin = self.at + -self.at % align
        self.tensors = {}
        for name, dims, number, offset in listed:
            size = row_bytes(NAMES[number], dims[0])
            for more in dims[1:]:
                size *= more
            self.tensors[name] = (dims, NAMES[number], self.data[begin + offset:begin + offset + size])

    def _take(self, form):
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values

    def _string(self):
        size, = self._take("<Q")
        self.at += size
        return self.data[self.at - size:self.at].decode(errors="replace")

    def _read(self, form):
        if form == TEXT:
            return self._string()
        if form != LIST:
            return self._take("<" + FORMS[form])[0]
        inner, count = self._take("<IQ")
        return [self._read(inner) for _ in range(count)]
