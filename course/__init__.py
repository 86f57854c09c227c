"""Everything Is a Mapping: the code behind the book.

An encoder maps a modality to vectors; a meta-learner maps a small data set to a model; an alignment maps one modality
to another. Import the modules themselves, for example ``from course.crossmodal.cca import CCA``.
"""

__version__ = "0.1.0"
