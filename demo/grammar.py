"""Sentences of a known grammar: what they say follows rules, so that a right answer can be told from a wrong one."""

ANIMALS = {  # from the smallest to the largest: how many legs
    "ant": 6, "bee": 6, "beetle": 6, "spider": 8, "mouse": 4, "bird": 2, "duck": 2, "hen": 2, "snake": 0, "fish": 0,
    "cat": 4, "fox": 4, "dog": 4, "goat": 4, "cow": 4, "horse": 4,
}
THINGS = ["ball", "apple", "stone", "leaf", "cup", "hat", "book", "box", "key", "coat", "nut", "feather"]
COLOURS = ["red", "blue", "green", "yellow", "white", "black", "brown", "grey"]
SIZES = ["small", "big", "old", "young", "quiet", "clever"]
PLACES = ["garden", "house", "forest", "field", "barn", "village", "valley", "meadow"]
FINDS = ["finds", "sees", "discovers"]
TAKES = ["takes", "carries", "brings"]
RESTS = ["sleeps", "rests", "waits", "sings", "plays"]
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
           "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def a(word):
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def upper(text):
    return text[0].upper() + text[1:]


def many(thing):
    return {"leaf": "leaves", "box": "boxes"}.get(thing, thing + "s")


def legs(animal):
    count = ANIMALS[animal]
    return f"{upper(a(animal))} has {NUMBERS[count] if count else 'no'} legs."


def total(x, y):
    return f"{upper(NUMBERS[x])} and {NUMBERS[y]} are {NUMBERS[x + y]}."


def after_number(x):
    return f"After {NUMBERS[x]} comes {NUMBERS[x + 1]}."


def after_day(x):
    return f"After {DAYS[x]} comes {DAYS[(x + 1) % 7]}."


def bigger(x, y):
    """Of two animals in any order."""
    order = list(ANIMALS)
    small, large = sorted((x, y), key=order.index)
    return f"{upper(a(large))} is bigger than {a(small)}."


class Story:
    """An animal finds a thing and takes it elsewhere; colour and things stay what they are."""

    def __init__(self, draw, animal=None):
        self.animal = animal or draw.choice(list(ANIMALS))
        self.size, self.thing, self.colour = draw.choice(SIZES), draw.choice(THINGS), draw.choice(COLOURS)
        self.place, self.other = draw.sample(PLACES, 2)
        self.finds, self.takes, self.rests = draw.choice(FINDS), draw.choice(TAKES), draw.choice(RESTS)

    def first(self):
        return f"The {self.size} {self.animal} {self.finds} {a(self.colour)} {self.thing} in the {self.place}."

    def text(self):
        return (f"{self.first()} It {self.takes} the {self.thing} to the {self.other}. The {self.thing} is "
                f"{self.colour}. In the {self.other} the {self.size} {self.animal} {self.rests}.")


def fact(draw):
    kind = draw.randrange(5)
    if kind == 0:
        return legs(draw.choice(list(ANIMALS)))
    if kind == 1:
        x = draw.randrange(0, 11)
        return total(x, draw.randrange(0, 11))
    if kind == 2:
        return after_number(draw.randrange(0, 20))
    if kind == 3:
        return after_day(draw.randrange(7))
    return bigger(*draw.sample(list(ANIMALS), 2))


def paragraph(draw):
    """A story, or a few facts."""
    if draw.random() < 0.6:
        return Story(draw).text()
    return " ".join(fact(draw) for _ in range(draw.randrange(2, 5)))


def question(draw):
    """A question on such sentences and its right answer."""
    kind = draw.randrange(8)
    if kind == 0:
        animal = draw.choice(list(ANIMALS))
        return draw.choice([f"How many legs has {a(animal)}?", f"How many legs does {a(animal)} have?",
                            f"How many legs do {many(animal) if animal != 'fish' else 'fish'} have?"]), legs(animal)
    if kind in (1, 2):
        x, y = draw.randrange(0, 11), draw.randrange(0, 11)
        return draw.choice([f"What are {NUMBERS[x]} and {NUMBERS[y]}?", f"What is {NUMBERS[x]} plus {NUMBERS[y]}?",
                            f"What is {x} plus {y}?", f"What is {x} + {y}?", f"How much is {x} and {y}?"]), total(x, y)
    if kind == 3:
        x = draw.randrange(0, 20)
        return draw.choice([f"What comes after {NUMBERS[x]}?", f"Which number comes after {NUMBERS[x]}?"]), \
            after_number(x)
    if kind == 4:
        x = draw.randrange(7)
        return draw.choice([f"What comes after {DAYS[x]}?", f"Which day comes after {DAYS[x]}?"]), after_day(x)
    if kind == 5:
        x, y = draw.sample(list(ANIMALS), 2)
        return draw.choice([f"Which is bigger, {a(x)} or {a(y)}?", f"Who is bigger, {a(x)} or {a(y)}?"]), bigger(x, y)
    if kind == 6:
        animal = draw.choice(list(ANIMALS))
        story = Story(draw, animal)
        return draw.choice([f"Tell me a story about {a(animal)}.", f"Tell a story about {a(animal)}.",
                            f"A story about {a(animal)}, please."]), story.text()
    s = Story(draw)
    return draw.choice([
        (f"{s.first()} What colour is the {s.thing}?", f"The {s.thing} is {s.colour}."),
        (f"{s.first()} Where is the {s.thing}?", f"The {s.thing} is in the {s.place}."),
        (f"{s.first()} Who {s.finds} the {s.thing}?", f"The {s.size} {s.animal} {s.finds} the {s.thing}."),
        (f"{s.first()} What is {s.colour}?", f"The {s.thing} is {s.colour}."),
    ])
