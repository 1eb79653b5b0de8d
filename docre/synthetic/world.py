"""Stories: small worlds in which facts hold. A document tells a part of one."""

from dataclasses import dataclass, field

from docre.synthetic import names
from docre.synthetic.dice import Dice
from docre.synthetic.rules import Fact, close

# The entity type of each kind of thing.
TYPES = {
    "man": "PER",
    "woman": "PER",
    "city": "LOC",
    "region": "LOC",
    "country": "LOC",
    "company": "ORG",
    "college": "ORG",
    "film": "MISC",
    "novel": "MISC",
    "album": "MISC",
    "award": "MISC",
    "date": "TIME",
    "year": "TIME",
    "number": "NUM",
}


@dataclass(frozen=True)
class Thing:
    """A person, place, organization or work of a story: what an entity of a document refers to.

    kind:    a key of TYPES.
    name:    its full name.
    aliases: other names, for mentions after the first.
    short:   an abbreviation, which the first mention has to introduce: "Northern Glass Works ( NGW )".
    """

    kind: str
    name: str
    aliases: tuple[str, ...] = ()
    short: str = ""


@dataclass
class Story:
    """Things, and the facts (head, relation, tail) that hold between them, as indices into `things`.

    Once the story is generated, `facts` is closed under the rules. It is a dict to be ordered; its values are not used.
    """

    things: list[Thing] = field(default_factory=list)
    facts: dict[Fact[int], frozenset[int]] = field(default_factory=dict)

    def add(self, kind: str, name: str, aliases: tuple[str, ...] = (), short: str = "") -> int:
        """Add a thing; returns its index."""
        self.things.append(Thing(kind, name, aliases, short))
        return len(self.things) - 1

    def state(self, head: int, relation: str, tail: int) -> None:
        """Add a fact."""
        self.facts[head, relation, tail] = frozenset()


@dataclass(frozen=True)
class Country:
    """The names of a country, its capital, a region and the two towns in that region."""

    name: str
    capital: str
    region: str
    towns: tuple[str, str]


def draw_countries(seed: str) -> list[Country]:
    """All countries, in random order; no two places share a name."""
    dice = Dice(f"{seed}/map")
    countries = dice.sample(names.COUNTRIES, len(names.COUNTRIES))
    towns = dice.sample(
        [stem + ending for stem in names.STEMS for ending in names.TOWN_ENDINGS if stem[-1] != ending[0]],
        3 * len(countries),
    )
    regions = dice.sample([f"{stem} {kind}" for stem in names.STEMS for kind in names.REGION_KINDS], len(countries))
    return [
        Country(name, towns[3 * i], regions[i], (towns[3 * i + 1], towns[3 * i + 2]))
        for i, name in enumerate(countries)
    ]


class StoryGenerator:
    """Generates one random story, set in two of the given countries. The result is `story`."""

    def __init__(self, dice: Dice, countries: list[Country]) -> None:
        self.dice = dice
        self.story = Story()
        self.start = dice.between(1890, 1915)  # when the older generation is born; all other years depend on it
        self.years = dice.sample([str(self.start + year) for year in range(50, 67)], 16)
        self.add_places(dice.sample(countries, 2))
        self.colleges = [self.add_organization("college") for _ in range(2)]
        self.companies = [self.add_organization("company") for _ in range(3)]
        self.add_people()
        self.add_foundations()
        self.add_works()
        for _ in range(3):
            self.story.add("year", self.years.pop())
        for number in dice.sample(range(12, 900), 3):
            self.story.add("number", str(number))
        self.story.facts = close(self.story.facts)

    def add_places(self, countries: list[Country]) -> None:
        """Add two countries, each with its capital, a region and two towns."""
        add, state = self.story.add, self.story.state
        self.countries, self.cities = [], []
        for entry in countries:
            country = add("country", entry.name)
            capital = add("city", entry.capital)
            region = add("region", entry.region)
            towns = [add("city", town) for town in entry.towns]
            state(capital, "P1376", country)
            state(region, "P131", country)
            state(region, "P17", country)
            for town in towns:
                state(town, "P131", region)
            self.countries.append(country)
            self.cities += [capital, *towns]

    def add_organization(self, kind: str) -> int:
        """Add a company or a college, with its headquarters; returns its index."""
        dice = self.dice
        taken = {thing.name.split()[0] for thing in self.story.things}
        first, second, last = (
            (names.COLLEGE_FIRST, names.COLLEGE_SECOND, names.COLLEGE_KINDS)
            if kind == "college"
            else (names.COMPANY_FIRST, names.COMPANY_SECOND, names.COMPANY_KINDS)
        )
        words = [dice.pick([word for word in first if word not in taken]), dice.pick(second), dice.pick(last)]
        short = "".join(word[0] for word in words)
        index = self.story.add(kind, " ".join(words), (" ".join(words[:2]),), short)
        self.story.state(index, "P159", dice.pick(self.cities))
        return index

    def add_people(self) -> None:
        """Add a couple with two or three children, the spouse of a child, and two people who are no relatives."""
        dice, state = self.dice, self.story.state
        children = 2 + dice.chance(0.3)
        men = dice.sample(names.MEN, 6)
        women = dice.sample(names.WOMEN, 6)
        surnames = dice.sample(names.SURNAMES, 5)
        father = self.add_person("man", men.pop(), surnames[0], self.start, True)
        mother = self.add_person("woman", women.pop(), surnames[1], self.start, False)
        state(father, "P26", mother)
        self.persons = [father, mother]
        for _ in range(children):
            kind = dice.pick(("man", "woman"))
            child = self.add_person(kind, (men if kind == "man" else women).pop(), surnames[0], self.start + 27, True)
            state(child, "P22", father)
            state(child, "P25", mother)
            self.persons.append(child)
        kind = "man" if self.story.things[child].kind == "woman" else "woman"
        others = [(kind, self.start + 27), ("man", self.start), ("woman", self.start + 27)]
        for (kind, born), surname in zip(others, surnames[2:], strict=True):
            name = (men if kind == "man" else women).pop()
            self.persons.append(self.add_person(kind, name, surname, born, False))
        state(child, "P26", self.persons[2 + children])

    def add_person(self, kind: str, first: str, surname: str, born: int, shared: bool) -> int:
        """Add a person and the facts of their life; returns the index. `shared`: another person has the same
        surname, which is then no alias."""
        dice, story = self.dice, self.story
        index = story.add(kind, f"{first} {surname}", (first,) if shared else (surname, f"{first[0]}. {surname}"))
        birth, death = dice.pick(self.cities), dice.pick(self.cities)
        college = dice.pick(self.colleges)
        story.state(index, "P19", birth)
        story.state(index, "P20", birth if dice.chance(0.3) else death)
        story.state(index, "P27", dice.pick(self.countries))
        story.state(index, "P569", self.add_date(born + dice.between(0, 5)))
        story.state(index, "P570", self.add_date(born + dice.between(70, 80)))
        story.state(index, "P69", college)
        story.state(index, "P108", college if dice.chance(0.3) else dice.pick(self.companies))
        return index

    def add_date(self, year: int) -> int:
        """Add a date in the given year that the story does not have yet; returns its index."""
        taken = {thing.name for thing in self.story.things}
        while True:
            name = f"{self.dice.between(1, 28)} {self.dice.pick(names.MONTHS)} {year}"
            if name not in taken:
                return self.story.add("date", name)

    def add_foundations(self) -> None:
        """Add the founder and the founding year of each company; the second company is a subsidiary of the first."""
        for company in self.companies:
            founder = self.dice.pick(self.persons)
            self.story.state(company, "P112", founder)
            self.story.state(founder, "P108", company)
            self.story.state(company, "P571", self.story.add("year", self.years.pop()))
        self.story.state(self.companies[1], "P749", self.companies[0])

    def add_works(self) -> None:
        """Add two films, two novels, two albums and two awards."""
        dice, story = self.dice, self.story
        titles = dice.sample([f"{a} {b}" for a in names.TITLE_FIRST for b in names.TITLE_SECOND], 6)
        for kind, relation in (("film", "P57"), ("novel", "P50"), ("album", "P175")) * 2:
            work, maker = story.add(kind, titles.pop()), dice.pick(self.persons)
            story.state(work, relation, maker)
            story.state(work, "P577", story.add("year", self.years.pop()))
            if dice.chance(0.6):
                story.state(maker, "P800", work)
            if kind == "film":
                cast = dice.sample(self.persons, 2)
                if dice.chance(0.4):
                    cast[0] = maker
                for actor in cast:
                    story.state(work, "P161", actor)
        firsts, seconds = dice.sample(names.AWARD_FIRST, 2), dice.sample(names.AWARD_SECOND, 2)
        for first, second in zip(firsts, seconds, strict=True):
            award = story.add("award", f"{first} {second} {dice.pick(names.AWARD_KINDS)}", (f"{first} {second}",))
            for winner in dice.sample(self.persons, 2):
                story.state(winner, "P166", award)
