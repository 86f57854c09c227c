"""The errors that are meant for whoever started a command: :func:`course.cli.main` shows them in one line."""


class CourseError(Exception):
    """Something that the person at the keyboard can put right; the message says how.

    Attributes:
        exit_status: of the command that it ends.

    Example:
        >>> str(CourseError("there is no such file: name another one"))
        'there is no such file: name another one'
    """

    exit_status = 1
