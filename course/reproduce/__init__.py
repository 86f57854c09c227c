"""Recipes of published tables. Each writes a result file that the book shows beside the paper's numbers."""
