"""Maps between modalities."""
