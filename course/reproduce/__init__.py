"""Recipes of published tables. Each writes a result file that the book's results page shows beside the paper's numbers."""
