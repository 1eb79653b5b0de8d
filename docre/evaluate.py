"""`python -m docre.evaluate ...`: the same as `docre evaluate ...`."""

import sys

from docre.__main__ import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
