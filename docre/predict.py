"""`python -m docre.predict ...`: the same as `docre predict ...`."""

import sys

from docre.__main__ import main

if __name__ == "__main__":
    main(["predict", *sys.argv[1:]])
