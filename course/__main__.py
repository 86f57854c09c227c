"""`python -m course` and `accelerate launch -m course` are the command `course`."""

import sys

from course.cli import main

if __name__ == "__main__":
    sys.exit(main())
