"""Byte pairs: learns merges from counted words and encodes text as qwen2's tokenizer does, for ASCII text."""
import collections
import re

# qwen2's pattern with its classes of letters and digits as ASCII has them.
WORD = re.compile(r"'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])|[^\r\nA-Za-z0-9]?[A-Za-z]+|[0-9]|"
                  r" ?[^\sA-Za-z0-9]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def byte_letters():
    """A letter for each byte, as byte-level vocabularies have it."""
    printable = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    others = [b for b in range(256) if b not in printable]
    return {**{b: chr(b) for b in printable}, **{b: chr(0x100 + i) for i, b in enumerate(others)}}


LETTERS = byte_letters()


def spelled(word):
    return [LETTERS[b] for b in word.encode("ascii")]


class Tokens:
    def __init__(self, merges):
        self.merges = merges
        self.ranks = {pair: i for i, pair in enumerate(merges)}
        self.texts = [LETTERS[b] for b in range(256)] + [x + y for x, y in merges] + CONTROLS
        self.numbers = {text: i for i, text in enumerate(self.texts)}
        self.known = {}

    @classmethod
    def learned(cls, texts, size):
        """From (text, weight): the most frequent pair is merged again and again; of equal ones the first in order."""
        counts = collections.Counter()
        for text, weight in texts:
            for word in WORD.findall(text):
                counts[word] += weight
        words = [(spelled(word), count) for word, count in sorted(counts.items())]
        merges = []
        while 256 + len(merges) + len(CONTROLS) < size:
            pairs = collections.Counter()
            for parts, count in words:
                for pair in zip(parts, parts[1:]):
                    pairs[pair] += count
            pair = min(pairs, key=lambda p: (-pairs[p], p))
            merges.append(pair)
            words = [(merged(parts, pair), count) for parts, count in words]
        return cls(merges)

    def word(self, word):
        if word not in self.known:
            parts = spelled(word)
            while len(parts) > 1:
                pair = min(zip(parts, parts[1:]), key=lambda p: self.ranks.get(p, len(self.ranks)))
                if pair not in self.ranks:
                    break
                parts = merged(parts, pair)
            self.known[word] = [self.numbers[part] for part in parts]
        return self.known[word]

    def encode(self, text):
        return [token for word in WORD.findall(text) for token in self.word(word)]

    def decode(self, tokens):
        bytes_of = {letter: b for b, letter in LETTERS.items()}
        text = "".join(self.texts[t] for t in tokens if t < len(self.texts) - len(CONTROLS))
        return bytes(bytes_of[letter] for letter in text).decode(errors="replace")


def merged(parts, pair):
    result, i = [], 0
    while i < len(parts):
        if parts[i:i + 2] == [*pair]:
            result.append(pair[0] + pair[1])
            i += 2
        else:
            result.append(parts[i])
            i += 1
    return result
