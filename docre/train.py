"""`python -m docre.train ...`: the same as `docre train ...`."""

import sys

from docre.__main__ import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
