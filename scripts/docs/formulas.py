"""Formulas of docstrings, which are written in plain characters, as LaTeX and MathML.

sum_{p in P} -log sigma(d_p)  ->  \\sum_{p \\in P} -\\log \\sigma \\left(d_p\\right)
"""

import re
from dataclasses import dataclass

from latex2mathml.converter import convert

SYMBOLS = {
    **{name: rf"\{name}" for name in "alpha beta gamma lambda sigma tau mu pi log ln max min tanh sum".split()},
    "mean": r"\operatorname{mean}",
    "softmax": r"\operatorname{softmax}",
    "sq": r"\operatorname{sq}",
    "exp": r"\exp",
    "cos": r"\cos",
    "in": r"\in ",
    "<-": r"\leftarrow ",
    "<=": r"\le ",
    ">=": r"\ge ",
    "!=": r"\ne ",
    "->": r"\to ",
    "..": r"\dots ",
    "*": r"\cdot ",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
}
BIG = {"sum", "mean"}  # operators that what follows belongs to
TOKEN = re.compile(r"U-Net|[A-Za-z]+(?:'s)?\d*'*|\d+(?:\.\d+)?(?:e-?\d+)?|\.\.|<-|<=|>=|!=|->|\S")
CLOSING = {"(": ")", "[": "]", "{": "}"}
FORMULA = re.compile(r"(?:[\w_{}']+(?:, [\w_{}']+)*) (?:=|<-) \S")


@dataclass
class Atom:
    """A piece of a formula that / and scripts take as one: its LaTeX, and whether it is a group in parentheses."""

    latex: str
    inner: str | None = None
    big: bool = False


def is_formula(paragraph: str) -> bool:
    """Whether a paragraph of a docstring is a formula: it begins with `symbol = `."""
    return bool(FORMULA.match(paragraph.strip()))


def to_latex(formula: str) -> str:
    """The LaTeX of a formula in plain characters; each of its lines is a line of its own."""
    lines = [Parser(line).parse() for line in formula.strip().splitlines()]
    if len(lines) == 1:
        return lines[0]
    rows = r" \\ ".join(f"& {line}" for line in lines)
    return rf"\begin{{align*}} {rows} \end{{align*}}"


def to_mathml(latex: str, block: bool = False) -> str:
    """MathML, which browsers draw without scripts or fonts of ours."""
    return str(convert(latex, display="block" if block else "inline"))


class Parser:
    """Reads one line of a formula from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(TOKEN.finditer(text))
        self.at = 0

    def parse(self) -> str:
        """The LaTeX of the whole line, with one text for words that follow each other."""
        return re.sub(r" \} \\text\{ ", " ", self.sequence(None))

    def peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def sequence(self, end: str | None) -> str:
        """Atoms up to the token `end`, which is taken too."""
        atoms: list[Atom] = []
        while self.at < len(self.tokens) and self.peek() != end:
            if self.peek() == "/" and atoms:
                self.at += 1
                above, below = atoms.pop(), self.operand()
                fraction = rf"\frac{{{above.inner or above.latex}}}{{{below.inner or below.latex}}}"
                atoms.append(Atom(fraction))
            else:
                atoms.append(self.atom())
        self.at += end is not None
        if end == ")" and len(atoms) == 1 and atoms[0].latex.startswith(r"\frac"):
            return "\0" + atoms[0].latex  # a fraction needs no parentheses
        return " ".join(atom.latex for atom in atoms)

    def operand(self) -> Atom:
        """What stands below a fraction's line: an atom, with what follows it if it is a sum."""
        first = self.atom()
        return Atom(f"{first.latex} {self.operand().latex}") if first.big else first

    def atom(self) -> Atom:
        """The next atom, with its scripts and, of a function, its arguments."""
        match = self.tokens[self.at]
        token, self.at = match[0], self.at + 1
        if token in CLOSING:
            return self.scripts(self.group(token))
        name = token.rstrip("'")
        made = Atom(word(name) + "'" * (len(token) - len(name)), big=name in BIG)
        made = self.scripts(made)
        if name[:1].isalpha() and self.peek() in ("(", "[") and self.touches():
            argument = self.group(self.take())
            if name == "sqrt":
                return Atom(rf"\sqrt{{{argument.inner or argument.latex}}}")
            return self.scripts(Atom(f"{made.latex} {argument.latex}"))
        return made

    def touches(self) -> bool:
        """Whether nothing is between the next token and the one before it."""
        return (
            self.at > 0
            and self.at < len(self.tokens)
            and self.tokens[self.at].start() == self.tokens[self.at - 1].end()
        )

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1][0]

    def group(self, opening: str) -> Atom:
        """What stands between parentheses, brackets or braces."""
        inner = self.sequence(CLOSING[opening])
        if inner.startswith("\0"):
            return Atom(inner[1:])
        left, right = (opening, CLOSING[opening]) if opening != "{" else (r"\{", r"\}")
        return Atom(rf"\left{left} {inner} \right{right}", inner if opening == "(" else None)

    def scripts(self, base: Atom) -> Atom:
        """The atom with what follows it after _ and ^."""
        while self.peek() in ("_", "^"):
            mark = self.take()
            if self.peek() == "{":
                self.at += 1
                script = self.sequence("}")
            else:
                script = subscript(self.take())
            base = Atom(f"{base.latex}{mark}{{{script}}}", big=base.big)
        return base


def word(name: str) -> str:
    """A symbol, a variable of one letter (and digits), or a word in upright letters."""
    if name in SYMBOLS:
        return SYMBOLS[name]
    if re.fullmatch(r"1e-?\d+", name):
        return rf"10^{{{name[2:]}}}"
    if len(name) == 1 or not name[0].isalpha():
        return name
    numbered = re.fullmatch(r"([A-Za-z])(\d+)", name)
    if numbered:
        return rf"{numbered[1]}_{{{numbered[2]}}}"
    return rf"\text{{ {name} }}" if len(name) > 3 or name.islower() else rf"\mathrm{{{name}}}"


def subscript(token: str) -> str:
    """A script of one token: several letters that are no symbol stand for each other's indices, as in c_ht."""
    name = token.rstrip("'")
    primes = "'" * (len(token) - len(name))
    if name in SYMBOLS or not name.isalpha() or len(name) == 1:
        return word(name) + primes
    return (name if len(name) == 2 and name.islower() else rf"\text{{{name}}}") + primes
