"""Maps from a modality to vectors."""
