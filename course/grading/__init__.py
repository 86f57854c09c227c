"""Grading: student notebooks come from ``solutions/``, and submissions run in a sandbox.

A submission is a stranger's program. It runs in a Jupyter kernel that sees neither the network nor the solutions nor
other submissions; the gradebook stays outside. nbgrader keeps the gradebook and the points; this package finds the
answers in a submission, guards the tests against them, and makes a run resumable. Nothing here knows the rest of
`course`.
"""
