"""Maps from small data sets to models."""
