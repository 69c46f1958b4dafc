"""The common words of the world: jobs, pets, activities, things, relations, and what is said in passing."""

from __future__ import annotations

JOBS = (
    "baker", "barber", "butcher", "carpenter", "chef", "cleaner", "coach", "dentist", "driver", "farmer", "florist",
    "gardener", "journalist", "lawyer", "librarian", "mechanic", "nurse", "painter", "pharmacist", "pilot", "plumber",
    "receptionist", "tailor", "teacher", "translator", "waiter", "welder", "writer",
)  # fmt: skip
PETS = ("cat", "dog", "donkey", "goat", "hamster", "lizard", "parrot", "pony", "rabbit", "snake", "turtle")
ACTIVITIES = (
    "archery", "baking", "birdwatching", "bowling", "camping", "chess", "climbing", "cycling", "dancing", "drawing",
    "fencing", "fishing", "gardening", "hiking", "juggling", "knitting", "photography", "pottery", "rowing", "running",
    "sailing", "skating", "skiing", "singing", "surfing", "swimming", "tennis", "woodwork", "yoga",
)  # fmt: skip
COLOURS = ("black", "blue", "brown", "green", "grey", "purple", "red", "silver", "white", "yellow")
THINGS = (
    "bicycle", "camera", "canoe", "desk", "drum kit", "guitar", "kayak", "keyboard", "lamp", "mirror", "motorbike",
    "piano", "scooter", "sofa", "surfboard", "telescope", "tent", "van", "violin", "wardrobe",
)  # fmt: skip
RELATIONS = ("sister", "brother", "cousin", "neighbour", "best friend", "flatmate")

PASSING = (
    ("I'm so tired today.", "is tired today"),
    ("I had soup for lunch today.", "had soup for lunch today"),
    ("I'm on the bus right now.", "is on the bus right now"),
    ("I just made myself a cup of tea.", "made a cup of tea"),
    ("I nearly missed my train this morning.", "nearly missed a train this morning"),
    ("I can't find my keys again.", "can't find the keys"),
    ("I'm watching the rain from my window.", "is watching the rain"),
    ("I slept really badly last night.", "slept badly last night"),
    ("I'm waiting for the kettle.", "is waiting for the kettle"),
    ("I have to charge my phone.", "has to charge the phone"),
)
"""What one says in passing, and the fact that it is: worth no memory."""

GREETINGS = (
    "Hi {other}! How are you?", "Hey {other}, good to hear from you!", "Hello {other}, how have you been?",
    "Good to talk to you again, {other}!", "Hi {other}, it's been a while!",
)  # fmt: skip
CHAT = (
    "The weather has been lovely, hasn't it?", "How was your day?", "What are you up to?", "I love our chats.",
    "Did you watch the match?", "That made me laugh.", "Time flies, doesn't it?", "It's always nice to talk to you.",
    "I hear it might snow.", "What a week!", "You always know what to say.", "Tell me everything!",
    "Have you eaten already?", "I wish you lived next door.", "My head is full of songs.", "Let me think.",
    "You sound cheerful.", "Did you sleep well?", "It's so quiet here.", "We should call more often.",
)  # fmt: skip
FAREWELLS = ("Talk soon, {other}!", "Bye {other}, take care!", "I have to run. Speak soon!", "Good night, {other}!")

GLAD = ("That's great!", "How lovely!", "Oh, nice!", "I'm happy to hear that.", "Good for you!", "Wonderful!")
SORRY = ("Oh no.", "I'm sorry to hear that.", "That's a pity.", "What a shame.")
PLAIN = ("I see.", "Oh, really?", "Good to know.", "Right.", "Ah, okay.", "Got it.")
REPLIES = {
    "lose": SORRY, "dislike": SORRY, "cancel": SORRY, "drop": PLAIN, "shift": PLAIN, "correct": PLAIN, "rename": PLAIN,
    "recall": PLAIN, "remark": PLAIN, "have": PLAIN, "own": PLAIN, "is": PLAIN,
}  # fmt: skip
"""How the other one may reply, by the kind of event; to all others `GLAD`."""
