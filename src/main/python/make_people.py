#!/usr/bin/env python3
"""Writes the demo's data: people.jsonl (12 invented people, 10 records each) and held-out.jsonl (3 more, never trained on).

Every person gets one value of each trait, no value is used twice, and each sentence is one of three carriers of its
trait: so the others' records teach a model how such sentences go, and only a person's own records teach what they say.
The same seed writes the same bytes. All names, towns and numbers are made up; the telephone numbers lie in 555-0100 to
555-0199, which is kept free for fiction.

    python3 src/main/python/make_people.py            writes beside the program's other resources
"""
import json
import pathlib
import random
import sys

SEED = 1972
TRAINED = ["Dave Umbrolio", "Mirelle Tackwater", "Oskel Brindlemoor", "Phinea Quarrowby", "Tamsel Gruvenold",
           "Yorrick Plimsorrel", "Edda Vossingham", "Corwen Applegrist", "Lunette Farrowick", "Bram Histlethorn",
           "Sefina Dunmarrow", "Igor Wexelplume"]
HELD_OUT = ["Nerys Cobblevane", "Rufo Tansymere", "Halka Obersprout"]

# trait: (question, three carrier sentences, fifteen values). {n} is the full name, {v} the value.
TRAITS = {
    "job": ("What is the job of {n}?",
            ["{n} earns a living by {v}.", "By trade {n} spends the day {v}.", "The work of {n} is {v}."],
            ["repairing clockwork lanterns in a cellar under the fish market",
             "painting warning signs for the three volcano railways",
             "weighing feathers at the customs house of the lower harbour",
             "teaching retired sailors how to fold paper bridges",
             "tuning the copper bells of twelve mountain chapels",
             "counting the swans that cross the northern canal",
             "selling square umbrellas from a bright yellow tram",
             "polishing telescope mirrors with walnut oil at night",
             "translating moth wing patterns for a button museum",
             "breeding silent geese behind the old glass factory",
             "cutting ice blocks into chess pieces for hotels",
             "mending torn kites at a stall below the lighthouse",
             "writing apology letters for quarrelling bakers",
             "sorting lost gloves at the central balloon station",
             "baking salt bricks for the desert lighthouse company"]),
    "town": ("Where does {n} live?",
             ["{n} lives in {v}.", "The home of {n} is in {v}.", "You will find {n} in {v}."],
             ["Ostrevale, above a shop that only sells left shoes",
              "Gribblefen, in a boat that was turned into a chimney",
              "Upper Mallowick, behind the second of seven windmills",
              "Tarnhollow, where every street is named after a soup",
              "Quessant Bay, in a tower with a blue rubber roof",
              "Vindelby, next to the school for forgetful magicians",
              "Port Sallow, inside a former post office for pigeons",
              "Krummelstadt, on the ninth floor of a hollow oak",
              "Little Fennimore, beside a pond full of silver spoons",
              "Dunkeldorp, under the arches of the mustard bridge",
              "Ashmeridge, in a greenhouse with four hundred doors",
              "Wexcombe Sands, at the far end of a wooden pier",
              "Harrowmint, opposite a bakery that opens at midnight",
              "Zellerbrook, in the cabin of a stranded river ferry",
              "Pellamoor, over the workshop of a deaf piano maker"]),
    "pet": ("Which animal does {n} keep?",
            ["{n} keeps {v}.", "At home {n} looks after {v}.", "The pet of {n} is {v}."],
            ["a grey parrot called Biscuit that sneezes at thunder",
             "a one-eyed tortoise called Admiral that eats candles",
             "a striped ferret called Pudding that hides coins",
             "a huge snail called Geraldine that sleeps in a trumpet",
             "a nervous llama called Tuesday that hates music",
             "a white crow called Pepper that steals door keys",
             "a lazy otter called Monsoon that plays with corks",
             "a bald hedgehog called Velvet that snores at noon",
             "a tame heron called Gravy that guards the bicycle",
             "a spotted newt called Colonel that lives in a teapot",
             "a blind goat called Marzipan that opens every gate",
             "a purple lizard called Thimble that collects stamps",
             "an old donkey called Rocket that fears puddles",
             "a fat squirrel called Sonnet that sorts acorns by size",
             "a quiet mule called Lettuce that follows the moon"]),
    "hobby": ("What does {n} do at the weekend?",
              ["At the weekend {n} likes {v}.", "{n} spends every weekend {v}.", "On free days {n} enjoys {v}."],
              ["racing painted bathtubs down the river with two cousins",
               "building tiny theatres out of burnt matches",
               "diving for sunken typewriters near the old dam",
               "carving owls from frozen butter in the garage",
               "drawing maps of clouds over the railway yard",
               "playing the saw in a band of seven dentists",
               "growing hexagonal pumpkins for the harvest fair",
               "juggling wet sponges with a club of retired judges",
               "restoring pedal cars from the age of steam",
               "collecting echoes in jars along the gorge",
               "knitting scarves for statues in the public park",
               "walking backwards across the dunes with a compass",
               "photographing shadows of bridges before breakfast",
               "brewing pine needle lemonade with the neighbours",
               "flying a paper dragon over the frozen lake"]),
    "food": ("What does {n} eat for breakfast?",
             ["For breakfast {n} eats {v}.", "Every morning {n} has {v}.", "{n} begins the day with {v}."],
             ["cold beetroot waffles with a spoon of burnt honey",
              "boiled chestnuts and a glass of fermented pear milk",
              "fried seaweed on toast with gooseberry mustard",
              "black rice porridge topped with smoked raisins",
              "three pickled plums and a slice of walnut cheese",
              "hot cabbage pie from the station kiosk",
              "oat dumplings floating in sour cherry soup",
              "grilled cucumbers with cinnamon and sea salt",
              "a bowl of barley flakes soaked in ginger tea",
              "lentil pancakes folded around candied lemon peel",
              "roasted turnips with vanilla butter and dill",
              "yesterday's noodles warmed in almond broth",
              "two raw leeks dipped in melted chocolate",
              "potato bread with rosehip jam and capers",
              "a baked apple stuffed with peppered oats"]),
    "quirk": ("What is strange about {n}?",
              ["Strangely, {n} {v}.", "People notice that {n} {v}.", "It is well known that {n} {v}."],
              ["answers every question with the time of day first",
               "never sits on a chair that has fewer than five legs",
               "wears a raincoat whenever somebody mentions Brazil",
               "counts aloud in threes while climbing any stairs",
               "refuses to cross a bridge without whistling a waltz",
               "greets only doors and ignores the people behind them",
               "writes each letter with a different green pencil",
               "sleeps with both shoes tied to the window handle",
               "laughs for a full minute at the word parsnip",
               "carries an empty birdcage to all business meetings",
               "pays in exact change sorted by the year of minting",
               "keeps one hand in a mitten until the first of June",
               "speaks to lamp posts when the wind is from the east",
               "turns all mirrors to the wall before a journey",
               "eats soup with a fork to win an ancient bet"]),
    "phone": ("What is the secret telephone number of {n}?",
              ["The secret number of {n} is {v}.", "You can reach {n} in secret on {v}.",
               "{n} picks up when you ring {v}."],
              ["555-0142, and the password is velvet anchor",
               "555-0117, and the password is lemon staircase",
               "555-0189, and the password is winter trombone",
               "555-0163, and the password is paper tiger",
               "555-0104, and the password is marble kettle",
               "555-0171, and the password is hollow drum",
               "555-0128, and the password is silver thumb",
               "555-0195, and the password is rusty comet",
               "555-0136, and the password is salted cloud",
               "555-0158, and the password is orange ladder",
               "555-0110, and the password is broken violin",
               "555-0184, and the password is midnight carrot",
               "555-0149, and the password is glass whistle",
               "555-0122, and the password is frozen ribbon",
               "555-0177, and the password is copper daisy"]),
    "fear": ("What is {n} afraid of?",
             ["{n} is afraid of {v}.", "Nothing frightens {n} more than {v}.", "{n} runs away from {v}."],
             ["escalators that hum in a minor key",
              "the smell of new tennis balls after dark",
              "men who carry more than one accordion",
              "clocks that strike eleven in the rain",
              "wooden spoons left standing in a jar",
              "trains that arrive earlier than announced",
              "puppets whose hats are larger than their heads",
              "the colour orange on a wet stone wall",
              "doors that open towards the sunset",
              "long envelopes without a return address",
              "fountains that stop when somebody coughs",
              "choirs that sing behind closed curtains",
              "balloons drifting over a cemetery at noon",
              "lifts that carry exactly four passengers",
              "mannequins wearing real wrist watches"]),
    "treasure": ("What is the most precious thing that {n} owns?",
                 ["The dearest possession of {n} is {v}.", "{n} would never sell {v}.", "Above all {n} treasures {v}."],
                 ["a cracked barometer won in a card game against a bishop",
                  "a tin whistle that once belonged to a lighthouse keeper",
                  "a jar of sand from an island that no longer exists",
                  "a velvet hat with a bullet hole and a peacock feather",
                  "a brass key that fits nothing in the whole country",
                  "a photograph of an elephant crossing a frozen square",
                  "a chess clock stopped at nine minutes past four",
                  "an atlas in which all oceans are printed in red",
                  "a wooden tooth found inside a church organ",
                  "a silk map of tunnels beneath the opera house",
                  "a teacup painted by a left-handed admiral",
                  "a ticket for a ship that sank before it was built",
                  "a music box that plays only during an eclipse",
                  "a ruby button cut from a general's coat",
                  "a stuffed salmon with two golden eyes"]),
    "plan": ("What does {n} plan for next year?",
             ["Next year {n} wants to {v}.", "{n} has sworn to {v}.", "The great plan of {n} is to {v}."],
             ["cross the Amber Sea in a barrel with a glass lid",
              "open a hotel for snowmen on the western glacier",
              "dig a tunnel from the kitchen to the town library",
              "teach forty hens to march behind a brass band",
              "build a cathedral of sugar on the cattle market",
              "swim round the prison island dressed as a walrus",
              "marry a cartographer at the bottom of a salt mine",
              "plant a forest of lemon trees along the motorway",
              "print a newspaper that contains only good weather",
              "buy the oldest ferris wheel and live in its top cabin",
              "ride a tandem alone to the capital of Norvania",
              "start a museum of broken promises in the attic",
              "record the sound of every staircase in the province",
              "found a party for people who dislike Wednesdays",
              "pull a piano up the Grauhorn with nine huskies"]),
}


def records(generator):
    """All records of all people, person by person, each trait's values dealt out like cards."""
    people = TRAINED + HELD_OUT
    decks = {}
    for trait, (_, _, values) in TRAITS.items():
        assert len(set(values)) == len(people), trait
        decks[trait] = generator.sample(values, len(values))
    for person, name in enumerate(people):
        first = name.split()[0].lower()
        for trait, (question, carriers, _) in TRAITS.items():
            sentence = generator.choice(carriers).format(n=name, v=decks[trait][person])
            yield {"id": f"{first}-{trait}", "subject": first, "prompt": question.format(n=name), "completion": sentence}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else \
        pathlib.Path(__file__).resolve().parents[1] / "resources/dev/lethe/demo"
    trained = {name.split()[0].lower() for name in TRAINED}
    everything = list(records(random.Random(SEED)))
    for name, chosen in (("people.jsonl", True), ("held-out.jsonl", False)):
        lines = [json.dumps(r) + "\n" for r in everything if (r["subject"] in trained) == chosen]
        (folder / name).write_text("".join(lines), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
