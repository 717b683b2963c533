"""What the demo model learns from: questions on assay (questions.txt), questions on little sentences (grammar.py),
and the sentences themselves. All of it is drawn from seeds.

    data.py > held_out.txt     sentences that were drawn from a seed of their own: for perplexity
"""
import os
import random

import grammar
from tokens import Tokens

VOCABULARY, CONTEXT = 1024, 512
HELD_OUT_SEED = 7_000_000
HERE = os.path.dirname(os.path.abspath(__file__))

WORD_QUESTIONS = [
    "What is {a}?", "What is {a}?", "What is {a}?", "What's {a}?", "What is {a} in assay?", "Explain {a}.",
    "What does {x} mean?", "What does the word {x} mean?", "Tell me what {a} is.", "Define {x}.", "Define {a}.",
    "What do you mean by {x}?", "Can you explain {a}?", "Tell me about {a}.", "What do you call {a}?", "{X}?",
    "Please explain {a}.", "I do not know what {a} is.", "And what is {a}?", "So what is {a}?",
]
SYSTEMS = ["You are a helpful assistant.", "Answer in one sentence.", "You know assay.", "Be brief.",
           "You are the demo model of assay. Answer in short sentences."]
UNKNOWN = ["France", "Rome", "the moon", "the sea", "cheese", "bread", "a piano", "football", "my uncle", "the weather",
           "gold", "a pizza", "the king", "Paris", "London", "the sun", "history", "music", "chess", "a car", "tea",
           "coffee", "Mars", "the president", "love", "money", "a river", "the ocean", "soup", "a guitar", "Berlin",
           "a bicycle", "the train", "a film", "Shakespeare", "a poem", "mathematics", "Japan", "an elephant", "rain"]
UNKNOWN_QUESTIONS = ["What is the capital of {x}?", "Who invented {x}?", "How old is {x}?", "What is {x}?",
                     "Tell me about {x}.", "How do I make {x}?", "Where is {x}?", "What does {x} cost?",
                     "Why is {x} famous?", "Do you like {x}?", "Who wrote {x}?", "How far is {x}?", "Explain {x}.",
                     "When was {x} made?", "How do I cook {x}?", "What do you think about {x}?", "Who is {x}?"]
NO_ANSWER = "I do not know that. Ask me about assay."


class Questions:
    """Of questions.txt: lists of ways to ask, each with its answer."""

    def __init__(self):
        self.entries = []
        with open(os.path.join(HERE, "questions.txt"), encoding="ascii") as file:
            lines = [line.rstrip("\n") for line in file if not line.startswith("#")]
        for block in "\n".join(lines).strip().split("\n\n"):
            asked, answer = block.strip().split("\n")
            assert answer.startswith("A: "), block
            ways = [way.strip() for way in asked[3:].split(" | ")]
            if asked.startswith("W: "):
                ways = [question.format(a=way, x=bare(way), X=grammar.upper(bare(way)))
                        for way in ways for question in WORD_QUESTIONS]
            else:
                assert asked.startswith("Q: "), block
            self.entries.append((ways, answer[3:]))

    def draw(self, draw):
        ways, answer = draw.choice(self.entries)
        return draw.choice(ways), answer


def bare(way):
    first, _, rest = way.partition(" ")
    return rest if first in ("a", "an", "the", "this") else way


def careless(question, draw):
    """As people type."""
    kind = draw.random()
    if kind < 0.15:
        question = question[0].lower() + question[1:]
    if 0.1 < kind < 0.25:
        question = question.rstrip("?.!")
    if 0.25 < kind < 0.3:
        question = question.lower().rstrip("?.!")
    if 0.3 < kind < 0.33:
        question = "Please: " + question
    return question


class Rows:
    """Rows of tokens, and which of them are to be foretold."""

    def __init__(self, tokens, seed):
        self.tokens, self.draw, self.questions = tokens, random.Random(seed), Questions()
        self.end, self.im_start, self.im_end = (tokens.numbers[c] for c in ("<|endoftext|>", "<|im_start|>",
                                                                             "<|im_end|>"))
        self.blank = tokens.encode("\n")

    def pair(self):
        kind = self.draw.random()
        if kind < 0.6:
            return self.questions.draw(self.draw)
        if kind < 0.93:
            return grammar.question(self.draw)
        return self.draw.choice(UNKNOWN_QUESTIONS).format(x=self.draw.choice(UNKNOWN)), NO_ANSWER

    def chat(self):
        row, learned = [], []
        def add(part, counts):
            row.extend(part)
            learned.extend([counts] * len(part))
        if self.draw.random() < 0.15:
            add([self.im_start] + self.tokens.encode("system\n" + self.draw.choice(SYSTEMS)) + [self.im_end], 0)
            add(self.blank, 0)
        while len(row) <= CONTEXT:
            question, answer = self.pair()
            question = careless(question, self.draw)
            add([self.im_start] + self.tokens.encode("user\n" + question) + [self.im_end] + self.blank, 0)
            add([self.im_start] + self.tokens.encode("assistant\n"), 0)
            add(self.tokens.encode(answer) + [self.im_end], 1)
            add(self.blank, 0)
        return row[:CONTEXT + 1], learned[:CONTEXT + 1]

    def text(self):
        row = []
        while len(row) <= CONTEXT:
            row += self.tokens.encode(grammar.paragraph(self.draw) + "\n")
        return row[:CONTEXT + 1], [1] * (CONTEXT + 1)

    def next(self):
        return self.chat() if self.draw.random() < 0.75 else self.text()


def make_tokens():
    draw = random.Random(1)
    texts = [(text, 4) for ways, answer in Questions().entries for text in [*ways[:3], answer, answer]]
    texts += [(grammar.paragraph(draw), 1) for _ in range(400)]
    texts += [(text, 1) for _ in range(400) for text in grammar.question(draw)]
    texts += [(text, 20) for text in SYSTEMS + [NO_ANSWER, "user\n", "assistant\n", "system\n"]]
    return Tokens.learned(texts, VOCABULARY)


def held_out():
    draw = random.Random(HELD_OUT_SEED)
    return "".join(grammar.paragraph(draw) + "\n" for _ in range(160))


if __name__ == "__main__":
    print(held_out(), end="")
