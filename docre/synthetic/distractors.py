"""Statements that state no fact: denials, and happenings that are no relation of the corpus."""

from docre.synthetic.statements import KIN, other

# Denials: they state nothing, although their words and entity types are those of a fact.
DENIALS = (
    other("a:person c:city", "a P19 c", "{a} was almost born in {c}", "{a} was born far from {c}"),
    other("a:person c:city", "a P20 c", "{a} nearly died in {c}", "{a} survived an accident in {c}"),
    other(
        "a:person k:country",
        "a P27 k",
        "{a} applied for the citizenship of {k} but was refused",
        "{a} never became a citizen of {k}",
    ),
    other(
        "a:person u:college",
        "a P69 u, a P108 u",
        "{a} was refused a place at {u}",
        "{a} hoped to study at {u} but never did",
    ),
    other("a:person o:org", "a P108 o, a P69 o", "{a} turned down a post at {o}", "{a} never worked for {o}"),
    other("a:man b:woman", KIN, "{a} never married {b}", "{b} broke off the engagement to {a}"),
    other(
        "o:org c:city",
        "o P159 c",
        "{o} once planned to move its headquarters to {c}",
        "{o} decided against a head office in {c}",
    ),
    other("o:company a:person", "o P112 a", "{a} had no part in founding {o}", "{a} arrived after {o} was founded"),
    other(
        "o:company p:company",
        "o P749 p, p P749 o",
        "{p} failed to buy {o}",
        "{o} is a rival , not a subsidiary , of {p}",
    ),
    other("f:film a:person", "f P57 a", "{a} refused to direct {f}", "{a} was replaced before directing {f}"),
    other("f:film a:person", "f P161 a", "{a} was not cast in {f}", "{a} tried in vain for a part in {f}"),
    other("n:novel a:person", "n P50 a", "{n} was wrongly credited to {a}", "{a} denied having written {n}"),
    other("m:album a:person", "m P175 a", "{a} refused to record {m}", "{m} was recorded without {a}"),
    other("a:person w:award", "a P166 w", "{a} was nominated for the {w} but lost", "{a} never won the {w}"),
    other("w:work y:year", "w P577 y", "{w} was not released in {y}", "the year {y} is wrongly given for {w}"),
    other("c:city k:country", "c P17 k", "{c} lies outside {k}", "{c} has never been part of {k}"),
    other("c:city r:region", "c P131 r", "{c} does not belong to {r}", "{c} voted against joining {r}"),
    other("r:region k:country", "r P17 k", "{r} lies outside {k}", "{r} is no province of {k}"),
)

# Happenings: they express no relation of the corpus, but many use the words of one.
HAPPENINGS = (
    other("a:person b:person", "", "{a} wrote a long letter to {b}", "{a} won a game of chess against {b}"),
    other("a:person b:person", "", "{a} was a neighbour of {b}", "the father of a friend invited {a} and {b}"),
    other("a:person b:person c:city", "", "{a} met {b} in {c}", "{a} and {b} attended a wedding in {c}"),
    other("a:person c:city", "", "{a} founded a choir in {c}", "{a} directed a play in {c}", "{a} lived in {c}"),
    other("a:person c:city", "", "{a} held a birthday party in {c}", "{a} wrote a poem about the birds of {c}"),
    other("a:person c:city y:year", "", "in {y} , {a} visited {c}", "{a} returned to {c} in {y}"),
    other("a:person k:country x:number", "", "{a} gave {x} concerts in {k}", "{a} met {x} citizens of {k}"),
    other("a:person o:org", "", "{a} studied the archives of {o}", "{a} gave a speech at {o}", "{a} sued {o}"),
    other("a:person w:work", "", "{a} reviewed {w}", "{a} praised {w}", "{a} bought the rights to {w}"),
    other("a:person w:award", "", "{a} made a speech about the {w}", "{a} was on the jury of the {w}"),
    other("o:company p:company x:number", "", "{o} sold {x} machines to {p}", "{o} and {p} shared {x} patents"),
    other("o:org c:city", "", "{o} held a meeting in {c}", "{o} opened a branch in {c}"),
    other("o:company k:country", "", "{o} raised capital in {k}", "{o} sold its goods in {k}"),
    other("c:city x:number", "", "{c} has {x} shops", "{c} lost {x} houses in a flood"),
    other("c:city k:country", "c P17 k", "traders from {k} often visited {c}", "{c} sent help to {k}"),
    other("c:city r:region x:number", "c P131 r", "{c} is {x} miles from {r}", "a road of {x} miles joins {c} and {r}"),
    other("f:film c:city", "", "{f} is set in {c}", "{f} was shown in {c}"),
    other("n:novel c:city", "", "{n} is set in {c}", "{n} was forbidden in {c}"),
    other("m:album c:city", "", "{m} sold well in {c}", "{m} was played on the radio in {c}"),
)

# Frames before the statement of a fact: those that affirm it, and those after which nothing is stated.
AFFIRMING = ("it is true that", "it is well known that", "records show that", "many letters confirm that")
DENYING = ("it is not true that", "no source confirms that", "it is wrongly believed that", "it was never proved that")
